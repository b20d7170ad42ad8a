# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A kubeconfig that was handed out to a student: no playbook can be played with it, which is said before it is tried.

A stage looks at routes of all namespaces, which may govern its own, and asks the registry; a student may do neither.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import yaml

from ansible_collections.istio_games.workshop.plugins.plugin_utils.paths import expanded
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import names

# The ServiceAccount in each place that its student acts as (roles/student/templates/access.yml.j2).
ACCOUNT = "student"


def student_of(kubeconfig: str) -> str:
    """Name the student whose kubeconfig a file is; empty if it is nobody's, or no kubeconfig."""
    return account_of(kubeconfig)[0]


def account_of(kubeconfig: str) -> tuple[str, str]:
    """Give the student whose kubeconfig a file is, and the uid of the account that its token is for; else empty texts.

    An account that was made anew has another uid, and the API server takes no token of the old one.
    """
    try:
        found = yaml.safe_load(expanded(kubeconfig).read_text())
        context = _named(found["contexts"], found["current-context"])["context"]
        token = _named(found["users"], context["user"])["user"]["token"]
        payload = str(token).split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        _, kind, namespace, account = claims["sub"].split(":")
        uid = str(claims.get("kubernetes.io", {}).get("serviceaccount", {}).get("uid", ""))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, yaml.YAMLError):
        return "", ""
    return (namespace, uid) if (kind, account) == ("serviceaccount", ACCOUNT) else ("", "")


def refusal(kubeconfig: str, playbook: str = "") -> str:
    """Say that a student's kubeconfig is no instructor's, and what to ask for; empty if it is none of a student's."""
    student = student_of(kubeconfig)
    if not student:
        return ""
    said = (
        f"{kubeconfig} is the kubeconfig of {student}, which is for kubectl in that place: playbooks look at the whole "
        "room, which it may not."
    )
    if playbook and playbook not in names.READ_BY["student"]:
        return f"{said} {playbook}.yml is for the whole room, and for whoever has made it."
    return (
        f"{said} Ask whoever has made the room to type ansible-playbook playbooks/{playbook or 'rollout'}.yml "
        f"-e student={student} with the rest of what you typed."
    )


def _named(items: Any, name: str) -> Any:
    return {item["name"]: item for item in items}[name]
