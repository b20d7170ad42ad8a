"""front: the web page of alephbeth, which asks the backends who answers."""

from front.application import create_app

__all__ = ["create_app"]
