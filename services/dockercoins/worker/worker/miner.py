"""The endless loop: bytes from rng, their hash from hasher, the count and the coins into redis."""

from __future__ import annotations

import threading
import time

from prometheus_client import CollectorRegistry, Counter
from urllib3.exceptions import HTTPError

from coin_store import Batch, CoinStore, StoreError
from deadline_http import deadline_pool
from worker.settings import WorkerSettings
from workshop_service.logs import log

UNIT_BYTES = 32
# Far more than rng and hasher answer.
MAX_ANSWER_BYTES = 1024
REPORT_SECONDS = 1.0


class RefusedError(Exception):
    """Another service answered with something else than what was asked for."""


class Miner:
    """One worker. What it has done and could not count yet is counted once redis is back."""

    def __init__(
        self, settings: WorkerSettings, store: CoinStore, stop: threading.Event, registry: CollectorRegistry
    ) -> None:
        self._settings = settings
        self._store = store
        self._stop = stop
        self._http = deadline_pool(settings.timeout, 1)
        # What is being done, and what is done and was sent to redis, perhaps in vain. Nothing is added to the latter:
        # redis may have counted it already.
        self._doing = Batch()
        self._done: Batch | None = None
        self._units = Counter("worker_units", "Units of work done.", registry=registry)
        self._coins = Counter("worker_coins", "Coins found.", registry=registry)
        self._errors = Counter("worker_errors", "Times that the work stopped for an error.", registry=registry)

    def run(self) -> None:
        """Work until `stop` is set; after any error wait, and begin again."""
        while not self._stop.is_set():
            try:
                self._work()
            except (HTTPError, StoreError, RefusedError, OSError) as error:
                self._errors.inc()
                log.error("%s; waiting %g s", error, self._settings.retry_seconds)
                self._stop.wait(self._settings.retry_seconds)

    def _work(self) -> None:
        self._count()
        reported = time.monotonic()
        while not self._stop.is_set():
            self._unit()
            if (elapsed := time.monotonic() - reported) >= REPORT_SECONDS:
                self._report(elapsed)
                reported += elapsed
        self._report(time.monotonic() - reported)

    def _unit(self) -> None:
        """Do one unit of work: a hash whose first digit is 0 is a coin."""
        data = self._ask("GET", f"{self._settings.rng_url}/{UNIT_BYTES}")
        digest = self._ask("POST", f"{self._settings.hasher_url}/", data).decode(errors="replace").strip()
        self._stop.wait(self._settings.work_seconds)
        self._doing.units += 1
        self._units.inc()
        if digest.startswith("0"):
            self._doing.coins[digest] = data
            self._coins.inc()
            log.info("coin found: %s...", digest[:8])

    def _report(self, seconds: float) -> None:
        units = self._doing.units
        self._done, self._doing = self._doing, Batch()
        total = self._count()
        log.info(
            "%d units of work done in %.1f s, %s in all",
            *(units, seconds, total),
            extra={"fields": {"units": units, "units_per_second": round(units / seconds, 2)}},
        )

    def _count(self) -> int | None:
        """Count what is done; return the units of all workers, or None when there was nothing to count."""
        if self._done is None:
            return None
        total = self._store.count(self._done)
        self._done = None
        return total

    def _ask(self, method: str, url: str, body: bytes | None = None) -> bytes:
        answer = self._http.request(
            method, url, body=body, headers={"Connection": "close"}, preload_content=False, redirect=False
        )
        try:
            if answer.status != 200:
                raise RefusedError(f"{method} {url} was answered with {answer.status}")
            return answer.read(MAX_ANSWER_BYTES)
        finally:
            answer.close()
