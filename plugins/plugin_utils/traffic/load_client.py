# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The load client in the cluster (services/alephbeth/load): measure with it, and ask what became of its requests."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import pod_exec
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.pods import PROXY
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import split
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.load_commands import Following
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.response_flags import explanations

SELECTOR, CONTAINER = "app=load", "load"
# Envoy writes its access log once a second; the kubelet and a busy node take a moment more.
LOG_PAUSES = (0.0, 0.5, 1.0, 1.0)
SHOWN_FAILURES = 3
# A change that withdraws what fails is told from one that fails by the requests of so long before it.
LOOK_BACK_SECONDS = 30.0
# What has begun to fail only now is seen in so many seconds.
LATELY_SECONDS = 2.0
# How seldom as many failures as during a change are chance, when it changed nothing.
WORSE_BY_CHANCE = 0.01
PARTS = ("during", "after")
NOTHING: Mapping[str, Any] = {"sent": 0, "failed": 0, "missing": 0, "failures": ()}


@dataclass(frozen=True)
class Mark:
    """A moment, as the load client's pod tells it: its clock need not be this machine's.

    Attributes:
        now: in seconds since 1970.
        run: names the client's process; another one knows nothing of the moment.
        begin: when its records begin, in seconds since 1970.
        targets: whom it sends to; none when its rate is 0.
    """

    now: float
    run: str
    begin: float
    targets: tuple[str, ...]

    @property
    def idle(self) -> bool:
        """Whether nothing is being sent, so that nothing can be lost."""
        return not self.targets


@dataclass(frozen=True)
class Check:
    """A split to measure: who asks (`headers`), whom, and the percentages to expect by version."""

    service: str
    name: str
    expect: Mapping[str, int]
    headers: Mapping[str, str] = field(default_factory=dict)
    requests: int | None = None

    @property
    def subject(self) -> str:
        """Name it for people."""
        shares = ", ".join(f"{share} % to {version}" for version, share in self.expect.items())
        return f"{self.service} for {self.name}, {shares}"

    @property
    def number(self) -> int:
        """How many requests to send."""
        needed = split.requests_needed(self.expect[split.rarest(self.expect)])
        return needed if self.requests is None else self.requests


class LoadClient:
    """Sends requests from the load client's pod, through its proxy."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        say: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._say = say
        self._sleep = sleep
        self._following = Following(api, say)

    @contextmanager
    def connected(self) -> Iterator[LoadClient]:
        """Keep one dialogue with its pod for all that is asked."""
        with self._following.kept:
            yield self

    def measure(self, checks: Sequence[Check]) -> list[dict[str, Any]]:
        """Measure and judge splits.

        One that looks dishonoured by chance alone is measured once more, and only that counts: of a thousand honest
        measurements one is to be expected, and a stage measures several.
        """
        with self.connected():
            return self._measured_twice(checks)

    def _measured_twice(self, checks: Sequence[Check]) -> list[dict[str, Any]]:
        results = self._measured(checks)
        doubtful = [
            number
            for number, result in enumerate(results)
            # 0.0: a version answered that must not.
            if result["verdict"] == split.NOT_HONOURED and result["p_value"] > 0 and not result["failed"]
        ]
        if doubtful:
            self._say(f"measured again: {', '.join(checks[number].subject for number in doubtful)}")
            for number, again in zip(doubtful, self._measured([checks[number] for number in doubtful]), strict=True):
                first = f"; measured again, after p = {results[number]['p_value']:.2g}"
                results[number] = {**again, "sentence": again["sentence"] + first}
        return results

    def _measured(self, checks: Sequence[Check]) -> list[dict[str, Any]]:
        """Measure; checks of equal headers and number share a run."""
        where = pod_exec.ready_container(self._api, self._namespace, SELECTOR, CONTAINER)
        # A name of its own for each target: a service may be asked twice in a run.
        targets = {f"{check.service}-{number}": check for number, check in enumerate(checks)}
        runs: dict[tuple[tuple[tuple[str, str], ...], int], dict[str, Check]] = {}
        for name, check in targets.items():
            runs.setdefault((tuple(check.headers.items()), check.number), {})[name] = check
        counted: dict[str, dict[str, Any]] = {}
        for (headers, number), together in runs.items():
            self._say(f"{number} requests to each of {', '.join(check.service for check in together.values())}")
            command = ["run", f"--requests={number}"]
            command += [f"--target={name}=http://{check.service}/name" for name, check in together.items()]
            command += [f"--header={name}: {value}" for name, value in headers]
            counted |= self._following.ask(where, command)["targets"]
        return [self._result(check, counted[name], where) for name, check in targets.items()]

    def mark(self) -> Mark:
        """Take the time, from the clock that the client's records go by."""
        where = pod_exec.ready_container(self._api, self._namespace, SELECTOR, CONTAINER)
        while True:
            told = self._following.ask(where, ["now"])
            mark = Mark(float(told["now"]), str(told["run"]), float(told["begin"]), tuple(told["targets"]))
            if mark.idle or mark.now > mark.begin:
                return mark
            self._sleep(0.5)  # it has only just begun to send

    def report(self, since: Mark, held: Mark | None = None) -> dict[str, Any] | None:
        """Ask what became of the steady requests since then; None when the client cannot tell: it began anew.

        Args:
            since: when the change began.
            held: when every calling proxy held the change.

        Returns:
            By target: what was sent and failed `before` (in the last LOOK_BACK_SECONDS before the change, or in the
            last LATELY_SECONDS where requests failed more often then), `during` (until the proxies held it) and
            `after`, and the sum of the last two.
        """
        with self.connected():
            return self._reported(since, held)

    def _reported(self, since: Mark, held: Mark | None) -> dict[str, Any] | None:
        where = pod_exec.ready_container(self._api, self._namespace, SELECTOR, CONTAINER)
        told = self._following.ask(where, ["now"])
        if str(told["run"]) != since.run:
            self._say("the load client began anew meanwhile: it cannot tell what became of its requests")
            return None
        spans = {"during": (since.now, held.now if held else None)}
        earliest = max(float(told["begin"]) + 0.001, since.now - LOOK_BACK_SECONDS)
        if earliest < since.now:
            spans["before"] = (earliest, since.now)
        if held:
            spans["after"] = (held.now, None)
        found = {name: self._records(where, *span)["targets"] for name, span in spans.items()}
        if any(counted["failed"] for counted in found.get("before", {}).values()):
            lately = self._records(where, max(earliest, since.now - LATELY_SECONDS), since.now)["targets"]
            found["before"] = {
                name: max(counted, lately.get(name, counted), key=_failing) for name, counted in found["before"].items()
            }
        targets = {}
        for target in found["during"]:
            parts = {name: found[name][target] if name in found else dict(NOTHING) for name in ("before", *PARTS)}
            failures = [failure for name in PARTS for failure in parts[name]["failures"]]
            self._explain(failures, where)
            targets[target] = {
                **{key: sum(parts[name][key] for name in PARTS) for key in ("sent", "failed", "missing")},
                "failures": failures,
                **{name: {key: part[key] for key in ("sent", "failed")} for name, part in parts.items()},
            }
        return {"targets": targets}

    def _records(self, where: pod_exec.Container, since: float, until: float | None = None) -> dict[str, Any]:
        times = {"since": since, **({} if until is None else {"until": until})}
        return self._following.ask(where, ["report", *(f"--{name}={at:.6f}" for name, at in times.items())])

    def _result(self, check: Check, counted: dict[str, Any], where: pod_exec.Container) -> dict[str, Any]:
        unnamed = counted["sent"] - counted["failed"] - sum(counted["versions"].values())
        verdict = split.judge(check.expect, {**counted["versions"], "no named version": unnamed})
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
            "sentence": _sentence(check, verdict, counted),
        }

    def _explain(self, failures: Sequence[dict[str, Any]], where: pod_exec.Container) -> None:
        """Add what the caller's proxy says of failed requests."""
        if not failures:
            return
        path = f"/api/v1/namespaces/{where.namespace}/pods/{where.pod}/log"
        wanted, found = {failure["request_id"] for failure in failures}, dict[str, str]()
        for pause in LOG_PAUSES:
            self._sleep(pause)
            try:
                found = explanations(self._api.text(path, container=PROXY, tailLines="20000"), wanted)
            except KubernetesError:
                return  # no proxy, or no log of it: the failures stand as they are
            if wanted == found.keys():
                break
        for failure in failures:
            failure["explanation"] = found.get(failure["request_id"], "not in the log of the caller's proxy")


