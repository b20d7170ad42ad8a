# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""See that a place works: its page as its student asks for it, and its versions measured with real requests."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils import tls
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import Objects
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.pod_exec import ready_container
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.port_forward import (
    PodUnreachableError,
    PortForward,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.app_services import deployed_tags
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.places import Place
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import look, status
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.load_client import Check, LoadClient
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.proxies import Proxies
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import staged_services
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.writer import Callee

# The page that asks every backend, and the service that has it.
PAGE, SERVICE = "/backends", "front"
# A request of it waits for a backend up to 10 s, and one of them is slow on purpose.
PAGE_SECONDS, PAUSE_SECONDS = 15.0, 1.0
PAGE_BYTES = 2**20
NONE = ["it names no backend"]
# As many answers of one version, and none of another: a route of 5 % elsewhere would be seen 99 times in 100.
REQUESTS = 90

# The dynamic client keeps what it has learnt of the cluster in a file.
_one_at_a_time = threading.Lock()

Services = Sequence[Mapping[str, Any]]


class ProofError(WorkshopError):
    """A place does not work."""


def baseline(api: Api, place: Place, services: Services) -> None:
    """Measure that every service with stages answers as its one version.

    Raises:
        ProofError: it does not.
    """
    checks = [
        Check(name, "everybody", {deployed_tags(service, {})[0]: 100}, requests=REQUESTS)
        for name, service in staged_services(services).items()
    ]
    measured = LoadClient(api, place.namespace, lambda _: None).measure(checks)
    # A split's verdict asks for five times as many: that no route leads elsewhere is a stage's business.
    wrong = [each["sentence"] for each in measured if each["answered"] != dict.fromkeys(each["expect"], REQUESTS)]
    if wrong:
        raise ProofError(" ".join(wrong))


def stands(api: Api, place: Place, services: Services) -> None:
    """See that every service is where its stage has led it.

    Raises:
        ProofError: it is not.
    """
    with _one_at_a_time:
        objects = Objects(api, lambda _: None)
    callees = [
        Callee(name, int(service["port"]), tuple(service["callers"]))
        for name, service in staged_services(services).items()
    ]
    proxies = Proxies(api, place.namespace, lambda _: None)
    seen, _ = look.look(api, objects, proxies, place.namespace, callees)
    if faults := status.faults(seen):
        raise ProofError(" ".join(faults))


def page(api: Api, place: Place, services: Services, door: str, timeout: float) -> str:
    """Ask for the place's page until every backend has answered, and tell where.

    Args:
        door: the URL of the door, to which the place's path is added; empty to ask the page's pod itself.

    Raises:
        ProofError: it has not within `timeout` seconds.
    """
    if door:
        return page_at_door(place, door, timeout, _whoever())
    where = f"{SERVICE}{PAGE} in {place.namespace}"
    _answered(f"page {where}", lambda: _errors(_from_pod(api, place, services)), timeout)
    return where


def page_at_door(place: Place, door: str, timeout: float, trusted: ssl.SSLContext) -> str:
    """Ask for the place's page through the door until every backend has answered, and tell where.

    Args:
        trusted: whose certificates are believed.

    Raises:
        ProofError: it has not within `timeout` seconds.
    """
    where = f"{door.rstrip('/')}{place.path}{SERVICE}{PAGE}"
    _answered(f"page {where}", lambda: _errors(_through(where, trusted)), timeout)
    return where


def knock(door: str, timeout: float, trusted: ssl.SSLContext) -> None:
    """See that the door answers by itself, and leads nowhere then: a new gateway takes a moment.

    Raises:
        ProofError: it has not within `timeout` seconds.
    """

    def wrong() -> list[str]:
        try:
            _through(door, trusted)
        except _StatusError as error:
            return [] if error.status == HTTPStatus.NOT_FOUND else [str(error)]
        return ["it leads somewhere"]

    _answered(f"door {door}", wrong, timeout)


def trusting(ca_file: str) -> ssl.SSLContext:
    """Believe certificates of some CAs (a PEM file), or of those that this machine trusts.

    Raises:
        ProofError: the file cannot be read, or holds none.
    """
    try:
        return tls.trusting(ca_file)
    except OSError as error:
        raise ProofError(
            f"{ca_file} holds no CA certificates that can be read ({error}): open the door anew."
        ) from error


def _whoever() -> ssl.SSLContext:
    """Believe any certificate: whose the door has is its own check."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _answered(
    where: str,
    faults: Callable[[], list[str]],
    timeout: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    deadline = clock() + timeout
    while True:
        try:
            wrong = faults()
        except (OSError, ValueError, http.client.HTTPException, PodUnreachableError) as error:
            wrong = [str(error) or type(error).__name__]
        if not wrong:
            return
        if clock() >= deadline:
            raise ProofError(f"The {where} does not answer as it must: {'; '.join(wrong)}.")
        sleep(PAUSE_SECONDS)


class _StatusError(OSError):
    """An answer that is none of 200 to 299."""

    def __init__(self, status: int) -> None:
        super().__init__(f"it answers {status}")
        self.status = status


def _through(url: str, trusted: ssl.SSLContext) -> bytes:
    """Ask the door as a browser would."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusted))
    try:
        with opener.open(
            urllib.request.Request(url, headers={"Accept": "application/json"}), timeout=PAGE_SECONDS
        ) as answer:
            return _whole(answer)
    except urllib.error.HTTPError as error:
        raise _StatusError(error.code) from error


def _whole(answer: http.client.HTTPResponse, clock: Callable[[], float] = time.monotonic) -> bytes:
    """Read an answer; whose student has put something else in its place may have no end."""
    body, deadline = b"", clock() + PAGE_SECONDS
    while part := answer.read1(PAGE_BYTES):
        body += part
        if len(body) > PAGE_BYTES or clock() > deadline:
            raise OSError(f"its answer is more than {PAGE_BYTES // 2**20} MiB, or takes more than {PAGE_SECONDS:g} s")
    return body


def _from_pod(api: Api, place: Place, services: Services) -> bytes:
    port = next(int(service["container_port"]) for service in services if service["name"] == SERVICE)
    pod = ready_container(api, place.namespace, f"app={SERVICE}", SERVICE).pod
    forward = PortForward(api, place.namespace, pod, port)
    try:
        return forward.get(PAGE, PAGE_SECONDS)
    finally:
        forward.close()


def _errors(answer: bytes) -> list[str]:
    """Give what each backend's part of the page says is wrong."""
    try:
        backends = json.loads(answer)["backends"]
        return [f"{each['name']}: {each['error']}" for each in backends if each.get("error")] if backends else NONE
    except (TypeError, LookupError, AttributeError, RecursionError):
        return NONE
