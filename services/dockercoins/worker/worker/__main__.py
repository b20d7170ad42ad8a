"""Run the worker: `python -m worker`, until SIGTERM or SIGINT."""

from __future__ import annotations

import json
import logging.config
import os
import signal
import sys
import threading

from worker.miner import Miner
from worker.settings import WorkerSettings
from workshop_service import ConfigurationError, Settings
from workshop_service.logs import log, logging_config


def main() -> int:
    """Work until a signal says to stop; a bad setting is one sentence and no traceback."""
    try:
        identity = Settings.from_environ("worker").identity
        settings = WorkerSettings.from_environ(os.environ)
    except ConfigurationError as error:
        print(json.dumps({"level": "error", "service": "worker", "message": f"worker does not start: {error}"}))
        return 2
    logging.config.dictConfig(logging_config(identity))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    log.info("starting: %s, %s and redis at %s", settings.rng_url, settings.hasher_url, settings.redis_host)
    Miner(settings, stop).run()
    log.info("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
