# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write routing objects, and wait until every calling proxy holds them."""

from __future__ import annotations

import hashlib
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
    label,
    merged,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import labelled
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import routes
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.expectation import Expectation
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.live import is_edited, is_same
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.proxies import Proxies
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import is_ours, is_trial

Item = Mapping[str, Any]
# A file's name has 255 bytes at most, and the time is put behind it.
LONGEST_NAME = 200


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
    """What was done so far, also when it went wrong afterwards.

    Attributes:
        changed: the objects, as people name them.
        proxies: seconds from the last write of the routes until each pod's proxy held it.
    """

    changed: list[str] = field(default_factory=list)
    diff: list[dict[str, str]] = field(default_factory=list)
    proxies: dict[str, float] = field(default_factory=dict)


def expectations(
    definitions: Sequence[Item],
    callees: Sequence[Callee],
    exact: bool = False,
    answering: Mapping[str, Sequence[str]] | None = None,
) -> list[Expectation]:
    """Say what the callers' proxies hold when these objects are there.

    Args:
        exact: whether they hold no further subset.
        answering: the subsets that must answer, by service.
    """
    result = []
    for callee in callees:
        mine = {item["kind"]: item for item in definitions if item["metadata"]["name"] == callee.name}
        if not mine:
            continue
        rule, service = mine.get("DestinationRule"), mine.get("VirtualService")
        names = tuple(str(each["name"]) for each in (rule["spec"]["subsets"] if rule else []))
        found = tuple(routes.of_virtual_service(service)) if service else None
        trials = tuple(filter(is_trial, found or ()))
        result.append(
            Expectation(
                callee.name,
                callee.port,
                callee.callers,
                routes=trials or found,
                first=bool(trials),
                subsets=names,
                answering=tuple((answering or {}).get(callee.name, ())),
                only=names if rule and exact else None,
            )
        )
    return result


class Writer:
    """Writes routing objects of one namespace, and waits for the proxies.

    Args:
        callees: the services that the objects are about, with their callers.
        takeover: whether what somebody else has written may be overwritten.
        copies: directory for copies of what is overwritten or deleted that way.
        timeout: seconds for the proxies.
        room: the room's name, which our objects bear.
        check_mode: ask the cluster whether it would take the writes, and change nothing.
        permitted: is asked before each write, and raises when nothing may be written any more.
    """

    def __init__(
        self,
        objects: Objects,
        proxies: Proxies,
        callees: Sequence[Callee],
        *,
        takeover: bool = False,
        copies: Path | None = None,
        timeout: float = 60,
        room: str = "",
        check_mode: bool = False,
        permitted: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._objects = objects
        self._proxies = proxies
        self._callees = callees
        self._takeover = takeover
        self._copies = copies
        self._timeout = timeout
        self._room = room
        self._check_mode = check_mode
        self._permitted = permitted
        self._clock = clock
        self.written = Written()

    def write(
        self,
        definitions: Sequence[Item],
        *,
        leave: Sequence[Item] = (),
        remove: Sequence[Item] = (),
        exact: bool = False,
        answering: Mapping[str, Sequence[str]] | None = None,
    ) -> dict[str, float]:
        """Make objects as defined, delete others, wait; give the seconds until each pod's proxy held it.

        DestinationRules come first, and every calling proxy must hold them with all their endpoints before a
        VirtualService is written that leads there.

        Args:
            definitions: VirtualServices and DestinationRules.
            leave: other people's objects, to be written after ours; the proxies need not hold what they say.
            remove: objects to delete, at last.
            exact: whether the proxies must hold no other subset in the end.
            answering: the subsets that must have a healthy endpoint, by service.
        """
        definitions = [labelled(item, self._room) if is_ours(item) else item for item in definitions]
        written = [*definitions, *leave]
        rules, services = (
            [item for item in written if item["kind"] == kind] for kind in ("DestinationRule", "VirtualService")
        )
        since = self._write(rules)
        if services or remove:  # else the wait at the end is the same one
            subsets = [item for item in definitions if item["kind"] == "DestinationRule"]
            self._wait(expectations(subsets, self._callees, answering=answering), since)
        # Read only now: the proxies may have taken a minute, and others write labels or a status meanwhile.
        since = self._write(services)
        for item in remove:
            since = self._remove(item, since)
        held = self._wait(expectations(definitions, self._callees, exact, answering), since)
        if services:
            self.written.proxies = held
        return held

    def _write(self, definitions: Sequence[Item]) -> float:
        """Write what is not as it is wanted; give the time of the last write."""
        since = self._clock()
        live = self._live(definitions)
        foreign = [current for current in live if current and is_edited(current)]
        if foreign and not self._takeover:
            raise KubernetesError(
                f"{', '.join(map(label, foreign))} was changed by somebody else just now: nothing is overwritten; type "
                "-e takeover=true to write it anew."
            )
        for definition, current in zip(definitions, live, strict=True):
            if current in foreign:
                self._keep(current)
            if current is None or not is_same(definition, current):
                self._replace(definition, current)
                since = self._clock()
                self._note(definition, current, merged(definition, current))
        return since

    def _live(self, definitions: Sequence[Item]) -> list[Item | None]:
        kinds = {str(item["kind"]) for item in definitions}
        listed = [item for kind in sorted(kinds) for item in self._objects.list(kind)]
        return [find(listed, item) for item in definitions]

    def _replace(self, definition: Item, current: Item | None) -> None:
        """Write an object once; again, where somebody has changed no more than what is not ours of it meanwhile."""
        self._permitted()
        try:
            self._objects.write(definition, current, self._check_mode)
        except KubernetesError as error:
            (again,) = self._live([definition])
            unchanged = again is not None and current is not None and again.get("spec") == current.get("spec")
            if error.status != 409 or not unchanged:
                raise
            self._objects.write(definition, again, self._check_mode)

    def _remove(self, item: Item, since: float) -> float:
        (current,) = self._live([item])
        if current is None:
            return since
        self._permitted()
        self._keep(current)
        self._objects.delete(current, self._check_mode)
        self._note(current, current, None)
        return self._clock()

    def _note(self, item: Item, before: Item | None, after: Item | None) -> None:
        self.written.changed.append(label(item))
        self.written.diff.append(_difference(before, after))

    def _keep(self, item: Item | None) -> None:
        if item and self._copies and not self._check_mode:
            keep_copy(item, self._copies)

    def _wait(self, expected: Sequence[Expectation], since: float) -> dict[str, float]:
        if not expected or self._check_mode:
            return {}
        with self._proxies.connected() as proxies:
            return proxies.wait(expected, self._timeout, since)


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


def keep_copy(item: Item, directory: Path) -> None:
    """Keep a copy that `kubectl create -f` takes."""
    metadata = {
        key: value for key, value in item["metadata"].items() if key in ("name", "namespace", "labels", "annotations")
    }
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%dT%H%M%S")
    path = directory / f"{_file_name(item['kind'].lower(), metadata['namespace'], metadata['name'])}-{stamp}.yaml"
    path.write_text(yaml.safe_dump({**item, "metadata": metadata, "status": None}, sort_keys=False))


def _file_name(*words: str) -> str:
    """Give a file's name for an object, whose own may be as long as a file's at most.

    >>> _file_name("deployment", "anna", "mine"), len(_file_name("deployment", "anna", "x" * 253))
    ('deployment-anna-mine', 200)
    """
    name = "-".join(words)
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{name[: LONGEST_NAME - len(digest) - 1]}-{digest}"
