"""Ask every backend at once which version answers; a failure is an answer too, with its reason."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Histogram
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError
from urllib3.exceptions import TimeoutError as RequestTimeout

from deadline_http import deadline_pool
from front.settings import BackendSettings
from workshop_service.metrics import SECONDS_BUCKETS

# A version is a few hundred bytes; whatever answers with more is no backend of ours.
MAX_ANSWER_BYTES = 64 * 1024
DRAWN_VERSIONS = frozenset({"v01", "v02", "v03"})
# Set by the workshop's VirtualServices.
ROUTE_HEADER = "x-workshop-route"


@dataclass(frozen=True)
class Answer:
    """What a backend answered, or why it did not."""

    backend: str
    title: str
    version: str | None
    pod: str | None
    # The mesh's route that was taken, by its name; None where no mesh says so.
    route: str | None
    milliseconds: float
    error: str | None

    @property
    def kind(self) -> str:
        """What the page draws it as: versions differ in colour and in shape."""
        if self.error or self.version is None:
            return "failed"
        label = f"v{self.version.replace('.', '')}"
        return label if label in DRAWN_VERSIONS else "other"

    def as_dict(self) -> dict[str, Any]:
        """Give the answer for JSON."""
        return asdict(self)


class BackendError(Exception):
    """Why a backend has no version to show."""


class Backends:
    """The backends, asked in parallel."""

    def __init__(self, settings: BackendSettings, user_agent: str, registry: CollectorRegistry) -> None:
        self._settings = settings
        # "close": no kept connection that the other side may have closed. No retries: what fails is shown.
        self._headers = {"User-Agent": user_agent, "Accept": "application/json", "Connection": "close"}
        self._http = deadline_pool(settings.timeout, 64)
        self._durations = Histogram(
            "backend_request_duration_seconds",
            "Time until a backend answered or failed.",
            ("backend", "outcome"),
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )

    def ask(self, forwarded: Mapping[str, str]) -> list[Answer]:
        """Ask all backends with the forwarded headers; takes no longer than one time-out."""
        headers = {**self._headers, **forwarded}
        deadline = time.monotonic() + self._settings.timeout
        # Threads of this request's own: it never waits for another request's slow backend. And no `with`, which
        # would wait for a thread that is past the deadline (a slow DNS answer has no time-out of its own).
        pool = ThreadPoolExecutor(max_workers=len(self._settings.urls), thread_name_prefix="ask")
        try:
            asked = {name: pool.submit(self._ask_one, name, url, headers) for name, url in self._settings.urls.items()}
            answers = [self._until(deadline, name, future) for name, future in asked.items()]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        for answer in answers:
            outcome = "error" if answer.error else "ok"
            self._durations.labels(answer.backend, outcome).observe(answer.milliseconds / 1000)
        return answers

    def _until(self, deadline: float, name: str, future: Future[Answer]) -> Answer:
        try:
            return future.result(timeout=max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            return _failure(name, self._settings.timeout, self._late())

    def _ask_one(self, name: str, url: str, headers: Mapping[str, str]) -> Answer:
        started = time.monotonic()
        try:
            status, body, route = self._fetch(f"{url}/version", headers)
            data = _version(status, body)
        except BackendError as error:
            return _failure(name, time.monotonic() - started, str(error))
        milliseconds = _milliseconds(time.monotonic() - started)
        return Answer(name, data["title"], data["version"], data["pod"], route, milliseconds, None)

    def _fetch(self, url: str, headers: Mapping[str, str]) -> tuple[int, bytes, str | None]:
        try:
            response = self._http.request("GET", url, headers=headers, redirect=False, preload_content=False)
            try:
                return response.status, response.read(MAX_ANSWER_BYTES + 1), response.headers.get(ROUTE_HEADER)
            finally:
                response.close()
        except NameResolutionError:
            raise BackendError("its name is not known: is its Service there?") from None
        except NewConnectionError:
            raise BackendError("the connection was refused: is a pod of it ready?") from None
        except RequestTimeout:
            raise BackendError(self._late()) from None
        except (HTTPError, OSError, ValueError) as error:
            raise BackendError(f"the request failed ({type(error).__name__})") from None

    def _late(self) -> str:
        return f"no answer within {self._settings.timeout:g} s"


def _failure(name: str, seconds: float, reason: str) -> Answer:
    return Answer(name, name.capitalize(), None, None, None, _milliseconds(seconds), reason)


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _refusal(status: int, body: bytes) -> str:
    reason = _json_object(body).get("error")
    # Envoy explains itself in plain text ("no healthy upstream").
    text = reason if isinstance(reason, str) else body[:200].decode("utf-8", "replace")
    text = "".join(character for character in text[:200] if character.isprintable()).strip()
    return f"answered {status}: {text}" if text and not text.startswith("<") else f"answered {status}"


def _version(status: int, body: bytes) -> dict[str, str]:
    if status != 200:
        raise BackendError(_refusal(status, body))
    data = _json_object(body) if len(body) <= MAX_ANSWER_BYTES else {}
    answer = {key: data.get(key) for key in ("title", "version", "pod")}
    if not all(isinstance(value, str) and 0 < len(value) <= 253 for value in answer.values()):
        raise BackendError("what answered is not a version of this service")
    return {key: str(value) for key, value in answer.items()}
