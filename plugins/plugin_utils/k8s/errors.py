# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What goes wrong on the way to the Kubernetes API, as one sentence for people: the tables, and the error classes."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import websocket
from urllib3 import exceptions as urllib3

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError

# An answer to a write that cannot be had is not asked for twice: it may have been done.
NOT_SENT, MAYBE_SENT = False, True
# OpenSSL's numbers for why a certificate is refused; all others mean that nobody known has signed it.
EXPIRED, NOT_YET_VALID, OTHER_NAME, OTHER_ADDRESS = 10, 9, 62, 64
# X509_V_FLAG_X509_STRICT's: a certificate lacks what RFC 5280 wants. Python looks at that since 3.13; kubectl does not.
STRICT = range(78, 95)
# Answers that say "not now": worth asking again. A write was done by none of NOT_DONE.
NOT_NOW = {408, 429, 500, 502, 503, 504}
NOT_DONE = {429}
# What the API server says when a webhook that must judge an object is not there, such as istiod's while that restarts.
WEBHOOK = "failed calling webhook"


class KubernetesError(WorkshopError):
    """The cluster cannot be asked, or refuses. The message is one sentence for people, with the remedy.

    Attributes:
        status: the HTTP status of the API server's answer, 0 when there was none.
        said: the API server's own words.
        transient: it may mend itself, so that who waits for something anyway goes on waiting.
    """

    def __init__(
        self, message: str, status: int = 0, *, said: str = "", transient: bool = False, **result: Any
    ) -> None:
        super().__init__(message, **result)
        self.status = status
        self.said = said or message
        self.transient = transient


class MissingKindError(KubernetesError):
    """The cluster serves no objects of this kind: what defines it is not installed."""


@dataclass(frozen=True)
class Target:
    """Whom the requests go to, as errors name it."""

    server: str
    kubeconfig: str
    # The proxy between, and where it was found: "http://proxy:3128 (HTTPS_PROXY)".
    proxy: str = ""

    @property
    def name(self) -> str:
        """Name the server without its scheme: host:port."""
        return self.server.partition("://")[2] or self.server


@dataclass(frozen=True)
class Cause:
    """Why there is no answer.

    Attributes:
        words: what happened, to stand after "cannot be reached: ".
        remedy: what to do about it.
        sent: the request may have arrived.
        transient: it may mend itself.
    """

    words: str
    remedy: str
    sent: bool = NOT_SENT
    transient: bool = True

    def sentence(self, target: Target, doing: str, seconds: float) -> str:
        """Make a sentence of it.

        Args:
            doing: the request, such as "GET /version".
            seconds: how long it was tried.
        """
        through = f" through the proxy {target.proxy}" if target.proxy else ""
        tried = f"{doing}, tried for {seconds:.0f} s" if seconds >= 1 else doing
        return f"The cluster at {target.server} cannot be reached{through}: {self.words} ({tried}): {self.remedy}"


IS_IT_RUNNING = (
    "is it running? `make up` brings the workshop's own one up; another one is named with -e workshop_kubeconfig=FILE."
)
FRESH_KUBECONFIG = "take a fresh kubeconfig from it."


def cause_of(error: BaseException, target: Target) -> Cause:
    """Find why a request got no answer; the first row of the table that knows one of the error's causes."""
    found = list(_chain(error))
    for kind, explain in _CAUSES:
        for each in found:
            if isinstance(each, kind):
                cause = explain(each, target)
                if cause:
                    return _through_proxy(cause, target) if target.proxy and not cause.sent else cause
    return Cause(first_line(error), IS_IT_RUNNING, MAYBE_SENT, transient=False)


