"""Counters in redis, each asked within one time-out and never twice behind the caller's back."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from redis import Connection, ConnectionPool, Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from deadline_socket import DeadlineSocket
from workshop_service.settings import number

HASHES, WALLET = "hashes", "wallet"
# How long redis remembers that a batch is counted: longer than any worker may be kept from trying it again.
REMEMBERED_SECONDS = 24 * 3600
# KEYS: the batch's name, HASHES, WALLET. ARGV: REMEMBERED_SECONDS, units, then each coin's hash and bytes.
# redis runs it as a whole or not at all.
COUNT_ONCE = """
if redis.call('SET', KEYS[1], 1, 'NX', 'EX', ARGV[1]) then
  redis.call('INCRBY', KEYS[2], ARGV[2])
  for coin = 3, #ARGV, 2 do redis.call('HSET', KEYS[3], ARGV[coin], ARGV[coin + 1]) end
end
return redis.call('GET', KEYS[2])
"""


class StoreError(Exception):
    """redis was not asked or did not answer; the message names it and says why."""


@dataclass
class Batch:
    """Work to count. Its id makes it safe to send again when the answer was lost: redis counts it once."""

    units: int = 0
    # The bytes of each coin, by their hash.
    coins: dict[str, bytes] = field(default_factory=dict)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True)
class Counters:
    """What all workers have counted."""

    coins: int
    hashes: int


class CoinStore:
    """The counters, over a connection of its own for each question: one that broke meanwhile fails no later one."""

    def __init__(self, host: str, port: int, seconds: float) -> None:
        """Take `seconds` to connect, and as many for the whole answer."""
        self.address = f"{host}:{port}"

        class DeadlineConnection(Connection):
            def _connect(self) -> socket.socket:
                plain: socket.socket = super()._connect()  # type: ignore[no-untyped-call]
                return DeadlineSocket.over(plain, seconds)

        # redis-py tries ten times by itself, which hides errors and counts what was counted already.
        pool = ConnectionPool(
            connection_class=DeadlineConnection,
            host=host,
            port=port,
            socket_timeout=None,  # the deadline is enough
            socket_connect_timeout=seconds,
            retry=Retry(NoBackoff(), 0),
        )
        self._redis = Redis(connection_pool=pool)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], seconds: float) -> CoinStore:
        """Read REDIS_HOST and REDIS_PORT."""
        host = environ.get("REDIS_HOST", "").strip() or "redis"
        return cls(host, int(number(environ, "REDIS_PORT", 6379, low=1, high=65535, integer=True)), seconds)

    def count(self, batch: Batch) -> int:
        """Count a batch unless that has been done, and return the units that all workers have done."""
        coins = [part for coin in batch.coins.items() for part in coin]
        keys = (f"counted:{batch.id}", HASHES, WALLET)
        with self._asked() as redis:
            return int(redis.eval(COUNT_ONCE, len(keys), *keys, REMEMBERED_SECONDS, batch.units, *coins))

    def read(self) -> Counters:
        """Read both counters at one moment."""
        with self._asked() as redis, redis.pipeline() as pipeline:
            pipeline.hlen(WALLET)
            pipeline.get(HASHES)
            coins, hashes = pipeline.execute()
        return Counters(coins, int(hashes or 0))

    @contextmanager
    def _asked(self) -> Iterator[Any]:
        try:
            yield self._redis
        except (RedisError, OSError, ValueError) as error:
            raise StoreError(f"redis at {self.address} does not answer: {error}") from error
        finally:
            self._redis.connection_pool.disconnect()
