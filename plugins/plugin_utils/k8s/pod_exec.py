# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run a command in a pod, as `kubectl exec` does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import stream
from kubernetes.stream.ws_client import ERROR_CHANNEL, WSClient
from websocket import WebSocketException

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.pods import is_ready


class ExecError(WorkshopError):
    """A command could not be run in a pod, or failed. The message is one sentence for people."""


@dataclass(frozen=True)
class Container:
    """Where commands run."""

    namespace: str
    pod: str
    name: str


def ready_container(api: Api, namespace: str, selector: str, name: str) -> Container:
    """Pick a container of the first ready pod with these labels."""
    pods = api.items(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector)
    ready = sorted(str(pod["metadata"]["name"]) for pod in pods if is_ready(pod))
    if not ready:
        raise ExecError(
            f"No pod labelled {selector} is ready in namespace {namespace}: "
            "ansible-playbook playbooks/deploy.yml brings the application up."
        )
    return Container(namespace, ready[0], name)


def run(api: Api, where: Container, command: list[str], timeout: float, say: Callable[[str], None]) -> str:
    """Run a command to its end and give its standard output; its exit code must be 0.

    Args:
        timeout: seconds.
        say: shows a line of the command's standard error, as it comes.
    """
    doing = f"{' '.join(command[:4])} ... in pod {where.pod}"
    session = _session(api, where, command)
    output, complaints, unfinished = "", [""], ""
    deadline = time.monotonic() + timeout
    try:
        running = True
        while running:
            if time.monotonic() > deadline:
                raise ExecError(f"{doing} was not done after {timeout:g} s.")
            session.update(timeout=1)
            # Asked before reading: a read takes in more, which must be read as well once the session has ended.
            running = session.is_open()
            output += session.read_stdout(timeout=0)
            *lines, unfinished = (unfinished + session.read_stderr(timeout=0)).split("\n")
            for line in lines:
                say(line)
            complaints += [line for line in [*lines, unfinished] if line.strip()]
        ended = json.loads(session.read_channel(ERROR_CHANNEL) or "{}")
    except (WebSocketException, OSError) as error:
        raise ExecError(f"{doing} was cut off ({error}): is the pod still there?") from error
    finally:
        session.close()
    if ended.get("status") != "Success":
        raise ExecError(f"{doing} failed: {complaints[-1].strip() or 'no word'} ({_why(ended)})")
    return output


def _session(api: Api, where: Container, command: list[str]) -> WSClient:
    try:
        session: WSClient = stream(
            client.CoreV1Api(api.client).connect_get_namespaced_pod_exec,
            where.pod,
            where.namespace,
            container=where.name,
            command=command,
            stdout=True,
            stderr=True,
            stdin=False,
            tty=False,
            _preload_content=False,
        )
    except ApiException as error:
        # The websocket's library puts the whole answer into one text; the API server's own words stand last.
        body = str(error.reason).rpartition(" -+-+- ")[2]
        try:
            reason = json.loads(body)["message"]
        except (ValueError, TypeError, KeyError):
            reason = body
        raise ExecError(f"Nothing can be run in container {where.name} of pod {where.pod}: {reason}.") from error
    return session


def _why(ended: Mapping[str, Any]) -> str:
    """Read the Status object that Kubernetes sends last: an exit code, or why the command was not even started."""
    if not ended:
        return "the connection ended early"
    causes = (ended.get("details") or {}).get("causes") or []
    code = next((cause["message"] for cause in causes if cause.get("reason") == "ExitCode"), None)
    return f"exit code {code}" if code else str(ended.get("message"))
