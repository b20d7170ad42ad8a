"""Run webui: `python -m webui`."""

import sys

from webui import create_app
from workshop_service import run

if __name__ == "__main__":
    sys.exit(run("webui", create_app))
