# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A websocket to a pod, by way of the API server and the pod's node, as exec and port-forward use it.

Its frames bear the number of a channel, as `v4.channel.k8s.io` has it. The client's own websocket connects without a
deadline and takes the environment's proxy for every address; so it is opened here, with what the transport knows.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit

import certifi
from websocket import (
    ABNF,
    WebSocket,
    WebSocketBadStatusException,
    WebSocketException,
    WebSocketTimeoutException,
)

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.errors import cause_of, server_words

PROTOCOL = "v4.channel.k8s.io"
# For the connection, for TLS and for each part of the handshake, in which the API server asks the pod's node.
OPEN_SECONDS = 10.0
# More than a proxy's whole configuration: what runs in a student's pod may answer without end.
MOST_BYTES = 64 * 2**20
# Between attempts: an API server may be gone again as soon as it is back, or answer reads on a connection that was open
# before.
PAUSES = (0.2, 0.5, 1.0, 2.0)
# What the API server says when a node's kubelet does not answer it.
NODE_SILENT = re.compile(r"dialing backend|dial tcp|no route to host|proxy error from|i/o timeout")


class PodUnreachableError(WorkshopError):
    """A pod cannot be asked. The message says which and why, without a capital and a full stop.

    Attributes:
        node: the pod's node, when it is the node that does not answer.
    """

    def __init__(self, message: str, node: str = "", **result: Any) -> None:
        super().__init__(message, **result)
        self.node = node


class NotSentError(PodUnreachableError):
    """Nobody listened, and that may mend itself."""


class Channels:
    """An open websocket."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    @classmethod
    def open(
        cls,
        api: Api,
        namespace: str,
        pod: str,
        subresource: str,
        query: Sequence[tuple[str, str]],
        seconds: float = OPEN_SECONDS,
    ) -> Channels:
        """Open a websocket to a pod; where no API server is reached, wait for it first, in words, as a read does.

        Args:
            subresource: "exec" or "portforward".
            query: its parameters, of which some may stand several times.
            seconds: for each step of connecting.

        Raises:
            PodUnreachableError: the API server does not lead to the pod.
            KubernetesError: there is no API server for longer than a read is patient.
        """
        for pause in PAUSES:
            try:
                return cls._connected(api, namespace, pod, subresource, query, seconds)
            except NotSentError:
                api.find(f"/api/v1/namespaces/{namespace}/pods/{pod}")
                time.sleep(pause)
        return cls._connected(api, namespace, pod, subresource, query, seconds)

    @classmethod
    def _connected(
        cls, api: Api, namespace: str, pod: str, subresource: str, query: Sequence[tuple[str, str]], seconds: float
    ) -> Channels:
        client = api.client
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/{subresource}"
        _, url, headers, *_ = client.param_serialize(
            "GET", path, query_params=list(query), auth_settings=["BearerToken"]
        )
        websocket = WebSocket(sslopt=_tls(client.configuration), skip_utf8_validation=True)
        begun = time.monotonic()
        try:
            websocket.connect(
                "ws" + url.removeprefix("http"),
                timeout=seconds,
                subprotocols=[PROTOCOL],
                header=[f"{name}: {value}" for name, value in headers.items() if name.lower() == "authorization"],
                **_proxy(client.configuration.proxy),
            )
        except WebSocketBadStatusException as error:
            raise _refused(api, namespace, pod, error) from error
        except (WebSocketException, OSError, ValueError) as error:
            cause = cause_of(error, client.target)
            sentence = cause.sentence(client.target, f"{subresource} of pod {pod}", time.monotonic() - begun)
            refused = isinstance(error, ConnectionError) and not cause.sent
            kind = NotSentError if refused else PodUnreachableError
            raise kind(sentence) from error
        return cls(websocket)

    def receive(self, seconds: float) -> tuple[int, bytes] | None:
        """Take the next piece and its channel; None when the other side has ended.

        Raises:
            TimeoutError: nothing came in time.
            OSError, WebSocketException: the connection broke.
        """
        # 0 would mean: whatever has come already.
        self._websocket.settimeout(max(seconds, 0.001))
        while True:
            try:
                opcode, frame = self._websocket.recv_data_frame(control_frame=True)
            except WebSocketTimeoutException as error:
                raise TimeoutError("no answer") from error
            if opcode == ABNF.OPCODE_CLOSE:
                return None
            if opcode in (ABNF.OPCODE_BINARY, ABNF.OPCODE_TEXT) and frame.data:
                return frame.data[0], frame.data[1:]

    def send(self, channel: int, data: bytes) -> None:
        """Send a piece on a channel."""
        self._websocket.send(bytes([channel]) + data, ABNF.OPCODE_BINARY)

    def close(self) -> None:
        """End it, without waiting for the other side's agreement."""
        with suppress(WebSocketException, OSError):
            self._websocket.send_close()
        with suppress(WebSocketException, OSError):
            self._websocket.shutdown()


def _tls(configuration: Any) -> dict[str, Any]:
    """What the official client's own websockets say of TLS."""
    options = {
        "certfile": configuration.cert_file,
        "keyfile": configuration.key_file,
        "server_hostname": configuration.tls_server_name,
        "ca_certs": configuration.ssl_ca_cert or certifi.where(),
    }
    verified = {} if configuration.verify_ssl else {"cert_reqs": 0, "check_hostname": False}
    return {**{name: value for name, value in options.items() if value}, **verified}


def _proxy(proxy: str | None) -> dict[str, Any]:
    """Say which proxy is used, which was decided already: the websocket would ask the environment again."""
    if not proxy:
        return {"http_proxy_host": "none", "http_proxy_port": 1, "http_no_proxy": ["*"]}
    parts = urlsplit(proxy)
    kind = parts.scheme if parts.scheme.startswith("socks") else "http"
    user = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    return {
        "http_proxy_host": parts.hostname,
        "http_proxy_port": parts.port or 80,
        "proxy_type": kind,
        "http_proxy_auth": user,
        "http_no_proxy": ["none.invalid"],
    }


def _refused(api: Api, namespace: str, pod: str, error: WebSocketBadStatusException) -> PodUnreachableError:
    """Say why the API server makes no connection to a pod: the node's silence, or its own words."""
    words = server_words((error.resp_body or b"").decode("utf-8", "replace")) or f"status {error.status_code}"
    if error.status_code < 500 or not NODE_SILENT.search(words):
        return PodUnreachableError(words)
    try:
        found = api.find(f"/api/v1/namespaces/{namespace}/pods/{pod}") or {}
    except KubernetesError:
        found = {}
    node = str((found.get("spec") or {}).get("nodeName") or "")
    whose = f"the node of pod {pod}" + (f", {node}," if node else "")
    why = words.rpartition(": ")[2]
    return PodUnreachableError(f"{whose} does not answer ({why})", node=node or "unknown")
