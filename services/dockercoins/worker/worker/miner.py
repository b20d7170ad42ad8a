"""The endless loop: bytes from rng, their hash from hasher, the count and the coins into redis."""

from __future__ import annotations

import threading
import time

import urllib3
from redis import Redis, RedisError
from urllib3.exceptions import HTTPError

from worker.settings import WorkerSettings
from workshop_service.logs import log

UNIT_BYTES = 32
REPORT_SECONDS = 1.0
# In redis, as webui reads them: the units done, and the coins (hash: bytes).
HASHES, WALLET = "hashes", "wallet"


class RefusedError(Exception):
    """Another service answered with something else than what was asked for."""


class Miner:
    """One worker. What it has done and could not count yet is counted once redis is back."""

    def __init__(self, settings: WorkerSettings, stop: threading.Event) -> None:
        self._settings = settings
        self._stop = stop
        # No retries here: after an error, everything waits.
        self._http = urllib3.PoolManager(timeout=settings.timeout, retries=False)
        self._redis = Redis(
            settings.redis_host,
            settings.redis_port,
            socket_timeout=settings.timeout,
            socket_connect_timeout=settings.timeout,
        )
        self._uncounted = 0

    def run(self) -> None:
        """Work until `stop` is set; after any error wait, and begin again."""
        while not self._stop.is_set():
            try:
                self._work()
            except (HTTPError, RedisError, RefusedError, OSError) as error:
                log.error("%s; waiting %g s", error, self._settings.retry_seconds)
                self._stop.wait(self._settings.retry_seconds)

    def _work(self) -> None:
        reported = time.monotonic()
        while not self._stop.is_set():
            self._unit()
            self._uncounted += 1
            if (elapsed := time.monotonic() - reported) >= REPORT_SECONDS:
                self._report(elapsed)
                reported += elapsed
        self._report(time.monotonic() - reported)

    def _unit(self) -> None:
        """Do one unit of work: a hash whose first digit is 0 is a coin."""
        data = self._ask("GET", f"{self._settings.rng_url}/{UNIT_BYTES}")
        digest = self._ask("POST", f"{self._settings.hasher_url}/", data).decode().strip()
        self._stop.wait(self._settings.work_seconds)
        if digest.startswith("0"):
            self._redis.hset(WALLET, digest, data)
            log.info("coin found: %s...", digest[:8])

    def _report(self, seconds: float) -> None:
        total = self._redis.incrby(HASHES, self._uncounted)
        log.info(
            "%d units of work done in %.1f s, %s in all",
            *(self._uncounted, seconds, total),
            extra={"fields": {"units": self._uncounted, "units_per_second": round(self._uncounted / seconds, 2)}},
        )
        self._uncounted = 0

    def _ask(self, method: str, url: str, body: bytes | None = None) -> bytes:
        answer = self._http.request(method, url, body=body)
        if answer.status != 200:
            raise RefusedError(f"{method} {url} was answered with {answer.status}")
        return answer.data
