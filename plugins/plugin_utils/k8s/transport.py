# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one function that sends a request to the API server: with deadlines, repeated on purpose, and never silent."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import urllib3
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.client.rest import RESTResponse
from urllib3.exceptions import HTTPError, ReadTimeoutError

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.errors import (
    NOT_DONE,
    NOT_NOW,
    KubernetesError,
    Target,
    cause_of,
    not_an_api_server,
)

CONNECT_SECONDS = 5.0
# How long one answer to a read may take; it is asked for anew then, because a server that went away never says so.
READ_SECONDS = 15.0
# How long a request is tried in all, when nobody says otherwise: a control plane that restarts, or pauses for a minute,
# breaks no play. That there is a cluster at all is asked with less patience, before (action cluster_access).
PATIENCE_SECONDS = 90.0
# After so long without an answer, and as often, a person is told.
SAY_SECONDS = 5.0
PAUSES = (0.2, 0.5, 1.0)
CHUNK = 1 << 16
APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True)
class Patience:
    """Seconds.

    Attributes:
        total: how long a request is tried.
        connect: for one connection.
        read: for one answer to a read. A write is sent once and gets what is left of `total`.
        say: after so long without an answer, and as often, a person is told.
    """

    total: float = PATIENCE_SECONDS
    connect: float = CONNECT_SECONDS
    read: float = READ_SECONDS
    say: float = SAY_SECONDS


class Transport(client.ApiClient):
    """The official client with `call_api`, which everything of it goes through, made reliable."""

    def __init__(
        self, configuration: client.Configuration, target: Target, say: Callable[[str], None], patience: Patience
    ) -> None:
        super().__init__(configuration)
        self.target = target
        self.patience = patience
        self._say = say
        self._until: float | None = None
        self._unanswered_since: float | None = None
        self._trouble = "no answer"
        self._said = False

    @contextmanager
    def until(self, deadline: float) -> Iterator[None]:
        """Try no request beyond a time (time.monotonic), for who waits for something with a deadline of its own."""
        before, self._until = self._until, deadline
        try:
            yield
        finally:
            self._until = before

    def call_api(
        self,
        method: str,
        url: str,
        header_params: Any = None,
        body: Any = None,
        post_params: Any = None,
        _request_timeout: Any = None,
    ) -> RESTResponse:
        """Send a request and give the API server's answer, read to the end, whatever its status; else KubernetesError.

        Reads, and applying on the server's side, are repeated until the patience ends; a write is sent again only when
        it cannot have arrived, or when the server says that it did nothing.
        """
        doing = f"{method} {url.removeprefix(self.target.server).partition('?')[0]}"
        repeatable = method == "GET" or (header_params or {}).get("Content-Type") == APPLY
        begun = time.monotonic()
        deadline = begun + self.patience.total
        if self._until is not None:
            # A first answer is always waited for a moment: it tells what the matter is.
            deadline = min(deadline, max(self._until, begun + 1))
        pauses = iter(PAUSES)
        with self._spoken():
            while True:
                left = max(deadline - time.monotonic(), 0.1)
                limits = (min(self.patience.connect, left), min(self.patience.read, left) if repeatable else left)
                try:
                    answer = _read(super().call_api(method, url, header_params, body, post_params, limits), left)
                except (ApiException, HTTPError, OSError) as error:
                    cause = cause_of(error, self.target)
                    self._trouble = cause.words
                    failure: KubernetesError | None = KubernetesError(
                        cause.sentence(self.target, doing, time.monotonic() - begun), transient=cause.transient
                    )
                    again, pause = cause.transient and (repeatable or not cause.sent), 0.0
                    reason: Exception | None = error
                else:
                    failure = _not_from_an_api_server(answer, self.target, doing)
                    reason = None
                    again = answer.status in NOT_NOW and (repeatable or answer.status in NOT_DONE)
                    pause = _seconds(answer.headers.get("Retry-After"))
                    self._trouble = f"it answers {answer.status}"
                pause = max(pause, next(pauses, PAUSES[-1]))
                if again and time.monotonic() + pause < deadline:
                    time.sleep(pause)
                elif failure:
                    raise failure from reason
                else:
                    if answer.status not in NOT_NOW:
                        self._answered()
                    return answer

    def _answered(self) -> None:
        if self._said and self._unanswered_since is not None:
            self._say(
                f"the API server at {self.target.name} answers again, after "
                f"{time.monotonic() - self._unanswered_since:.0f} s"
            )
        self._unanswered_since, self._said, self._trouble = None, False, "no answer"

    @contextmanager
    def _spoken(self) -> Iterator[None]:
        """Tell a person, from another thread, when no answer comes; the time counts over several requests."""
        if self._unanswered_since is None:
            self._unanswered_since = time.monotonic()
        since = self._unanswered_since
        done = threading.Event()

        def speak() -> None:
            while not done.wait(self.patience.say - (time.monotonic() - since) % self.patience.say):
                seconds = time.monotonic() - since
                self._said = True
                self._say(f"waiting for the API server at {self.target.name}: {self._trouble} for {seconds:.0f} s")

        threading.Thread(target=speak, daemon=True).start()
        try:
            yield
        finally:
            done.set()


def _not_from_an_api_server(answer: RESTResponse, target: Target, doing: str) -> KubernetesError | None:
    """An API server never sends a web page; a proxy, a load balancer or a login page does."""
    text = (answer.data or b"").decode("utf-8", "replace").strip()
    is_page = "html" in (answer.headers.get("Content-Type") or "") or (answer.status >= 400 and text[:1] == "<")
    return not_an_api_server(target, doing, answer.status, text) if is_page else None


def _read(response: RESTResponse, seconds: float) -> RESTResponse:
    """Read an answer to its end by a deadline: a time-out of the socket's counts anew with each byte."""
    deadline = time.monotonic() + seconds
    raw = response.response
    data = b""
    while chunk := raw.read1(CHUNK):
        data += chunk
        if time.monotonic() > deadline:
            raw.close()
            raise ReadTimeoutError(None, "", "the answer does not end")  # type: ignore[arg-type]
    raw.release_conn()
    whole = RESTResponse(
        urllib3.HTTPResponse(io.BytesIO(data), headers=raw.headers, status=raw.status, reason=raw.reason or "")
    )
    whole.read()
    return whole


def _seconds(retry_after: str | None) -> float:
    return float(retry_after) if retry_after and retry_after.isdigit() else 0.0
