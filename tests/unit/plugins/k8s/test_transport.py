"""The way to the API server: what goes wrong is one sentence with the true cause, and no call outlasts its time."""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import urllib3.connection
from tests.unit.plugins.k8s.certificates import Authority
from tests.unit.plugins.k8s.conftest import kubeconfig
from tests.unit.plugins.k8s.sockets import (
    Talk,
    babbles,
    ends,
    free_port,
    listening,
    resets,
    says,
    silent,
    trickles,
)
from urllib3.util.ssl_ import create_urllib3_context

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import kubeconfig as kubeconfigs
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.transport import Patience, Transport

GOOD = says('{"kind": "Pod"}')
BUSY = says('{"message": "too many requests"}', "429 Too Many Requests")
NOT_UP = says('{"message": "the apiserver is shutting down"}', "503 Service Unavailable")
# For what is tried again and again, and for what ends at its first answer.
HASTY, CALM = Patience(total=1, connect=1, read=0.5), Patience(total=9)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


class Cluster:
    """Connects to an address with little patience, and keeps what a person is told."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.said: list[str] = []

    def connect(self, server: str, patience: Patience = CALM, cluster: dict[str, str] | None = None) -> Api:
        configuration, target = kubeconfigs.load(kubeconfig(self.directory, server, cluster))
        return Api(Transport(configuration, target, self.said.append, patience))


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


def failure(call: Callable[[], object]) -> KubernetesError:
    with pytest.raises(KubernetesError) as failed:
        call()
    sentence = str(failed.value)
    assert "\n" not in sentence
    assert "object at 0x" not in sentence
    return failed.value


@pytest.mark.parametrize(
    ("talk", "sentence", "transient"),
    [
        (silent, r"cannot be reached: no answer \(GET /api/v1/x.*is the API server overloaded or paused\?", True),
        (trickles, r"cannot be reached: no answer \(GET /api/v1/x", True),
        (resets, r"cannot be reached: it closed the connection without an answer \(GET /api/v1/x", True),
        (ends, r"cannot be reached: it closed the connection without an answer", True),
        (babbles, r"what answers does not speak HTTP .*another program answers at 127\.0\.0\.1:\d+", False),
        (says("<html><title>Sign in</title>", kind="text/html"), r"is no Kubernetes API server: .* 'Sign in'", False),
        (says("<html><title>Bad Gateway</title>", "502 x", "text/html"), r"it sent 'Bad Gateway' \(status 502\)", True),
        (says("hello", kind="text/plain"), r"no Kubernetes API server: to GET /api/v1/x it sent 'hello'", False),
        (says('{"message": "m"}', "401 x"), r"refuses the credentials in .*kubeconfig: they have expired", False),
        (
            says('{"message": "m"}', "403 x"),
            r"refused GET /api/v1/x \(403\): m: the user of .* lacks that right",
            False,
        ),
        (says('{"message": "m"}', "404 x"), r"refused GET /api/v1/x \(404\): m$", False),
        (says('{"message": "m"}', "409 x"), r"refused GET /api/v1/x \(409\): m$", False),
        (BUSY, r"cannot do GET /api/v1/x now \(429\): too many requests: try again", True),
        (NOT_UP, r"cannot do GET /api/v1/x now \(503\): the apiserver is shutting down", True),
        (
            says("Client sent an HTTP request to an HTTPS server.\n", "400 x", "text/plain"),
            r"speaks TLS: the server in .* must begin with https://",
            False,
        ),
    ],
)
def test_the_true_cause_is_said_in_time(cluster: Cluster, talk: Talk, sentence: str, transient: bool) -> None:
    with listening(talk) as server:
        api = cluster.connect(f"http://127.0.0.1:{server.port}", HASTY if transient else CALM)
        begun = time.monotonic()
        failed = failure(lambda: api.get("/api/v1/x"))
        assert time.monotonic() - begun < 3
    assert re.search(sentence, str(failed)), failed
    assert failed.transient == transient


def test_a_refused_connection_is_said(cluster: Cluster) -> None:
    failed = failure(lambda: cluster.connect(f"http://127.0.0.1:{free_port()}", HASTY).get("/version"))
    assert re.search(
        r"http://127\.0\.0\.1:\d+ cannot be reached: connection refused .*is it running\? `make up` brings", str(failed)
    )
    assert failed.transient


def test_an_unknown_name_is_said(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    failed = failure(lambda: cluster.connect("https://cluster.example:6443").get("/version"))
    assert "DNS does not know the name cluster.example (name or service not known)" in str(failed)
    assert not failed.transient


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


@pytest.mark.parametrize(
    ("address", "days", "sentence"),
    [
        ("127.0.0.1", -1, r"its TLS certificate has expired .*compare the clocks"),
        ("192.0.2.1", 1, r"its TLS certificate is for another name .*tls-server-name"),
    ],
)
def test_a_wrong_certificate_is_said(
    cluster: Cluster, authority: Authority, address: str, days: int, sentence: str
) -> None:
    with listening(GOOD, tls=authority.server(address, days)) as server:
        api = cluster.connect(
            f"https://127.0.0.1:{server.port}", cluster={"certificate-authority": str(authority.path)}
        )
        failed = failure(lambda: api.get("/version"))
        assert server.connections == 1
    assert re.search(sentence, str(failed)), failed
    assert not failed.transient


def test_another_clusters_certificate_is_said(cluster: Cluster, authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other")
    with listening(GOOD, tls=other.server()) as server:
        api = cluster.connect(
            f"https://127.0.0.1:{server.port}", cluster={"certificate-authority": str(authority.path)}
        )
        failed = failure(lambda: api.get("/version"))
    assert re.search(r"is signed by nobody whom .* trusts .*another cluster, or was made anew", str(failed)), failed


def test_a_certificate_that_is_too_plain_for_a_new_python_is_said(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path, "plain", plain=True)
    monkeypatch.setattr(urllib3.connection, "create_urllib3_context", strict)
    with listening(GOOD, tls=authority.server()) as server:
        api = cluster.connect(
            f"https://127.0.0.1:{server.port}", cluster={"certificate-authority": str(authority.path)}
        )
        failed = failure(lambda: api.get("/version"))
    assert re.search(r"is not as RFC 5280 wants it, .*Key Identifier.*an older Python", str(failed)), failed
    assert not failed.transient


def strict(*arguments: Any, **named: Any) -> ssl.SSLContext:
    """What urllib3 makes with Python 3.13."""
    context = create_urllib3_context(*arguments, **named)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def test_a_server_that_speaks_no_tls_is_said(cluster: Cluster) -> None:
    with listening(babbles) as server:
        failed = failure(lambda: cluster.connect(f"https://127.0.0.1:{server.port}").get("/version"))
    assert re.search(r"TLS fails .*does another program answer at 127\.0\.0\.1", str(failed)), failed


def test_a_good_certificate_is_taken(cluster: Cluster, authority: Authority) -> None:
    with listening(GOOD, tls=authority.server()) as server:
        api = cluster.connect(
            f"https://127.0.0.1:{server.port}", cluster={"certificate-authority": str(authority.path)}
        )
        assert api.get("/version") == {"kind": "Pod"}


@pytest.mark.parametrize(
    ("first", "reads", "writes"),
    [(resets, 2, 1), (ends, 2, 1), (silent, 2, 1), (NOT_UP, 2, 1), (BUSY, 2, 2)],
    ids=["reset", "ended", "silent", "503", "429"],
)
def test_what_may_have_been_done_is_done_once(cluster: Cluster, first: Talk, reads: int, writes: int) -> None:
    patience = Patience(total=3, connect=2, read=1)
    with listening(first, GOOD) as server:
        assert cluster.connect(f"http://127.0.0.1:{server.port}", patience).get("/x") == {"kind": "Pod"}
        assert server.connections == reads
    kinds: list[Callable[[Api], object]] = [
        lambda api: api.create("/x", {}),
        lambda api: api.merge("/x", {}),
        lambda api: api.delete("/x"),
    ]
    for write in kinds:
        with listening(first, GOOD) as server:
            api = cluster.connect(f"http://127.0.0.1:{server.port}", patience)
            if writes == 1:
                failure(lambda: write(api))  # noqa: B023  it is called here
            else:
                write(api)
            assert server.connections == writes


def test_a_write_that_cannot_have_arrived_is_sent_again(cluster: Cluster) -> None:
    port = free_port()
    api = cluster.connect(f"http://127.0.0.1:{port}", Patience(total=5))
    made: list[object] = []
    writing = threading.Thread(target=lambda: made.append(api.create("/x", {})))
    writing.start()
    time.sleep(0.3)  # it is refused at least once
    with listening(GOOD, port=port) as server:
        writing.join()
        assert (made, server.connections) == ([{"kind": "Pod"}], 1)


def test_a_person_is_told_what_is_waited_for(cluster: Cluster) -> None:
    patience = Patience(total=5, connect=2, read=0.7, say=0.3)
    with listening(silent, GOOD) as server:
        api = cluster.connect(f"http://127.0.0.1:{server.port}", patience)
        assert api.get("/x") == {"kind": "Pod"}
    assert cluster.said[0] == f"waiting for the API server at 127.0.0.1:{server.port}: no answer for 0 s"
    assert cluster.said[-1].startswith(f"the API server at 127.0.0.1:{server.port} answers again, after")


def test_the_time_without_an_answer_counts_over_several_calls(cluster: Cluster) -> None:
    patience = Patience(total=0.8, connect=0.4, read=0.4, say=0.5)
    api = cluster.connect(f"http://127.0.0.1:{free_port()}", patience)
    for _ in range(2):
        failure(lambda: api.get("/x"))
    assert any("connection refused for 1 s" in said for said in cluster.said), cluster.said


def test_no_call_goes_beyond_a_waits_deadline(cluster: Cluster) -> None:
    with listening(silent) as server:
        api = cluster.connect(f"http://127.0.0.1:{server.port}", Patience(total=60, read=30))
        begun = time.monotonic()
        with api.until(begun + 0.1):
            failure(lambda: api.get("/x"))
        assert time.monotonic() - begun < 2


class TestProxy:
    """A proxy of the environment serves the way out, never the way to a room."""

    @pytest.mark.parametrize(
        ("server", "no_proxy", "through"),
        [
            ("http://127.0.0.1:{port}", "", False),
            ("http://localhost:{port}", "", False),
            ("http://192.168.7.9:6443", "", False),
            ("http://[::1]:9", "", False),
            ("http://room.localhost:9", "elsewhere.example", False),
            ("http://cluster.example:6443", "", True),
            ("http://cluster.example:6443", "cluster.example", False),
            ("http://cluster.example:6443", ".example", False),
            ("http://203.0.113.9:6443", "203.0.113.0/24", False),
        ],
    )
    def test_who_is_asked_through_it(
        self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, server: str, no_proxy: str, through: bool
    ) -> None:
        with listening(GOOD) as api_server, listening(says('{"kind": "FromTheProxy"}')) as proxy:
            monkeypatch.setenv("HTTP_PROXY", f"http://me:secret@127.0.0.1:{proxy.port}")
            monkeypatch.setenv("NO_PROXY", no_proxy)
            api = cluster.connect(server.format(port=api_server.port), Patience(total=1, connect=1))
            if through:
                assert api.get("/version") == {"kind": "FromTheProxy"}
            elif "{port}" in server:
                assert api.get("/version") == {"kind": "Pod"}
            else:
                failure(lambda: api.get("/version"))
            assert proxy.connections == int(through)

    def test_a_kubeconfigs_own_proxy_is_always_used(self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NO_PROXY", "*")
        with listening(says('{"kind": "FromTheProxy"}')) as proxy:
            api = cluster.connect("http://127.0.0.1:9", cluster={"proxy-url": f"http://127.0.0.1:{proxy.port}"})
            assert api.get("/version") == {"kind": "FromTheProxy"}

    def test_a_proxy_that_is_not_there_is_named(self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
        port = free_port()
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:secret@127.0.0.1:{port}")
        failed = failure(lambda: cluster.connect("https://cluster.example:6443", HASTY).get("/version"))
        assert f"through the proxy http://127.0.0.1:{port} (HTTPS_PROXY): connection refused" in str(failed)
        assert "NO_PROXY=cluster.example has it asked directly" in str(failed)
        assert "secret" not in str(failed)

    def test_a_proxy_without_a_scheme_is_taken(self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
        with listening(says('{"kind": "FromTheProxy"}')) as proxy:
            monkeypatch.setenv("HTTP_PROXY", f"127.0.0.1:{proxy.port}")
            assert cluster.connect("http://cluster.example").get("/version") == {"kind": "FromTheProxy"}

    @pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "gopher://proxy:70"])
    def test_a_proxy_of_another_kind_is_said(
        self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, proxy: str
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        config = kubeconfig(cluster.directory, "https://cluster.example")
        failed = failure(lambda: Api.connect(config))
        assert f"The proxy {proxy} (HTTPS_PROXY) cannot be used" in str(failed)

    def test_a_proxy_that_refuses_is_named(self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
        with listening(says("", "403 Forbidden")) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
            failed = failure(lambda: cluster.connect("https://cluster.example:6443").get("/version"))
            assert proxy.connections == 1
        assert "Tunnel connection failed: 403 Forbidden" in str(failed)


def plugin(directory: Path, script: str) -> str:
    """Write a kubeconfig whose credentials a program gives."""
    program = directory / "credentials"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    command = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program), "interactiveMode": "Never"}
    return kubeconfig(directory, "http://127.0.0.1:9", exec=command)


class TestCredentials:
    """A kubeconfig may name a program for its credentials."""

    def test_they_are_taken(self, tmp_path: Path) -> None:
        status = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "t"}}
        configuration, _ = kubeconfigs.load(plugin(tmp_path, f"echo '{json.dumps(status)}'"))
        assert configuration.api_key["BearerToken"] == "Bearer t"

    @pytest.mark.parametrize(
        ("script", "sentence"),
        [
            ("echo 'log in first' >&2; exit 3", r"\(users\[\]\.exec\) failed: .*log in first"),
            ("echo nonsense", r"failed: exec: failed to decode process output"),
            ("sleep 5", r"has not ended after 0\.5 s: run kubectl --kubeconfig"),
        ],
    )
    def test_a_program_that_fails_is_said(self, tmp_path: Path, script: str, sentence: str) -> None:
        failed = failure(lambda: kubeconfigs.load(plugin(tmp_path, script), seconds=0.5))
        assert re.search(sentence, str(failed)), failed
