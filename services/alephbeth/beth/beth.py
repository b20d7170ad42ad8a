"""beth: a backend of alephbeth."""

import sys

from flask import Flask

from device_backend import create_backend
from workshop_service import run


def create_app() -> Flask:
    """Make the application from the environment (services/README.md)."""
    return create_backend("beth")


if __name__ == "__main__":
    sys.exit(run("beth", create_app))