def _through_proxy(cause: Cause, target: Target) -> Cause:
    """What stands between is asked first: it is the proxy that does not connect."""
    host = target.name.rpartition(":")[0] or target.name
    return Cause(
        cause.words,
        f"is that proxy right for this cluster? NO_PROXY={host} has it asked directly.",
        cause.sent,
        cause.transient,
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Give an error and all that it was made from: libraries wrap the true cause up to four times."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        inner = (getattr(each, "reason", None), getattr(each, "original_error", None), *each.args)
        waiting += [cause for cause in (*inner, each.__cause__, each.__context__) if isinstance(cause, BaseException)]


def _unknown_name(error: BaseException, target: Target) -> Cause:
    temporary = isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
    host = target.name.rpartition(":")[0] or target.name
    return Cause(
        f"DNS does not know the name {'of the proxy' if target.proxy else host} ({_system_words(error)})",
        f"correct the server in {target.kubeconfig}, or this machine's DNS.",
        transient=temporary,
    )


def _certificate(error: BaseException, target: Target) -> Cause:
    code = getattr(error, "verify_code", 0)
    said = str(getattr(error, "verify_message", "") or first_line(error))
    if code in (EXPIRED, NOT_YET_VALID):
        what = "has expired" if code == EXPIRED else "is not valid yet"
        remedy = "compare the clocks of both machines (date); if they agree, the cluster needs a new certificate."
    elif code in (OTHER_NAME, OTHER_ADDRESS):
        what = "is for another name"
        remedy = f"name the server in {target.kubeconfig} as its certificate does, or set tls-server-name there."
    elif code in STRICT:
        what = "is not as RFC 5280 wants it, which Python demands since 3.13 and kubectl does not"
        remedy = (
            "give the cluster a CA certificate that is, or work from a machine with an older Python, such as Debian 12."
        )
    else:
        what = f"is signed by nobody whom {target.kubeconfig} trusts"
        remedy = f"it is another cluster, or was made anew: {FRESH_KUBECONFIG}"
    return Cause(f"its TLS certificate {what} ({said.rstrip('.')})", remedy, transient=False)


def _no_tls(error: BaseException, target: Target) -> Cause | None:
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return _cut(error, target)
    return Cause(
        f"TLS fails ({first_line(error)})",
        f"does another program answer at {target.name}? Compare with the server in {target.kubeconfig}.",
        transient=False,
    )


def _cut(_: BaseException, target: Target) -> Cause:
    return Cause("it closed the connection without an answer", IS_IT_RUNNING, MAYBE_SENT)


def _system_error(error: BaseException, target: Target) -> Cause | None:
    return Cause(_system_words(error), IS_IT_RUNNING) if getattr(error, "errno", None) else None


def _proxy(error: BaseException, target: Target) -> Cause | None:
    """A proxy that answers, but makes no tunnel: "Tunnel connection failed: 403 Forbidden"."""
    words = first_line(error.args[-1] if error.args else error)
    status = re.search(r"(?:failed|status): (\d{3})\b", words)
    return Cause(words, "", transient=int(status[1]) in NOT_NOW) if status else None


# Read from above: the more exact before the more general.
_CAUSES: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], Callable[..., Cause | None]], ...] = (
    ((urllib3.ProxyError, websocket.WebSocketProxyException), _proxy),
    (socket.gaierror, _unknown_name),
    (ssl.SSLCertVerificationError, _certificate),
    (ssl.SSLError, _no_tls),
    (ConnectionRefusedError, lambda _, target: Cause("connection refused", IS_IT_RUNNING)),
    (
        urllib3.ConnectTimeoutError,
        lambda _, target: Cause("no answer to a connection", f"is the machine of {target.name} up? {IS_IT_RUNNING}"),
    ),
    (
        (urllib3.ReadTimeoutError, TimeoutError, websocket.WebSocketTimeoutException),
        lambda _, target: Cause(
            "no answer",
            "the connection stands, but nothing comes: is the API server overloaded or paused? "
            f"kubectl --kubeconfig {target.kubeconfig} get --raw /readyz asks it.",
            MAYBE_SENT,
        ),
    ),
    (http.client.BadStatusLine, lambda error, target: None if isinstance(error, ConnectionError) else _no_http(target)),
    (
        (
            ConnectionResetError,
            BrokenPipeError,
            http.client.IncompleteRead,
            websocket.WebSocketConnectionClosedException,
        ),
        _cut,
    ),
    ((urllib3.ProtocolError, ConnectionError), _cut),
    (OSError, _system_error),
)


def _no_http(target: Target) -> Cause:
    return Cause(
        "what answers does not speak HTTP",
        f"another program answers at {target.name}: correct the server in {target.kubeconfig}.",
        MAYBE_SENT,
        transient=False,
    )


def refusal(target: Target, doing: str, status: int, body: bytes | str) -> KubernetesError:
    """Say what an answer of 400 and above means."""
    said = server_words(body if isinstance(body, str) else body.decode("utf-8", "replace")) or f"HTTP status {status}"
    transient = status in NOT_NOW
    if status == 400 and "HTTP request to an HTTPS server" in said:
        sentence = (
            f"The cluster at {target.server} speaks TLS: the server in {target.kubeconfig} must begin with https://."
        )
    elif status == 401:
        sentence = (
            f"The cluster at {target.server} refuses the credentials in {target.kubeconfig}: they have expired or "
            f"belong to another cluster; {FRESH_KUBECONFIG}"
        )
    elif status == 407:
        sentence = (
            f"The proxy {target.proxy} wants credentials: name them in its address, or put the cluster in NO_PROXY."
        )
    elif status == 403:
        sentence = (
            f"The cluster refused {doing} (403): {said}: the user of {target.kubeconfig} lacks that right; ask who "
            "runs the cluster for it."
        )
    elif transient:
        sentence = f"The cluster at {target.server} cannot do {doing} now ({status}): {said}: try again in a minute."
    else:
        sentence = f"The cluster refused {doing} ({status}): {said}"
    return KubernetesError(sentence, status, said=said, transient=transient)


def not_an_api_server(target: Target, doing: str, status: int, text: str) -> KubernetesError:
    """Say that something else than a Kubernetes API server answers: a proxy's page, a login page, another program."""
    lowered = text.lower()
    title = text[lowered.find("<title>") + 7 : lowered.find("</title>")] if "</title>" in lowered else text[:80]
    through = f"The proxy {target.proxy}, or what" if target.proxy else "What"
    return KubernetesError(
        f"{through} answers at {target.server} is no Kubernetes API server: to {doing} it sent "
        f"'{' '.join(title.split())}' (status {status}): correct the server in "
        f"{target.kubeconfig}, or the proxy between.",
        status,
        transient=status in NOT_NOW,
    )


def server_words(text: str) -> str:
    """Take the API server's sentence out of its answer, on one line.

    >>> server_words('{"kind": "Status", "message": "pods \\\\"x\\\\" not found"}')
    'pods "x" not found'
    """
    try:
        message = json.loads(text).get("message")
    except (ValueError, AttributeError):
        message = text[:200]
    return " ".join(str(message or "").split())


def first_line(error: object) -> str:
    """Give an error's first line, or its kind when it says nothing."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _system_words(error: BaseException) -> str:
    """Give the operating system's words: "No route to host" of "[Errno 113] No route to host"."""
    words = getattr(error, "strerror", None)
    return str(words).lower() if words else first_line(error)
