# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What istioctl would change of the Istio that is installed, and what it says of the proxies."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import MANAGER
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.pods import has_proxy
from ansible_collections.istio_games.workshop.plugins.plugin_utils.paths import expanded

# Seconds that one command may take; all of them take about two.
PATIENCE = 120
# kubectl names a file KIND.VERSION.NAMESPACE.NAME for each object; a new object's file is empty on the live side.
_OBJECT = re.compile(r"^diff -u -N \S+/LIVE-\d+/(\S+) ", re.MULTILINE)
# istiod itself changes its webhooks: their certificate, whether they may fail, whom they select.
_WEBHOOK = "WebhookConfiguration."


class MeshError(WorkshopError):
    """istioctl or kubectl failed."""


class Istioctl:
    """istioctl and kubectl of one directory, on one cluster. What they are told is never a shell's to read."""

    def __init__(self, directory: str, kubeconfig: str) -> None:
        self._directory = Path(directory)
        self._kubeconfig = str(expanded(kubeconfig))

    def differences(self, values: str) -> list[str]:
        """Name the objects of an installation that are not as istioctl would make them.

        Args:
            values: the IstioOperator, as YAML.

        Raises:
            MeshError: it cannot be told.
        """
        manifests = self._run("istioctl", "manifest", "generate", "--filename=/dev/stdin", given=values).stdout
        # What injects the proxies: istioctl install makes it besides, of the injector that it has installed before.
        tag = self._run(
            *("istioctl", "tag", "generate", "default", "--revision=default", "--overwrite"), accepted=(0, 1)
        )
        if tag.returncode:
            return [f"the injector of the revision default ({_last_line(tag.stderr)})"]
        compared = self._run(
            *("kubectl", "diff", "--server-side", "--force-conflicts", f"--field-manager={MANAGER}", "--concurrency=8"),
            "--filename=-",
            given=f"{manifests}\n---\n{tag.stdout}",
            accepted=(0, 1),
        )
        return differing(compared.stdout)

    def uninstall(self) -> None:
        """Remove the revision default, and nothing of another one.

        Raises:
            MeshError: it did not go.
        """
        self._run("istioctl", "uninstall", "--revision=default", "--skip-confirmation")

    def _run(
        self, program: str, *arguments: str, given: str = "", accepted: Sequence[int] = (0,)
    ) -> subprocess.CompletedProcess[str]:
        command = [str(self._directory / program), *arguments]
        environment = {name: value for name, value in os.environ.items() if name != "KUBECTL_EXTERNAL_DIFF"}
        try:
            done = subprocess.run(
                command,
                input=given,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
                env=environment | {"KUBECONFIG": self._kubeconfig},
            )
        except subprocess.TimeoutExpired as error:
            raise MeshError(
                f"{command[0]} {arguments[0]} has not ended within {PATIENCE} s: is the cluster well?"
            ) from error
        except OSError as error:
            raise MeshError(
                f"{command[0]} cannot be run ({error.strerror}): name the directory of istioctl and kubectl with -e "
                "mesh_bin_dir=."
            ) from error
        if done.returncode not in accepted:
            raise MeshError(f"{command[0]} {' '.join(arguments[:2])} failed: {_last_line(done.stderr)}")
        return done


def differing(output: str) -> list[str]:
    """Name the objects that `kubectl diff` found different; a webhook counts only when it is missing."""
    found = []
    for part in re.split(r"(?m)^(?=diff -u )", output):
        name = _OBJECT.search(part)
        if name and (_WEBHOOK not in name[1] or "\n@@ -0,0 " in part):
            found.append(name[1])
    return found


def without_proxy(pods: Iterable[Mapping[str, Any]], services: Iterable[str]) -> list[str]:
    """Say which pods of some services have no proxy; other pods of the namespace are other people's.

    Args:
        pods: the namespace's running pods.
        services: the services that must be on the mesh.
    """
    wanted = set(services)
    return [
        f"Pod {pod['metadata']['namespace']}/{pod['metadata']['name']} has no proxy: ansible-playbook "
        "playbooks/deploy.yml puts it on the mesh."
        for pod in pods
        if (pod["metadata"].get("labels") or {}).get("app") in wanted and not has_proxy(pod)
    ]


def of_another_version(versions: Mapping[str, Any], pods: Iterable[Mapping[str, Any]]) -> list[str]:
    """Say which parts of the room's own mesh are of another version than istioctl: istiod, and these pods' proxies.

    Args:
        versions: what `istioctl version --output=json` prints.
        pods: pods that have a proxy; those of other namespaces and revisions are other people's.
    """
    wanted = versions["clientVersion"]["version"]
    parts = {f"istiod ({each['Component']})": each["Info"]["version"] for each in versions.get("meshVersion") or []}
    proxies = {each["ID"]: each["IstioVersion"] for each in versions.get("dataPlaneVersion") or []}
    names = [f"{pod['metadata']['name']}.{pod['metadata']['namespace']}" for pod in pods if has_proxy(pod)]
    found = [] if parts else ["istiod does not answer: ansible-playbook playbooks/mesh.yml brings it up."]
    found += [
        f"The proxy of pod {name} is not connected to istiod: ansible-playbook playbooks/mesh.yml brings it up."
        for name in names
        if name not in proxies
    ]
    found += [
        f"{name} is of version {version}, istioctl of {wanted}: ansible-playbook playbooks/mesh.yml installs that."
        for name, version in {**parts, **{name: proxies[name] for name in names if name in proxies}}.items()
        if version != wanted
    ]
    return found


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
