# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run a command in a pod, as `kubectl exec` does."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from websocket import WebSocketException

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.channels import (
    MOST_BYTES,
    OPEN_SECONDS,
    Channels,
    PodUnreachableError,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.pods import is_ready, not_ready, trouble

STDIN, STDOUT, STDERR, ERROR = 0, 1, 2, 3
# A command that says nothing is waited for in words after so long.
QUIET_SECONDS = 10.0
# A kept connection may die without a word: so long nothing comes, while a program that works says something.
KEPT_SECONDS = 30.0


class ExecError(WorkshopError):
    """A command could not be run in a pod, or failed. The message is one sentence for people."""


class CutOffError(ExecError):
    """What ran, or the connection to it, has ended before its time."""


@dataclass(frozen=True)
class Container:
    """Where commands run."""

    namespace: str
    pod: str
    name: str


def ready_container(api: Api, namespace: str, selector: str, name: str) -> Container:
    """Pick a container of the first ready pod with these labels.

    Raises:
        ExecError: there is none. It says why of each that is not ready, and on which node: that may be down.
    """
    pods = api.items(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector)
    ready = sorted(str(pod["metadata"]["name"]) for pod in pods if is_ready(pod))
    if not ready:
        reasons = "; ".join(_why_not_ready(pod) for pod in pods)
        raise ExecError(
            f"No pod labelled {selector} is ready in namespace {namespace}: "
            + (reasons or "ansible-playbook playbooks/deploy.yml brings the application up")
            + "."
        )
    return Container(namespace, ready[0], name)


def _why_not_ready(pod: Mapping[str, Any]) -> str:
    """Say what is the matter with a pod, in a few words.

    >>> _why_not_ready({"metadata": {"name": "load-1"}, "spec": {"nodeName": "worker-1"}})
    'load-1 on node worker-1 does not answer'
    """
    node = (pod.get("spec") or {}).get("nodeName")
    where = f"{pod['metadata']['name']} on node {node}" if node else str(pod["metadata"]["name"])
    if "deletionTimestamp" in pod["metadata"]:
        return f"{where} is ending"
    found = trouble(pod) or not_ready(pod)
    return f"{where}: {found.sentence}" if found else f"{where} does not answer"


def run(api: Api, where: Container, command: list[str], timeout: float, say: Callable[[str], None]) -> str:
    """Run a command to its end and give its standard output; its exit code must be 0.

    Args:
        timeout: seconds.
        say: shows a line of the command's standard error, as it comes, and that nothing comes.
    """
    running = _Running(api, where, command, timeout, say)
    doing = f"{' '.join(command[:4])} ... in pod {where.pod}"
    try:
        running.hear(doing, timeout)
    finally:
        running.close()
    if failure := running.failure():
        raise ExecError(f"{doing} failed: {failure}")
    return running.output.decode("utf-8", "replace")


class Dialogue:
    """A program in a pod that answers each line of its standard input by one line of its standard output.

    To start a command in a container costs more processor than most commands. The program ends with its standard
    input: when this is closed, or this process is gone.

    Args:
        say: shows a line of the program's standard error, as it comes, and that nothing comes.
    """

    def __init__(self, api: Api, where: Container, program: Sequence[str], say: Callable[[str], None]) -> None:
        self._running = _Running(api, where, program, OPEN_SECONDS, say, answers=True)
        self._kept = False

    def ask(self, doing: str, line: str, timeout: float) -> str:
        """Send a line and give the answer.

        Args:
            doing: what it is about, for people.
            timeout: seconds.

        Raises:
            CutOffError: the program, or the connection to it, has ended, or seems to: where something was asked before,
                nothing came for long.
            ExecError: it did not answer in time, or says too much.
        """
        self._running.send(doing, line.encode() + b"\n")
        quiet = KEPT_SECONDS if self._kept else timeout
        self._running.hear(doing, timeout, lambda output: b"\n" in output, quiet)
        self._kept = True
        if b"\n" not in self._running.output:
            raise CutOffError(f"{doing} failed: {self._running.failure()}")
        answer, _, self._running.output = self._running.output.partition(b"\n")
        return answer.decode("utf-8", "replace")

    def close(self) -> None:
        """End the program."""
        self._running.close()


class _Running:
    """A command that was started in a pod."""

    def __init__(
        self,
        api: Api,
        where: Container,
        command: Sequence[str],
        timeout: float,
        say: Callable[[str], None],
        answers: bool = False,
    ) -> None:
        self._say = say
        self._channels = _open(api, where, command, timeout, answers)
        self.output, self._complaints, self._ended = bytearray(), _Lines(say), b""

    def send(self, doing: str, data: bytes) -> None:
        """Write to its standard input."""
        try:
            self._channels.send(STDIN, data)
        except (WebSocketException, OSError) as error:
            raise CutOffError(_cut_off(doing, error)) from error

    def hear(
        self,
        doing: str,
        timeout: float,
        enough: Callable[[bytearray], bool] = lambda _: False,
        quiet: float = math.inf,
    ) -> None:
        """Take in what it says until its output is enough, or it has ended, or nothing came for `quiet` seconds."""
        begun = heard = came = time.monotonic()
        left = MOST_BYTES
        while not enough(self.output):
            now = time.monotonic()
            if now - begun > timeout:
                raise ExecError(f"{doing} was not done after {timeout:g} s.")
            if now - came > quiet:
                raise CutOffError(_cut_off(doing, f"nothing came for {quiet:g} s"))
            try:
                until = min(begun + timeout, heard + QUIET_SECONDS, came + quiet)
                received = self._channels.receive(until - now)
            except TimeoutError:
                if time.monotonic() - heard > QUIET_SECONDS:
                    heard = time.monotonic()
                    self._say(f"waiting for {doing}: {heard - begun:.0f} of at most {timeout:g} s")
                continue
            except (WebSocketException, OSError) as error:
                raise CutOffError(_cut_off(doing, error)) from error
            if received is None:
                return
            heard = came = time.monotonic()
            channel, data = received
            left -= len(data)
            if left < 0:
                raise ExecError(f"{doing} says more than {MOST_BYTES // 2**20} MiB, which is not what was asked for.")
            if channel == STDOUT:
                self.output += data
            elif channel == STDERR:
                self._complaints.add(data)
            elif channel == ERROR:
                self._ended += data

    def failure(self) -> str:
        """Say why it has failed; nothing where it has not."""
        status = json.loads(self._ended or b"{}")
        if status.get("status") == "Success":
            return ""
        return f"{self._complaints.last or 'no word'} ({_why(status)})"

    def close(self) -> None:
        """Leave it: what reads its standard input reads its end."""
        self._channels.close()


def _cut_off(doing: str, error: Exception | str) -> str:
    return f"{doing} was cut off ({error}): is the pod still there?"


class _Lines:
    """Shows lines as they are complete, and keeps the last that says something."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._unfinished = b""
        self._last = ""

    def add(self, data: bytes) -> None:
        *lines, self._unfinished = (self._unfinished + data).split(b"\n")
        for line in lines:
            text = line.decode("utf-8", "replace")
            self._say(text)
            self._last = text.strip() or self._last

    @property
    def last(self) -> str:
        return self._unfinished.decode("utf-8", "replace").strip() or self._last


def _open(api: Api, where: Container, command: Sequence[str], timeout: float, answers: bool) -> Channels:
    query = [
        ("container", where.name),
        *([("stdin", "true")] if answers else []),
        ("stdout", "true"),
        ("stderr", "true"),
        *(("command", each) for each in command),
    ]
    try:
        return Channels.open(api, where.namespace, where.pod, "exec", query, min(OPEN_SECONDS, timeout))
    except PodUnreachableError as error:
        raise ExecError(
            f"Nothing can be run in container {where.name} of pod {where.pod}: {str(error).rstrip('.')}."
        ) from error


def _why(ended: Mapping[str, Any]) -> str:
    """Read the Status object that Kubernetes sends last: an exit code, or why the command was not even started."""
    if not ended:
        return "the connection ended early"
    causes = (ended.get("details") or {}).get("causes") or []
    code = next((cause["message"] for cause in causes if cause.get("reason") == "ExitCode"), None)
    return f"exit code {code}" if code else str(ended.get("message"))
