"""Run the worker: `python -m worker`, until SIGTERM or SIGINT."""

from __future__ import annotations

import json
import logging.config
import os
import signal
import sys
import threading

from coin_store import CoinStore
from worker.miner import Miner
from worker.settings import WorkerSettings
from workshop_service import ConfigurationError, Settings, create_service
from workshop_service.application import service_of
from workshop_service.logs import log, logging_config
from workshop_service.server import start_probes


def main() -> int:
    """Work until a signal says to stop; a bad setting is one sentence and no traceback."""
    try:
        common = Settings.from_environ("worker")
        settings = WorkerSettings.from_environ(os.environ)
        store = CoinStore.from_environ(os.environ, settings.timeout)
    except ConfigurationError as error:
        print(json.dumps({"level": "error", "service": "worker", "message": f"worker does not start: {error}"}))
        return 2
    logging.config.dictConfig(logging_config(common.identity))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    # It has nothing to serve but its probes and metrics.
    app = create_service(common, __name__)
    start_probes(app)
    log.info("starting: %s, %s and redis at %s", settings.rng_url, settings.hasher_url, store.address)
    Miner(settings, store, stop, service_of(app).registry).run()
    log.info("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
