# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The load client in the cluster (services/alephbeth/load): measure with it, and ask what became of its requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils import pod_exec, split
from ansible_collections.istio_games.workshop.plugins.module_utils.kubernetes_api import Api, KubernetesError
from ansible_collections.istio_games.workshop.plugins.module_utils.response_flags import explanations

SELECTOR, CONTAINER, PROXY = "app=load", "load", "istio-proxy"
RUN_SECONDS = 300
SHOWN_FAILURES = 3


@dataclass(frozen=True)
class Check:
    """A split to measure: who asks (`headers`), whom, and the percentages to expect by version."""

    service: str
    name: str
    expect: Mapping[str, float]
    headers: Mapping[str, str] = field(default_factory=dict)
    requests: int | None = None

    @property
    def subject(self) -> str:
        """Name it for people."""
        shares = ", ".join(f"{share:g} % to {version}" for version, share in self.expect.items())
        return f"{self.service} for {self.name}, {shares}"

    @property
    def number(self) -> int:
        """How many requests to send."""
        return self.requests or split.requests_needed(min(self.expect.values()))


class LoadClient:
    """Sends requests from the load client's pod, through its proxy."""

    def __init__(self, api: Api, namespace: str, say: Callable[[str], None]) -> None:
        self._api = api
        self._namespace = namespace
        self._say = say

    def measure(self, checks: Sequence[Check]) -> list[dict[str, Any]]:
        """Measure and judge splits; those of equal headers and number share a run."""
        where = pod_exec.ready_container(self._api, self._namespace, SELECTOR, CONTAINER)
        runs: dict[tuple[tuple[tuple[str, str], ...], int], list[Check]] = {}
        for check in checks:
            runs.setdefault((tuple(check.headers.items()), check.number), []).append(check)
        results = {}
        for (headers, number), together in runs.items():
            self._say(f"{number} requests to each of {', '.join(check.service for check in together)}")
            command = ["python", "-m", "load", "run", f"--requests={number}"]
            command += [f"--target={check.service}=http://{check.service}/name" for check in together]
            command += [f"--header={name}: {value}" for name, value in headers]
            summary = json.loads(pod_exec.run(self._api, where, command, RUN_SECONDS))
            for check in together:
                results[check.service, check.name] = self._result(check, summary["targets"][check.service], where)
        return [results[check.service, check.name] for check in checks]

    def report(self, since: float) -> dict[str, Any]:
        """Ask what became of the steady requests since then. Without targets: nothing is being sent."""
        where = pod_exec.ready_container(self._api, self._namespace, SELECTOR, CONTAINER)
        command = ["python", "-m", "load", "report", f"--since={since:.3f}"]
        found: dict[str, Any] = json.loads(pod_exec.run(self._api, where, command, RUN_SECONDS))
        for target in found["targets"].values():
            self._explain(target["failures"], where)
        return found

    def _result(self, check: Check, counted: dict[str, Any], where: pod_exec.Container) -> dict[str, Any]:
        verdict = split.judge(check.expect, counted["versions"])
        self._explain(counted["failures"], where)
        return {
            "service": check.service,
            "name": check.name,
            "headers": dict(check.headers),
            "expect": dict(check.expect),
            "requests": counted["sent"],
            "answered": counted["versions"],
            "failed": counted["failed"],
            "failures": counted["failures"],
            "latency_ms": counted["latency_ms"],
            **split.as_result(verdict),
            "sentence": split.sentence(check.subject, verdict) + _failed(counted),
        }

    def _explain(self, failures: Sequence[dict[str, Any]], where: pod_exec.Container) -> None:
        """Add what the caller's proxy says of failed requests."""
        if not failures:
            return
        path = f"/api/v1/namespaces/{where.namespace}/pods/{where.pod}/log"
        try:
            log = self._api.text(path, container=PROXY, tailLines="20000")
        except KubernetesError:
            return  # no proxy, or no log of it: the failures stand as they are
        found = explanations(log, [failure["request_id"] for failure in failures])
        for failure in failures:
            failure["explanation"] = found.get(failure["request_id"], "not in the log of the caller's proxy")


def _failed(counted: Mapping[str, Any]) -> str:
    return f"; {counted['failed']} of {counted['sent']} requests failed: {why(counted)}" if counted["failed"] else ""


def why(counted: Mapping[str, Any]) -> str:
    """Say why requests to a target failed: the first of them, each in a few words."""
    shown = [
        f"{failure['error'] or 'status ' + str(failure['status'])}, {failure.get('explanation', 'no more is known')}"
        for failure in counted["failures"][:SHOWN_FAILURES]
    ]
    missing = [f"{counted['missing']} without any outcome"] if counted.get("missing") else []
    return "; ".join([*dict.fromkeys(shown), *missing])


def losses(report: Mapping[str, Any]) -> list[str]:
    """Give a sentence for each target that lost requests."""
    return [
        f"{counted['failed']} of {counted['sent']} requests to {name} failed: {why(counted)}."
        for name, counted in report["targets"].items()
        if counted["failed"]
    ]
