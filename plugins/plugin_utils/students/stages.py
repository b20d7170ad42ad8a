# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stages and looks in many places side by side: each its own transaction, verdict and evidence, and one table."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError, unexpected
from ansible_collections.istio_games.workshop.plugins.plugin_utils.columns import ruled
from ansible_collections.istio_games.workshop.plugins.plugin_utils.images.images import Images
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import files, places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.places import Place
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import objects, register
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.queue import Say
from ansible_collections.istio_games.workshop.plugins.plugin_utils.terminal import cut
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.addressed import addressed
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.command import Surroundings
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.verdict import NOT_PROVEN, PROVEN, REFUSED

SCHEMA = "istio-workshop/places/1"
# A place that was looked at, and is where its stage has led it; one that is not.
SEEN, FAULTY = "seen", "faulty"
GOOD = (PROVEN, SEEN)
HEADINGS = ("place", "service", "stage", "verdict", "measured", "lost", "seconds")


@dataclass(frozen=True)
class Done:
    """What became of one place.

    Attributes:
        data: what the work gave: a stage's verdict, or a look (docs/status.md).
        verdict: of traffic/verdict.py, or of this file.
        reasons: why it is not good, a sentence each.
    """

    place: Place
    data: Mapping[str, Any]
    verdict: str
    reasons: Sequence[str]
    seconds: float

    @classmethod
    def of(cls, place: Place, seconds: float, found: Mapping[str, Any] | Exception) -> Done:
        """Judge what the work has given (a verdict or a look as data) or raised."""
        if isinstance(found, WorkshopError):
            return cls(place, {}, REFUSED, addressed(cut(str(found)).splitlines(), place.student), seconds)
        if isinstance(found, Exception):
            return cls(place, {}, NOT_PROVEN, [unexpected("stages", found)], seconds)
        return cls(place, found, str(found.get("verdict", SEEN)), list(found.get("reasons", ())), seconds)

    @property
    def is_good(self) -> bool:
        """Whether it is as it was asked for."""
        return self.verdict in GOOD

    @property
    def said(self) -> str:
        """It in a few words."""
        return self.verdict.replace("_", " ")


def place(data: Mapping[str, Any]) -> Place:
    """Read a place from an action's options, as `student_places` gives it."""
    return Place(**{name: data[name] for name in Place.__dataclass_fields__ if name in data})


def surroundings(
    place: Place,
    given: Mapping[str, Any],
    api: Api,
    lease_api: Api,
    images: Images,
    room: str,
    check_mode: bool,
    say: Say,
) -> Surroundings:
    """Give what a stage of a place is to know.

    Args:
        given: `services`, `deployments` (of all versions) and `timeout`, as the stages' actions have them.
    """
    return Surroundings(
        api=api,
        lease_api=lease_api,
        namespace=place.namespace,
        services=given["services"],
        manifests=objects.of_place(given["deployments"], place, room),
        images=images,
        copies=Path(place.directory) / "taken-over",
        timeout=given["timeout"],
        room=room,
        check_mode=check_mode,
        say=say,
        student=place.student,
    )


def ready(meant: Sequence[Place], everybody: bool, mend: bool = False) -> tuple[list[Place], list[str]]:
    """Give the places that a stage can be taken in, and a sentence for each that is passed over.

    Args:
        everybody: whether `all` was typed: then who sleeps, or has no place yet, is passed over.
        mend: whether one that failed will do: it is put right, or only read.

    Raises:
        PlaceError: somebody was named who has no place now, or nobody has one.
    """
    if not meant:
        raise places.PlaceError("Nobody's time is over in this room, so that nobody is meant by student=expired.")
    if len(meant) > 1 and any(each.own for each in meant):
        raise places.PlaceError(
            f"{', '.join(each.name for each in meant)}: the room's own place and students' are not worked on together. "
            "Leave student out for the room's own."
        )
    good = ("ready", "failed", "making") if mend else ("ready",)
    found = [each for each in meant if each.state in good and not each.taken]
    refused = [_why_not(each) for each in meant if each not in found]
    if refused and not everybody:
        raise places.PlaceError("\n".join([*refused, "Nothing was changed."]))
    if not found:
        raise places.PlaceError("\n".join(["No student has a place that is ready.", *refused]))
    return found, refused


def still_ready(api: Api, place: Place, room: str, mend: bool = False) -> None:
    """Refuse a place that is not any more what it was when it was meant: its turn may come many minutes later.

    Raises:
        PlaceError: it was put to sleep meanwhile, or is gone, or its namespace is somebody else's now.
    """
    if place.own:
        return
    home = api.find(f"/api/v1/namespaces/{place.namespace}")
    if home is None:
        raise places.PlaceError(f"{place.name} has no place any more. Nothing was changed.")
    if others := register.not_its(home, place, room):
        raise places.PlaceError(f"{others} Nothing was changed.")
    now = register.place_of(home, "")
    ready([places.changed(place, state=now.state, cause=now.cause)], everybody=False, mend=mend)


