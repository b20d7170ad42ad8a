"""A command in a pod: its output is whole, and what goes wrong is said in one sentence."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from kubernetes import client
from kubernetes.stream.ws_client import ERROR_CHANNEL, STDERR_CHANNEL, STDOUT_CHANNEL, WSClient
from websocket import WebSocketConnectionClosedException

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import pod_exec
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.errors import Target
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.transport import Patience, Transport

WHERE = pod_exec.Container("staging", "load-1", "load")
COMMAND = ["python", "-m", "load", "run", "--requests=5"]
SUCCESS = (ERROR_CHANNEL, json.dumps({"status": "Success"}))
CLOSED = (-1, "")
OUT, ERR = STDOUT_CHANNEL, STDERR_CHANNEL


def failure(message: str, *causes: dict[str, str]) -> tuple[int, str]:
    return ERROR_CHANNEL, json.dumps({"status": "Failure", "message": message, "details": {"causes": list(causes)}})


class Session(WSClient):
    """The client's own session, with frames that come in given portions instead of from a socket."""

    def __init__(self, *portions: list[tuple[int, str]]) -> None:
        self._connected, self._channels, self._closed_channels = True, dict[int, str](), set[int]()
        self.binary, self.sock, self.portions = False, None, list(portions)

    def is_open(self) -> bool:
        return self._connected

    def update(self, timeout: float = 0) -> None:
        if not self.is_open() or not self.portions:
            return
        for channel, text in self.portions.pop(0):
            if channel == -1:
                self._connected = False
            elif text == "lost":
                raise WebSocketConnectionClosedException("Connection to remote host was lost.")
            else:
                self._channels[channel] = self._channels.get(channel, "") + text


def connection(configuration: client.Configuration) -> Api:
    return Api(Transport(configuration, Target(configuration.host, "kubeconfig"), print, Patience()))


def run(monkeypatch: pytest.MonkeyPatch, session: Session, timeout: float = 10) -> tuple[str, list[str]]:
    monkeypatch.setattr(pod_exec, "stream", lambda *_, **__: session)
    said: list[str] = []
    api = connection(client.Configuration())
    output = pod_exec.run(api, WHERE, COMMAND, timeout, said.append)
    assert not session.is_open()
    return output, said


@pytest.mark.parametrize(
    "portions",
    [
        [[(OUT, "one two"), SUCCESS, CLOSED]],
        [[(OUT, "one ")], [(OUT, "two"), SUCCESS], [CLOSED]],
        [[(ERR, "x\n")], [(OUT, "one ")], [(OUT, "two"), SUCCESS, CLOSED]],
        # The end comes while standard error is being read.
        [[(OUT, "one ")], [(OUT, "two"), SUCCESS, CLOSED]],
    ],
)
def test_the_output_is_whole(monkeypatch: pytest.MonkeyPatch, portions: list[list[tuple[int, str]]]) -> None:
    assert run(monkeypatch, Session(*portions))[0] == "one two"


def test_lines_of_standard_error_are_shown_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    portions = [[(ERR, "100 of ")], [(ERR, "200\n150 of 200\n")], [(ERR, "half"), SUCCESS, CLOSED]]
    assert run(monkeypatch, Session(*portions)) == ("", ["100 of 200", "150 of 200"])


@pytest.mark.parametrize(
    ("portions", "message"),
    [
        (
            [
                [
                    (ERR, "usage: load\nload run: error: no target\n"),
                    failure("m", {"reason": "ExitCode", "message": "2"}),
                ]
            ],
            "failed: load run: error: no target (exit code 2)",
        ),
        (
            [[(ERR, "said early\n")], [failure("m", {"reason": "ExitCode", "message": "137"})]],
            "failed: said early (exit code 137)",
        ),
        (
            [[failure('exec: "python": executable file not found in $PATH', {"message": "no code"})]],
            'failed: no word (exec: "python": executable file not found in $PATH)',
        ),
        ([[(OUT, "half of it")]], "failed: no word (the connection ended early)"),
        ([[(OUT, "lost")]], "was cut off (Connection to remote host was lost.): is the pod still there?"),
    ],
)
def test_a_failure_is_said(
    monkeypatch: pytest.MonkeyPatch, portions: list[list[tuple[int, str]]], message: str
) -> None:
    with pytest.raises(pod_exec.ExecError) as failed:
        run(monkeypatch, Session(*portions, [CLOSED]))
    assert str(failed.value) == f"python -m load run ... in pod load-1 {message}"


def test_a_command_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session()
    with pytest.raises(
        pod_exec.ExecError, match=r"python -m load run \.\.\. in pod load-1 was not done after 0\.05 s\."
    ):
        run(monkeypatch, session, timeout=0.05)
    assert not session.is_open()


class Refusing(BaseHTTPRequestHandler):
    body = b""

    def do_GET(self) -> None:
        self.send_response(404)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def refusing() -> Iterator[Api]:
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    configuration = client.Configuration()
    configuration.host = f"http://127.0.0.1:{listening.server_port}"
    yield connection(configuration)
    listening.shutdown()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"kind":"Status","message":"pods \\"load-1\\" not found"}', 'pods "load-1" not found'),
        (b'container not found ("load")', 'container not found ("load")'),
        (b"[]", "[]"),
    ],
)
def test_a_pod_that_is_gone_is_said(monkeypatch: pytest.MonkeyPatch, refusing: Api, body: bytes, reason: str) -> None:
    monkeypatch.setattr(Refusing, "body", body)
    with pytest.raises(pod_exec.ExecError) as refused:
        pod_exec.run(refusing, WHERE, COMMAND, 5, print)
    assert str(refused.value) == f"Nothing can be run in container load of pod load-1: {reason}."


def pod(api: Any, name: str, app: str = "load", ready: str = "True", **metadata: Any) -> None:
    conditions = [{"type": "Ready", "status": ready}]
    path = f"/api/v1/namespaces/staging/pods/{name}"
    api.put(path, metadata={"labels": {"app": app}, **metadata}, status={"conditions": conditions})


def test_a_ready_pod_is_picked(api: Any) -> None:
    pod(api, "load-a", ready="False")
    pod(api, "load-b", deletionTimestamp="2026-01-01T00:00:00Z")
    pod(api, "aleph", app="aleph")
    pod(api, "load-d")
    pod(api, "load-c")
    picked = pod_exec.ready_container(api, "staging", "app=load", "load")
    assert picked == pod_exec.Container("staging", "load-c", "load")


def test_no_ready_pod_is_said_with_what_to_type(api: Any) -> None:
    pod(api, "load-a", ready="False")
    with pytest.raises(pod_exec.ExecError) as none:
        pod_exec.ready_container(api, "staging", "app=load", "load")
    assert str(none.value) == (
        "No pod labelled app=load is ready in namespace staging: "
        "ansible-playbook playbooks/deploy.yml brings the application up."
    )
