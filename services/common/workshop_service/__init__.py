"""What every service of the workshop shares, so that none of them copies it.

A service is a Flask application made by `create_service` and served by `run`;
it then has structured logs, metrics, probes, a version, fault switches, limits
and a shutdown that loses no request.
"""

from workshop_service.application import create_service
from workshop_service.run import run
from workshop_service.settings import ConfigurationError, Settings

__all__ = ["ConfigurationError", "Settings", "create_service", "run"]
