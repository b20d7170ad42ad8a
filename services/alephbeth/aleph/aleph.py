"""aleph: a backend of alephbeth."""

from flask import Flask

from device_backend import create_backend


def create_app() -> Flask:
    """Make the application from the environment (services/README.md)."""
    return create_backend("aleph")