def _why_not(each: Place) -> str:
    if each.taken:
        return f"{each.name} has no place. {each.cause}"
    if each.state == "suspended":
        return f"{each.name} is suspended: wake it with ansible-playbook playbooks/resume.yml -e student={each.name}."
    cause = f" ({each.cause.rstrip('.')})" if each.cause else ""
    command = f"ansible-playbook playbooks/class.yml -e student={each.name}"
    return f"{each.name} was not made whole{cause}: type {command} first."


def over(meant: Sequence[Place]) -> list[str]:
    """Say whose time is over."""
    return [
        f"{each.name}'s time ended at {each.expires}: renew it with ansible-playbook playbooks/class.yml -e "
        f"student={each.name}, or put it to sleep with ansible-playbook playbooks/suspend.yml -e student={each.name}."
        for each in meant
        if places.has_expired(each)
    ]


def slow(meant: Sequence[Place]) -> list[str]:
    """Say whose pods are throttled."""
    return [each.slow for each in meant if each.slow]


def shown(done: Sequence[Done], alone: Callable[[Mapping[str, Any]], list[str]]) -> list[str]:
    """Show what became of places: of one alone all that it told, of several a table."""
    if len(done) == 1:
        return alone(done[0].data) if done[0].data else []
    return table(done)


def table(done: Sequence[Done]) -> list[str]:
    """Draw many places: a line for each service, and below it why a place is not good."""
    rows = [HEADINGS]
    for each in done:
        first = (each.place.name, each.verdict, str(each.data.get("lost", "")), f"{each.seconds:.0f}")
        for number, service in enumerate(each.data.get("services") or [{}]):
            name, verdict, lost, seconds = first if number == 0 else ("", "", "", "")
            rows.append(
                (name, service.get("service", "-"), _stage(service), verdict, _measured(service), lost, seconds)
            )
    good = sum(each.is_good for each in done)
    return [
        "",
        *ruled(rows),
        "",
        f"{good} of {len(done)} places: {_what(done)}.",
        "",
    ]


def _what(done: Sequence[Done]) -> str:
    return PROVEN if any("stage" in each.data for each in done) else "as their stages have led them"


def _stage(service: Mapping[str, Any]) -> str:
    stage = service.get("stage")
    weight = f" {service['weight']} %" if service.get("weight") is not None else ""
    return f"{stage.replace('_', ' ')}{weight}" if stage else "none"


def _measured(service: Mapping[str, Any]) -> str:
    found = [(each["version"], each["measured"]) for each in service.get("versions", ())]
    return ", ".join(f"{version}: {share:g} %" for version, share in found if share is not None) or "-"


def failure(done: Sequence[Done]) -> str:
    """Give the sentences with which a run ends of which a place is not good; empty if all are."""
    bad = [each for each in done if not each.is_good]
    if not bad:
        return ""
    if len(done) == 1:
        return "\n".join(bad[0].reasons)
    causes = [f"{each.place.name}: {' '.join(each.reasons)}" for each in bad]
    return "\n".join([f"{len(bad)} of {len(done)} places failed.", *causes])


def judged(result: dict[str, Any], done: Sequence[Done]) -> dict[str, Any]:
    """Give a run's result, failed where a place is not good: then without the summary of several.

    Ansible shows all of a result that failed; the summary stands in the table and in the file.
    """
    failed = failure(done)
    if not failed:
        return result
    kept = {name: value for name, value in result.items() if name != "summary" or len(done) == 1}
    return {**kept, "failed": True, "msg": failed}


def summary(done: Sequence[Done], doing: str, passed_over: Sequence[str]) -> dict[str, Any]:
    """Give a run on many places as data (docs/status.md)."""
    return {
        "schema": SCHEMA,
        "doing": doing,
        "good": sum(each.is_good for each in done),
        "places": [
            {
                "student": each.place.student,
                "namespace": each.place.namespace,
                "verdict": each.verdict,
                "reasons": list(each.reasons),
                "services": [
                    {name: service[name] for name in ("service", "stage", "weight", "stable", "candidate")}
                    for service in each.data.get("services", ())
                ],
                "lost": each.data.get("lost"),
                "seconds": round(each.seconds, 1),
            }
            for each in done
        ],
        "passed_over": list(passed_over),
    }


def of_summary(data: Mapping[str, Any]) -> Done:
    """Read a place of a summary, as far as it tells; its `room` stands before its name."""
    place = places.Place(f"{data['room']}/{data['student']}", data["namespace"], "", "")
    told = {name: value for name, value in data.items() if value is not None}
    return Done(place, told, data["verdict"], data["reasons"], data["seconds"])


def write(path: str, data: Mapping[str, Any]) -> None:
    """Write what a program reads."""
    files.replace(Path(path), json.dumps(data, indent=4, sort_keys=True) + "\n")
