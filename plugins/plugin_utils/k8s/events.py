# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the cluster itself says is in an object's way: its Warning events.

An event stays for an hour, long after what it tells of has passed. So only the last word about an object counts: a
warning that nothing came after. And it is asked for only where the object's own status gives no reason: no pod was
made, or a pod's containers are still being created.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.errors import WEBHOOK
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.waiting import (
    HOPELESS,
    ONLY_TOLD,
    PATIENCE_SECONDS,
    Trouble,
)

# A volume that a cloud makes, or a node that its autoscaler adds, takes a minute or two.
PROVISIONING_SECONDS = 120.0
# A mount, or a webhook that restarts (istiod's).
RESTART_SECONDS = 60.0
# Any other warning is told, and ends no wait.
PATIENCE = {
    "FailedCreate": PATIENCE_SECONDS,
    "FailedScheduling": PROVISIONING_SECONDS,
    "ProvisioningFailed": PROVISIONING_SECONDS,
    "FailedBinding": PROVISIONING_SECONDS,
    "FailedAttachVolume": PROVISIONING_SECONDS,
    "FailedMount": RESTART_SECONDS,
    "FailedMapVolume": RESTART_SECONDS,
    "FailedCreatePodSandBox": RESTART_SECONDS,
}
# What a claim's events say while whoever makes volumes is at work.
BEING_MADE = ("Provisioning", "ExternalProvisioning")
# What a refusal of a pod says when only a person can change it, and when it will pass.
FORBIDDEN, PASSING = ("violates PodSecurity",), (WEBHOOK, "etcdserver:", "timed out")


class Events:
    """The last word about each object of a namespace."""

    def __init__(self, events: Iterable[Mapping[str, Any]] = ()) -> None:
        self._last: dict[tuple[str, str], Mapping[str, Any]] = {}
        for event in events:
            about = event.get("involvedObject") or {}
            key = (str(about.get("kind")), str(about.get("name")))
            if key not in self._last or _order(event) >= _order(self._last[key]):
                self._last[key] = event

    @classmethod
    def read(cls, api: Api, namespace: str) -> Events:
        """Read a namespace's events; none where the kubeconfig's user may not."""
        try:
            return cls(api.items(f"/api/v1/namespaces/{namespace}/events"))
        except KubernetesError as error:
            if error.status in (403, 404):
                return cls()
            raise

    def trouble(self, kind: str, item: Mapping[str, Any]) -> Trouble | None:
        """Give the trouble that an object has, if the last word about it is a warning.

        Args:
            kind: of the object; items of a list don't name theirs.
            item: the object, or what is known of it: its name, and its uid where an older one may have borne the name.
        """
        metadata = item["metadata"]
        event = self._word(kind, item)
        if event is None or event.get("type") != "Warning":
            return None
        uid = (event.get("involvedObject") or {}).get("uid")
        if uid and metadata.get("uid") not in (uid, None):
            return None
        return refused(
            f"{'pod' if kind == 'Pod' else kind} {metadata['name']}",
            str(event.get("reason")),
            str(event.get("message") or ""),
        )

    def volume(self, kind: str, claim: Mapping[str, Any]) -> Trouble | None:
        """Give the trouble that a claim has, or tell that its volume is still being made."""
        event = self._word(kind, claim)
        if event is not None and event.get("reason") in BEING_MADE:
            name = claim["metadata"]["name"]
            return Trouble(f"its volume {name} is still being made", ONLY_TOLD, f"{kind} {name}", "Provisioning")
        return self.trouble(kind, claim)

    def _word(self, kind: str, item: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return self._last.get((kind, item["metadata"]["name"]))


def refused(about: str, reason: str, message: str) -> Trouble:
    """Make a trouble of a warning's reason and message.

    >>> refused("ReplicaSet a", "FailedCreate", "pods a-1 is forbidden: violates PodSecurity").hopeless
    True
    """
    patience = PATIENCE.get(reason, ONLY_TOLD)
    if reason == "FailedCreate":
        patience = (
            HOPELESS
            if any(words in message for words in FORBIDDEN)
            else RESTART_SECONDS
            if any(words in message for words in PASSING)
            else patience
        )
    return Trouble(f"{' '.join(message.split()) or 'no reason given'} ({reason})", patience, about, reason)


def _order(event: Mapping[str, Any]) -> tuple[str, int]:
    """When an event was last seen: the time, which may be whole seconds, then the order of writing."""
    time = (
        (event.get("series") or {}).get("lastObservedTime")
        or event.get("lastTimestamp")
        or event.get("eventTime")
        or event["metadata"].get("creationTimestamp")
        or ""
    )
    version = str(event["metadata"].get("resourceVersion") or "")
    return str(time).rstrip("Z"), int(version) if version.isdigit() else 0
