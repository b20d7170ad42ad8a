"""A backend of alephbeth: the device resource over Mongo, and a deliberately slow /ping.

aleph and beth are this package under two names, each with a database of its own.
"""

from device_backend.application import create_backend

__all__ = ["create_backend"]
