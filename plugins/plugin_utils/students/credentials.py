# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A student's kubeconfig: a token that the API server gives for a time, in a file that its owner alone can read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.paths import expanded
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import files
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.handed_out import ACCOUNT, account_of
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.places import Place
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.sleeping import TIME

# Who comes with less than this left gets a new one. The shortest that can be asked for is an hour.
LEAST = timedelta(minutes=20)


def now() -> datetime:
    """Tell the time."""
    return datetime.now(UTC)


def text_of(time: datetime) -> str:
    """Write a time as the API does."""
    return time.strftime(TIME)


def lasts(api: Api, place: Place, clock: Callable[[], datetime] = now) -> bool:
    """Tell whether a place's kubeconfig is there, whole, of the account that is there now, and good for a while yet."""
    try:
        expires = datetime.strptime(place.expires, TIME).replace(tzinfo=UTC)
    except ValueError:
        return False
    if expires - clock() <= LEAST:
        return False
    account = api.find(f"/api/v1/namespaces/{place.namespace}/serviceaccounts/{ACCOUNT}")
    return account is not None and account_of(place.kubeconfig) == (place.namespace, account["metadata"]["uid"])


def hand_out(api: Api, place: Place, admin: Mapping[str, Any], hours: int) -> str:
    """Have the API server make a token, write the kubeconfig, and tell when it ends.

    Args:
        admin: the room's own kubeconfig, for the server's address and certificate.
        hours: how long it is to be good for. An API server may give less.
    """
    answer = api.create(
        f"/api/v1/namespaces/{place.namespace}/serviceaccounts/{ACCOUNT}/token",
        {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "metadata": {"name": ACCOUNT},
            "spec": {"expirationSeconds": hours * 3600},
        },
    )["status"]
    content = yaml.safe_dump(kubeconfig(place, admin, answer["token"]), sort_keys=False)
    files.replace(Path(place.kubeconfig), content)
    return str(answer["expirationTimestamp"])


def administrator(kubeconfig: str) -> dict[str, Any]:
    """Read the room's own kubeconfig; a certificate's file that it names is where it says, seen from itself."""
    path = expanded(kubeconfig)
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    for each in found.get("clusters") or []:
        if file := each["cluster"].get("certificate-authority"):
            each["cluster"]["certificate-authority"] = str(path.parent / file)
    return found


def kubeconfig(place: Place, admin: Mapping[str, Any], token: str) -> dict[str, Any]:
    """Give a student's kubeconfig: the room's cluster, and nobody's rights but the student's.

    Raises:
        WorkshopError: the room's own names no cluster.
    """
    current = admin.get("current-context")
    context: Mapping[str, Any] = next(
        (each["context"] for each in admin.get("contexts") or [] if each["name"] == current), {}
    )
    cluster = next(
        (each["cluster"] for each in admin.get("clusters") or [] if each["name"] == context.get("cluster")), None
    )
    if cluster is None:
        raise WorkshopError("The room's kubeconfig has no current context with a cluster: mend it, and type it again.")
    name = place.name
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": _self_contained(cluster)}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": place.namespace}}],
    }


def _self_contained(cluster: Mapping[str, Any]) -> dict[str, Any]:
    """Give a kubeconfig's cluster with the certificate itself where it names a file: a student's is carried away."""
    import base64

    found = dict(cluster)
    if file := found.pop("certificate-authority", None):
        found["certificate-authority-data"] = base64.b64encode(Path(file).read_bytes()).decode()
    return found
