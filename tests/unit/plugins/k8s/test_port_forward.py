"""HTTP to a pod's port: several requests over one connection, and one sentence for each way in which it breaks."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.unit.plugins.k8s.conftest import kubeconfig
from tests.unit.plugins.k8s.sockets import ForwardedPort, Frame, Pod, Talk, listening, says, silent

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import port_forward
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.port_forward import (
    PodUnreachableError,
    PortForward,
)

NODE_DOWN = says('{"message": "error dialing backend: dial tcp 10.89.0.5:10250: connect: no route to host"}', "500 x")
POD = says(json.dumps({"metadata": {"name": "front-1"}, "spec": {"nodeName": "worker-1"}}))


def page(body: str, status: str = "200 OK") -> Frame:
    return 0, f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


@contextmanager
def forward(directory: Path, *talks: Talk) -> Iterator[PortForward]:
    with listening(*talks) as server:
        api = Api.connect(kubeconfig(directory, f"http://127.0.0.1:{server.port}"), patience=1)
        forwarded = PortForward(api, "staging", "front-1", 15000, open_seconds=0.3)
        yield forwarded
        forwarded.close()


def test_pages_are_read_over_one_connection(tmp_path: Path) -> None:
    port = ForwardedPort(page("one"), page("two" * 1000))
    with forward(tmp_path, port) as forwarded:
        assert forwarded.get("/config_dump?resource=x") == b"one"
        assert forwarded.get("/clusters") == b"two" * 1000
    assert b"portforward?ports=15000 HTTP/1.1" in port.asked
    assert b"".join(data for _, data in port.received).startswith(b"GET /config_dump?resource=x HTTP/1.1\r\n")


def test_an_answer_without_end_is_not_read_and_others_count_for_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_forward, "MOST_BYTES", 2**15)
    half = page("x" * 20_000)
    with forward(tmp_path, ForwardedPort(half, half, page("x" * 2**15))) as forwarded:
        for _ in range(2):
            assert len(forwarded.get("/clusters")) == 20_000
        with pytest.raises(PodUnreachableError, match=r"pod front-1 broke \(its answer has more than 0 MiB\)"):
            forwarded.get("/clusters")


@pytest.mark.parametrize(
    ("talk", "sentence"),
    [
        (ForwardedPort(), r"pod front-1 has not answered within 0\.3 s"),
        (ForwardedPort(page("no", "503 Busy")), r"pod front-1 answers 503 Busy"),
        (
            Pod((0, b"xx"), (1, b"xx"), (1, b"dial tcp4 127.0.0.1:15000: connect: connection refused"), then="hang"),
            r"the connection to pod front-1 broke \(dial tcp4 .*connection refused\)",
        ),
        (Pod((0, b"xx"), (1, b"xx"), then="close"), r"the connection to pod front-1 broke \(.*\)"),
        (Pod((0, b"xx"), (1, b"xx"), then="break"), r"the connection to pod front-1 broke \(.*\)"),
    ],
)
def test_a_page_that_cannot_be_had_is_said_in_time(tmp_path: Path, talk: Talk, sentence: str) -> None:
    with forward(tmp_path, talk) as forwarded:
        begun = time.monotonic()
        with pytest.raises(PodUnreachableError, match=rf"^{sentence}$"):
            forwarded.get("/clusters", seconds=0.3)
        assert time.monotonic() - begun < 1
        # What broke stays broken: nothing connects anew behind our back.
        with pytest.raises(PodUnreachableError):
            forwarded.get("/clusters", seconds=0.1)


def test_a_node_that_is_down_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(PodUnreachableError) as unreachable,
        forward(tmp_path, NODE_DOWN, POD),
    ):
        pass
    assert str(unreachable.value) == "the node of pod front-1, worker-1, does not answer (no route to host)"
    assert unreachable.value.node == "worker-1"


@pytest.mark.parametrize(
    ("talk", "sentence"),
    [
        (says('{"message": "pods \\"front-1\\" not found"}', "404 x"), r'^pods "front-1" not found$'),
        (silent, r"cannot be reached: no answer \(portforward of pod front-1"),
    ],
)
def test_a_pod_that_is_not_reached_is_said_in_time(tmp_path: Path, talk: Talk, sentence: str) -> None:
    begun = time.monotonic()
    with (
        pytest.raises(PodUnreachableError, match=sentence) as unreachable,
        forward(tmp_path, talk),
    ):
        pass
    assert time.monotonic() - begun < 2
    assert unreachable.value.node == ""
