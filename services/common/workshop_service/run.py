"""Run a service until a signal ends it."""

from __future__ import annotations

import json
import logging.config
from collections.abc import Callable

from flask import Flask

from workshop_service.application import service_of
from workshop_service.logs import log, logging_config
from workshop_service.server import serve
from workshop_service.settings import ConfigurationError


def run(name: str, create_app: Callable[[], Flask]) -> int:
    """Make and serve an application; return the exit status. A bad setting is one sentence and no traceback."""
    try:
        app = create_app()
    except ConfigurationError as error:
        print(json.dumps({"level": "error", "service": name, "message": f"{name} does not start: {error}"}))
        return 2
    service = service_of(app)
    logging.config.dictConfig(logging_config(service.identity))
    faults = sorted(service.settings.faults)
    log.info("starting on port %d", service.settings.port, extra={"fields": {"faults": faults}})
    serve(app)
    return 0
