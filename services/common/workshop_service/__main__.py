"""Run a service: `python -m workshop_service MODULE:FACTORY`."""

from __future__ import annotations

import importlib
import json
import logging.config
import sys

from workshop_service.application import service_of
from workshop_service.logs import log, logging_config
from workshop_service.server import serve
from workshop_service.settings import ConfigurationError

USAGE = "usage: python -m workshop_service MODULE:FACTORY, for example aleph:create_app"


def main(arguments: list[str]) -> int:
    """Make the application in this process, so that a bad setting is one sentence and no traceback."""
    module, _, factory = arguments[0].partition(":") if len(arguments) == 1 else ("", "", "")
    if not module or not factory:
        print(USAGE, file=sys.stderr)
        return 2
    try:
        app = getattr(importlib.import_module(module), factory)()
    except ConfigurationError as error:
        print(json.dumps({"level": "error", "service": module, "message": f"{module} does not start: {error}"}))
        return 2
    service = service_of(app)
    logging.config.dictConfig(logging_config(service.identity))
    faults = sorted(service.settings.faults)
    log.info("starting on port %d", service.settings.port, extra={"fields": {"faults": faults}})
    serve(app)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
