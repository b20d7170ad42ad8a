"""Run front: `python -m front`."""

import sys

from front import create_app
from workshop_service import run

if __name__ == "__main__":
    sys.exit(run("front", create_app))
