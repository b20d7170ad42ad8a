# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters that read what istioctl and kubectl say of a mesh."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.filters import explained

# kubectl names a file KIND.VERSION.NAMESPACE.NAME for each object; a new object's file is empty on the live side.
_OBJECT = re.compile(r"^diff -u -N \S+/LIVE-\d+/(\S+) ", re.MULTILINE)
# istiod itself changes its webhooks: their certificate, whether they may fail, whom they select.
_WEBHOOK = "WebhookConfiguration."


def mesh_differences(output: str) -> list[str]:
    """Name the objects that `kubectl diff` found different; a webhook counts only when it is missing.

    Output that is no diff is one difference: the mesh is another one.

    >>> mesh_differences("installed: nothing, wanted: 0123")
    ['installed: nothing, wanted: 0123']
    """
    if output.strip() and not output.startswith("diff "):
        return [output.strip()]
    found = []
    for part in re.split(r"(?m)^(?=diff -u )", output):
        name = _OBJECT.search(part)
        if name and (_WEBHOOK not in name[1] or "\n@@ -0,0 " in part):
            found.append(name[1])
    return found


def mesh_problems(versions: Mapping[str, Any], pods: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say which pods no proxy is connected for, and which parts are of another version than istioctl.

    Args:
        versions: what `istioctl version --output=json` prints.
        pods: the pods that must be on the mesh.
    """
    wanted = versions["clientVersion"]["version"]
    parts = {f"istiod ({each['Component']})": each["Info"]["version"] for each in versions.get("meshVersion") or []}
    proxies = {each["ID"]: each["IstioVersion"] for each in versions.get("dataPlaneVersion") or []}
    names = [f"{pod['metadata']['name']}.{pod['metadata']['namespace']}" for pod in pods]
    found = [] if parts else ["istiod does not answer: ansible-playbook playbooks/mesh.yml brings it up."]
    found += [
        f"No proxy of pod {name} is connected to istiod: ansible-playbook playbooks/deploy.yml puts it on the mesh."
        for name in names
        if name not in proxies
    ]
    found += [
        f"{name} is of version {version}, istioctl of {wanted}: ansible-playbook playbooks/mesh.yml installs that."
        for name, version in {**parts, **proxies}.items()
        if version != wanted
    ]
    return found


class FilterModule:
    """Filters of the mesh."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name them."""
        return {"mesh_differences": explained(mesh_differences), "mesh_problems": explained(mesh_problems)}
