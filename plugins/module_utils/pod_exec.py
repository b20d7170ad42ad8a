# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run a command in a pod, as `kubectl exec` does."""

from __future__ import annotations

import time
from dataclasses import dataclass

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import stream

from ansible_collections.istio_games.workshop.plugins.module_utils.kubernetes_api import Api
from ansible_collections.istio_games.workshop.plugins.module_utils.traffic.proxies import is_ready


class ExecError(Exception):
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


def run(api: Api, where: Container, command: list[str], timeout: float) -> str:
    """Run a command to its end and give its standard output; its exit code must be 0."""
    try:
        session = stream(
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
        raise ExecError(f"Nothing can be run in pod {where.pod}: {error.reason}") from error
    output, complaints = [], []
    deadline = time.monotonic() + timeout
    try:
        while session.is_open():
            session.update(timeout=1)
            output.append(session.read_stdout(timeout=0) if session.peek_stdout() else "")
            complaints.append(session.read_stderr(timeout=0) if session.peek_stderr() else "")
            if time.monotonic() > deadline:
                raise ExecError(f"{' '.join(command[:4])} ... in pod {where.pod} was not done after {timeout:g} s.")
        code = session.returncode
    finally:
        session.close()
    if code != 0:
        said = "".join(complaints).strip().splitlines()
        raise ExecError(
            f"{' '.join(command[:4])} ... in pod {where.pod} failed ({code}): {said[-1] if said else 'no word'}"
        )
    return "".join(output)
