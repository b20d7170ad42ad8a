"""urllib3 with a time-out for the whole of an exchange: headers and body that come in drips are late too."""

from __future__ import annotations

import socket

from urllib3 import HTTPConnectionPool, PoolManager
from urllib3.connection import HTTPConnection

from deadline_socket import DeadlineSocket


class _DeadlineConnection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return DeadlineSocket.over(super()._new_conn(), float(self.timeout or 0))


class _DeadlineConnectionPool(HTTPConnectionPool):
    ConnectionCls = _DeadlineConnection


def deadline_pool(seconds: float, connections: int) -> PoolManager:
    """Make a pool whose connections end after `seconds`; it follows no redirect and tries nothing twice.

    Close each answer (`preload_content=False`, `close()`): a kept connection keeps its deadline.
    """
    pool = PoolManager(maxsize=connections, timeout=seconds, retries=False)
    pool.pool_classes_by_scheme = {"http": _DeadlineConnectionPool}
    return pool
