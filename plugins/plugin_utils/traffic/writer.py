# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write routing objects, and wait until every calling proxy holds them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import (
    Objects,
    find,
    is_as_wanted,
    label,
    merged,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import routes
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.foreign import edited, recorded_specs
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.proxies import Expectation, Proxies

Item = Mapping[str, Any]


@dataclass(frozen=True)
class Callee:
    """A Service, its port, and the label `app` of the pods that call it."""

    name: str
    port: int
    callers: tuple[str, ...]

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Callee:
        """Read one of a plugin's arguments."""
        return cls(arguments["name"], arguments["port"], tuple(arguments["callers"]))

    @property
    def anything(self) -> Expectation:
        """Ask of the callers' proxies only what they hold."""
        return Expectation(self.name, self.port, self.callers)


@dataclass
class Written:
    """What was done, and after how many seconds each pod's proxy held it."""

    changed: list[str] = field(default_factory=list)
    diff: list[dict[str, str]] = field(default_factory=list)
    proxies: dict[str, float] = field(default_factory=dict)


def expectations(definitions: Sequence[Item], callees: Sequence[Callee], exact: bool = False) -> list[Expectation]:
    """Say what the callers' proxies hold when these objects are there; `exact`: and no further subset is."""
    result = []
    for callee in callees:
        mine = {item["kind"]: item for item in definitions if item["metadata"]["name"] == callee.name}
        if not mine:
            continue
        rule, service = mine.get("DestinationRule"), mine.get("VirtualService")
        subsets = rule["spec"]["subsets"] if rule else []
        result.append(
            Expectation(
                callee.name,
                callee.port,
                callee.callers,
                tuple(routes.of_virtual_service(service)) if service else None,
                # Endpoints can be counted where a subset is the pods of one version.
                tuple(str(each["name"]) for each in subsets if each.get("labels") == {"version": each["name"]}),
                tuple(str(each["name"]) for each in subsets) if rule and exact else None,
            )
        )
    return result


class Writer:
    """Writes routing objects of one namespace."""

    def __init__(
        self,
        objects: Objects,
        proxies: Proxies,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._objects = objects
        self._proxies = proxies
        self._clock = clock

    def write(
        self,
        definitions: Sequence[Item],
        remove: Sequence[Item],
        callees: Sequence[Callee],
        *,
        exact: bool,
        takeover: bool,
        copies: Path | None,
        timeout: float,
        check_mode: bool,
    ) -> Written:
        """Make objects as defined, delete others, wait for the proxies.

        DestinationRules come first, and every calling proxy must hold them with all their endpoints before a
        VirtualService is written that leads there.

        Args:
            definitions: VirtualServices and DestinationRules.
            remove: objects to delete, at last.
            callees: the services that the objects are about, with their callers.
            exact: whether the proxies must hold no other subset in the end.
            takeover: whether what somebody else has written may be overwritten.
            copies: directory for copies of what is overwritten or deleted that way.
            timeout: seconds for the proxies.
            check_mode: ask the cluster whether it would take the writes, and change nothing.
        """
        live = [item for kind in ("VirtualService", "DestinationRule") for item in self._objects.list(kind)]
        wanted = [(item, find(live, item)) for item in definitions]
        foreign = [item for definition, item in wanted if item and _edited(definition, item, live)]
        if foreign and not takeover:
            raise KubernetesError(
                f"{', '.join(map(label, foreign))} was changed by somebody else just now: nothing is overwritten; type "
                "-e takeover=true to write it anew."
            )
        gone = [item for item in (find(live, each) for each in remove) if item]
        if copies and not check_mode:
            for item in [*foreign, *gone]:
                _keep(item, copies)
        result = Written()
        rules = [pair for pair in wanted if pair[0]["kind"] == "DestinationRule"]
        services = [pair for pair in wanted if pair[0]["kind"] == "VirtualService"]
        with self._proxies.connected() as proxies:
            written = self._write(rules, result, check_mode)
            self._wait(proxies, expectations([item for item, _ in rules], callees), timeout, written, check_mode)
            written = self._write(services, result, check_mode)
            for item in gone:
                self._objects.delete(item, check_mode)
                written = self._clock()
                result.changed.append(label(item))
                result.diff.append(_difference(item, None))
            expected = expectations(definitions, callees, exact)
            result.proxies = self._wait(proxies, expected, timeout, written, check_mode)
        return result

    def _write(self, pairs: Sequence[tuple[Item, Item | None]], result: Written, check_mode: bool) -> float:
        """Write what is not as it is wanted; give the time of the last write."""
        written = self._clock()
        for definition, current in pairs:
            if not is_as_wanted(definition, current):
                self._objects.write(definition, current, check_mode)
                written = self._clock()
                result.changed.append(label(definition))
                result.diff.append(_difference(current, merged(definition, current)))
        return written

    @staticmethod
    def _wait(
        proxies: Proxies, expected: Sequence[Expectation], timeout: float, since: float, check_mode: bool
    ) -> dict[str, float]:
        return proxies.wait(expected, timeout, since) if expected and not check_mode else {}


def _edited(wanted: Item, item: Item, live: Sequence[Item]) -> bool:
    routed = find(live, {**wanted, "kind": "VirtualService"})
    return bool(edited(item, wanted["spec"], recorded_specs(routed).get(str(item["kind"]))))


def _difference(before: Item | None, after: Item | None) -> dict[str, str]:
    name = label(before or after or {})
    return {
        "before_header": name,
        "after_header": name,
        "before": _shown(before),
        "after": _shown(after),
    }


def _shown(item: Item | None) -> str:
    """Show what a person would write of an object."""
    if item is None:
        return ""
    metadata = {part: item["metadata"].get(part) or {} for part in ("labels", "annotations")}
    return str(yaml.safe_dump({**metadata, "spec": item.get("spec")}, sort_keys=True))


def _keep(item: Item, directory: Path) -> None:
    """Keep a copy that `kubectl create -f` takes."""
    metadata = {
        key: value for key, value in item["metadata"].items() if key in ("name", "namespace", "labels", "annotations")
    }
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%dT%H%M%S")
    path = directory / f"{item['kind'].lower()}-{metadata['namespace']}-{metadata['name']}-{stamp}.yaml"
    path.write_text(yaml.safe_dump({**item, "metadata": metadata, "status": None}, sort_keys=False))
