"""A command in a pod: its output is whole, and what goes wrong is said in one sentence, in time."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.unit.plugins.k8s.conftest import kubeconfig
from tests.unit.plugins.k8s.sockets import Frame, Pod, Talk, free_port, listening, says, silent

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import channels, pod_exec
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError

WHERE = pod_exec.Container("staging", "load-1", "load")
COMMAND = ["python", "-m", "load", "run", "--requests=5"]
OUT, ERR, ERROR = pod_exec.STDOUT, pod_exec.STDERR, pod_exec.ERROR
SUCCESS: Frame = (ERROR, b'{"status": "Success"}')


def failure(message: str, *causes: dict[str, str]) -> Frame:
    return ERROR, json.dumps({"status": "Failure", "message": message, "details": {"causes": causes}}).encode()


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., tuple[str, list[str]]]:
    """Run the command in a pod that talks in a given way."""

    def runs(talk: Talk, timeout: float = 10) -> tuple[str, list[str]]:
        said: list[str] = []
        with listening(talk) as server:
            api = Api.connect(kubeconfig(tmp_path, f"http://127.0.0.1:{server.port}"), patience=1)
            begun = time.monotonic()
            try:
                return pod_exec.run(api, WHERE, COMMAND, timeout, said.append), said
            finally:
                assert time.monotonic() - begun < timeout + 1

    return runs


def test_what_is_asked_for(run: Callable[..., tuple[str, list[str]]]) -> None:
    pod = Pod(SUCCESS)
    run(pod)
    head = pod.asked.decode()
    assert head.startswith(
        "GET /api/v1/namespaces/staging/pods/load-1/exec?container=load&stdout=true&stderr=true"
        "&command=python&command=-m&command=load&command=run&command=--requests%3D5 HTTP/1.1"
    )
    assert "authorization: Bearer t" in head
    assert "Sec-WebSocket-Protocol: v4.channel.k8s.io" in head


@pytest.mark.parametrize(
    "frames",
    [
        [(OUT, b"one two"), SUCCESS],
        [(OUT, b"one "), (OUT, b"two"), SUCCESS],
        [(ERR, b"x\n"), (OUT, b"one "), (OUT, b"two"), SUCCESS],
        [SUCCESS, (OUT, b"one "), (OUT, b"two")],
    ],
)
def test_the_output_is_whole(run: Callable[..., tuple[str, list[str]]], frames: list[Frame]) -> None:
    assert run(Pod(*frames))[0] == "one two"


def test_a_character_in_two_pieces_is_one(run: Callable[..., tuple[str, list[str]]]) -> None:
    assert run(Pod((OUT, b"\xc3"), (OUT, b"\xa9"), SUCCESS))[0] == "\u00e9"


def test_lines_of_standard_error_are_shown_as_they_come(run: Callable[..., tuple[str, list[str]]]) -> None:
    frames = [(ERR, b"100 of "), (ERR, b"200\n150 of 200\n"), (ERR, b"half"), SUCCESS]
    assert run(Pod(*frames)) == ("", ["100 of 200", "150 of 200"])


@pytest.mark.parametrize(
    ("frames", "then", "message"),
    [
        (
            [(ERR, b"usage\nload run: error: no target\n"), failure("m", {"reason": "ExitCode", "message": "2"})],
            "close",
            r"failed: load run: error: no target \(exit code 2\)",
        ),
        (
            [(ERR, b"said early\n"), failure("m", {"reason": "ExitCode", "message": "137"})],
            "close",
            r"failed: said early \(exit code 137\)",
        ),
        (
            [failure('exec: "python": executable file not found in $PATH', {"message": "no code"})],
            "close",
            r'failed: no word \(exec: "python": executable file not found in \$PATH\)',
        ),
        ([(OUT, b"half of it")], "close", r"failed: no word \(the connection ended early\)"),
        ([(OUT, b"half of it")], "break", r"was cut off \(.*lost.*\): is the pod still there\?"),
    ],
)
def test_a_failure_is_said(
    run: Callable[..., tuple[str, list[str]]], frames: list[Frame], then: str, message: str
) -> None:
    with pytest.raises(pod_exec.ExecError) as failed:
        run(Pod(*frames, then=then))
    assert re.fullmatch(rf"python -m load run \.\.\. in pod load-1 {message}", str(failed.value)), failed.value


@pytest.mark.parametrize("channel", [OUT, ERR, ERROR])
def test_a_pod_that_talks_without_end_is_not_listened_to(
    run: Callable[..., tuple[str, list[str]]], monkeypatch: pytest.MonkeyPatch, channel: int
) -> None:
    monkeypatch.setattr(pod_exec, "MOST_BYTES", 2**20)
    with pytest.raises(pod_exec.ExecError, match=r"\.\.\. in pod load-1 says more than 1 MiB, which is not"):
        run(Pod(*[(channel, b"x" * 2**15)] * 33, then="hang"))


@pytest.mark.parametrize("frames", [[], [(OUT, b".")] * 50])
def test_a_command_that_hangs_is_given_up(run: Callable[..., tuple[str, list[str]]], frames: list[Frame]) -> None:
    with pytest.raises(pod_exec.ExecError, match=r"\.\.\. in pod load-1 was not done after 0\.3 s\."):
        run(Pod(*frames, pause=0.05, then="hang"), timeout=0.3)


def test_a_command_that_says_nothing_is_waited_for_in_words(
    run: Callable[..., tuple[str, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pod_exec, "QUIET_SECONDS", 0.1)
    _, said = run(Pod((OUT, b"."), SUCCESS, pause=0.3))
    assert said[0] == "waiting for python -m load run ... in pod load-1: 0 of at most 10 s"


@pytest.mark.parametrize(
    ("talk", "reason"),
    [
        (says('{"message": "pods \\"load-1\\" not found"}', "404 x"), r'pods "load-1" not found'),
        (says('container not found ("load")', "400 x"), r'container not found \("load"\)'),
        (says("", "403 x"), r"status 403"),
        (silent, r"The cluster at .* cannot be reached: no answer \(exec of pod load-1.*"),
        (
            says('{"message": "error dialing backend: dial tcp 10.89.0.5:10250: connect: no route to host"}', "500 x"),
            r"the node of pod load-1 does not answer \(no route to host\)",
        ),
    ],
)
def test_a_pod_that_cannot_be_reached_is_said(
    run: Callable[..., tuple[str, list[str]]], monkeypatch: pytest.MonkeyPatch, talk: Talk, reason: str
) -> None:
    monkeypatch.setattr(pod_exec, "OPEN_SECONDS", 0.3)
    with pytest.raises(pod_exec.ExecError) as refused:
        run(talk)
    assert re.fullmatch(rf"Nothing can be run in container load of pod load-1: {reason}\.", str(refused.value)), (
        refused.value
    )


def test_a_cluster_that_is_gone_is_said(tmp_path: Path) -> None:
    api = Api.connect(kubeconfig(tmp_path, f"http://127.0.0.1:{free_port()}"), patience=1)
    with pytest.raises(KubernetesError, match=r"cannot be reached: connection refused"):
        pod_exec.run(api, WHERE, COMMAND, 5, print)


def test_a_cluster_that_comes_back_is_waited_for(tmp_path: Path) -> None:
    port = free_port()
    api = Api.connect(kubeconfig(tmp_path, f"http://127.0.0.1:{port}"))
    with ExitStack() as stack:

        def come_back() -> None:
            stack.enter_context(listening(says("{}"), Pod((OUT, b"done"), SUCCESS), port=port))

        timer = threading.Timer(0.5, come_back)
        timer.start()
        assert pod_exec.run(api, WHERE, COMMAND, 5, print) == "done"
        timer.join()


def test_the_environments_proxy_is_not_asked(
    run: Callable[..., tuple[str, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(says("", "502 x")) as proxy:
        for name in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", "elsewhere.example")
        monkeypatch.setenv("no_proxy", "elsewhere.example")
        assert run(Pod((OUT, b"done"), SUCCESS))[0] == "done"
        assert proxy.connections == 0


def test_a_clusters_proxy_is_asked(tmp_path: Path) -> None:
    with listening(says("", "502 Bad Gateway")) as proxy:
        config = kubeconfig(tmp_path, "http://127.0.0.1:9", {"proxy-url": f"http://127.0.0.1:{proxy.port}"})
        with pytest.raises(channels.PodUnreachableError, match=r"through the proxy .*failed CONNECT .*502"):
            channels.Channels.open(Api.connect(config), "staging", "load-1", "exec", [])
        assert proxy.connections == 1


class Answering(Pod):
    """A program in a pod: for each line that comes, it says the next of some portions."""

    def __init__(self, *answers: list[Frame], then: str = "close") -> None:
        super().__init__(then=then)
        self.answers = answers

    def talk(self, connection: socket.socket) -> None:
        for frames in self.answers:
            received = self.receive(connection)
            if received is None:
                return
            self.received.append(received)
            for channel, data in frames:
                self.send(connection, channel, data)
        super().talk(connection)


@pytest.fixture
def converse(tmp_path: Path) -> Iterator[Callable[..., pod_exec.Dialogue]]:
    """Begin a dialogue with a program that talks in a given way."""
    with ExitStack() as stack:

        def begin(talk: Talk, said: list[str] | None = None) -> pod_exec.Dialogue:
            server = stack.enter_context(listening(talk))
            api = Api.connect(kubeconfig(tmp_path, f"http://127.0.0.1:{server.port}"), patience=1)
            say = list[str]().append if said is None else said.append
            dialogue = pod_exec.Dialogue(api, WHERE, ["python", "-c", "program"], say)
            stack.callback(dialogue.close)
            return dialogue

        yield begin


def test_a_program_answers_line_by_line(converse: Callable[..., pod_exec.Dialogue]) -> None:
    said: list[str] = []
    pod = Answering(
        [(ERR, b"half of it\n"), (OUT, b"one "), (OUT, b"two\nthr")],
        [(OUT, b"ee\n")],
        [(OUT, b"\xc3\xa9\n")],
        then="hang",
    )
    dialogue = converse(pod, said)
    assert [dialogue.ask("asking", f"question {number}", 5) for number in range(3)] == ["one two", "three", "\u00e9"]
    assert said == ["half of it"]
    assert pod.received == [(pod_exec.STDIN, f"question {number}\n".encode()) for number in range(3)]
    assert "exec?container=load&stdin=true&stdout=true&stderr=true&command=python" in pod.asked.decode()


@pytest.mark.parametrize(
    ("frames", "then", "kind", "message"),
    [
        (
            [(ERR, b"Traceback\nNameError: x\n"), failure("m", {"reason": "ExitCode", "message": "1"})],
            "close",
            pod_exec.CutOffError,
            r"failed: NameError: x \(exit code 1\)",
        ),
        ([(OUT, b"half")], "close", pod_exec.CutOffError, r"failed: no word \(the connection ended early\)"),
        ([(OUT, b"half")], "break", pod_exec.CutOffError, r"was cut off \(.*lost.*\): is the pod still there\?"),
        ([(OUT, b"half")], "hang", pod_exec.ExecError, r"was not done after 0\.3 s\."),
    ],
)
def test_a_program_that_does_not_answer_is_said(
    converse: Callable[..., pod_exec.Dialogue],
    frames: list[Frame],
    then: str,
    kind: type[pod_exec.ExecError],
    message: str,
) -> None:
    dialogue = converse(Answering(frames, then=then))
    with pytest.raises(kind) as failed:
        dialogue.ask("asking", "question", 0.3)
    assert type(failed.value) is kind
    assert re.fullmatch(rf"asking {message}", str(failed.value)), failed.value


@pytest.mark.parametrize(
    ("first", "kind", "message"),
    [
        (
            [[(OUT, b"one\n")]],
            pod_exec.CutOffError,
            r"was cut off \(nothing came for 0\.2 s\): is the pod still there\?",
        ),
        ([], pod_exec.ExecError, r"was not done after 1 s\."),  # it has only just begun
    ],
)
def test_a_connection_that_died_without_a_word_while_it_was_kept_is_not_waited_for_long(
    converse: Callable[..., pod_exec.Dialogue],
    monkeypatch: pytest.MonkeyPatch,
    first: list[list[Frame]],
    kind: type[pod_exec.ExecError],
    message: str,
) -> None:
    monkeypatch.setattr(pod_exec, "KEPT_SECONDS", 0.2)
    dialogue = converse(Answering(*first, then="hang"))
    for _ in first:
        dialogue.ask("asking", "question", 5)
    with pytest.raises(kind) as failed:
        dialogue.ask("asking", "question", 1)
    assert type(failed.value) is kind
    assert re.fullmatch(rf"asking {message}", str(failed.value)), failed.value


def test_a_program_that_was_asked_before_may_take_long_while_it_says_something(
    converse: Callable[..., pod_exec.Dialogue], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pod_exec, "KEPT_SECONDS", 1.5)

    class Slow(Answering):
        @staticmethod
        def send(connection: socket.socket, channel: int, data: bytes) -> None:
            time.sleep(0.4)
            Pod.send(connection, channel, data)

    dialogue = converse(Slow([(OUT, b"one\n")], [*[(ERR, b"at work\n")] * 4, (OUT, b"two\n")], then="hang"))
    assert [dialogue.ask("asking", "question", 5) for _ in range(2)] == ["one", "two"]


def test_a_program_that_talks_without_end_is_not_listened_to(
    converse: Callable[..., pod_exec.Dialogue], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pod_exec, "MOST_BYTES", 2**20)
    dialogue = converse(Answering([(OUT, b"x" * 2**15)] * 33, then="hang"))
    with pytest.raises(pod_exec.ExecError, match=r"asking says more than 1 MiB, which is not"):
        dialogue.ask("asking", "question", 5)


def test_a_line_to_a_program_that_is_gone_is_cut_off(converse: Callable[..., pod_exec.Dialogue]) -> None:
    dialogue = converse(Answering())
    dialogue.close()
    with pytest.raises(pod_exec.CutOffError, match=r"asking was cut off"):
        dialogue.ask("asking", "question", 5)


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


def test_of_pods_that_are_not_ready_the_node_is_named(api: Any) -> None:
    pod(api, "load-a", ready="False")
    pod(api, "load-b", deletionTimestamp="2026-01-01T00:00:00Z")
    path = "/api/v1/namespaces/staging/pods/load-c"
    running = {"name": "load", "ready": False, "state": {"running": {}}}
    api.put(
        path,
        metadata={"labels": {"app": "load"}},
        spec={"nodeName": "worker-1"},
        status={"containerStatuses": [running]},
    )
    with pytest.raises(pod_exec.ExecError) as none:
        pod_exec.ready_container(api, "staging", "app=load", "load")
    assert str(none.value) == (
        "No pod labelled app=load is ready in namespace staging: load-a does not answer; load-b is ending; "
        "load-c on node worker-1: container load runs, but does not become ready."
    )


def test_no_pod_is_said_with_what_to_type(api: Any) -> None:
    with pytest.raises(pod_exec.ExecError) as none:
        pod_exec.ready_container(api, "staging", "app=load", "load")
    assert str(none.value) == (
        "No pod labelled app=load is ready in namespace staging: "
        "ansible-playbook playbooks/deploy.yml brings the application up."
    )