def _sentence(check: Check, verdict: split.Verdict, counted: Mapping[str, Any]) -> str:
    """Put a measurement into words: what failed, where that is why there were too few answers to judge."""
    failed = _failed(counted)
    if failed and verdict.verdict == split.TOO_FEW:
        return f"{check.subject}: {failed.removeprefix('; ')}"
    return split.sentence(check.subject, verdict) + failed


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


def _failing(counted: Mapping[str, int]) -> float:
    return counted["failed"] / counted["sent"] if counted["sent"] else 0.0


def is_worse(before: Mapping[str, int], during: Mapping[str, int]) -> bool:
    """Tell whether requests failed more often than before, and not by chance (Fisher's exact test, one-sided).

    >>> is_worse({"sent": 150, "failed": 1}, {"sent": 100, "failed": 100})
    True
    >>> is_worse({"sent": 150, "failed": 75}, {"sent": 40, "failed": 22})
    False
    """
    sent, failed = before["sent"] + during["sent"], before["failed"] + during["failed"]
    # The hypergeometric distribution: of all ways to spread the failures, those with as many as these in the latter.
    ways = sum(
        math.comb(failed, count) * math.comb(sent - failed, during["sent"] - count)
        for count in range(during["failed"], min(failed, during["sent"]) + 1)
    )
    return ways / math.comb(sent, during["sent"]) < WORSE_BY_CHANCE


def losses(report: Mapping[str, Any], services: Collection[str]) -> tuple[list[str], list[str]]:
    """Judge a report: a sentence for each target that a change of these services lost requests of; what else to tell.

    Where a service's requests failed before the change already (a bad version is withdrawn, a broken route mended),
    those until the proxies hold the change are told, and not counted: else the way out of an outage would be a loss.
    Unless they fail more often than before.
    """
    lost, told = [], []
    for name, counted in report["targets"].items():
        if not counted["failed"] and not counted["before"]["failed"]:
            continue
        mended = counted["before"]["failed"] > 0 and not is_worse(counted["before"], counted["during"])
        own = counted["after"]["failed"] if mended else counted["failed"]
        said = f"{counted['failed']} of {counted['sent']} requests to {name} failed: {why(counted)}."
        if own and name in services:
            lost.append(said)
        elif counted["failed"] and name not in services:
            told.append(f"Of a service that is not this stage's, {said}")
        else:
            told.append(
                f"Requests to {name} were failing before this change already ({counted['before']['failed']} of the "
                f"last {counted['before']['sent']}), and until the proxies held it ({counted['during']['failed']} of "
                f"{counted['during']['sent']}); since then none did."
            )
    return lost, told
