"""A student's work is read from pods that may have been replaced, and put back so that nothing is left to change."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import keeping
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.archive import Work
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.records import Record
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import OWNER_LABELS

ANNA = places.of_student("anna", "/state")
LAMP = {"name": "lamp", "uid": 7, "type": "light", "price": 1.5}
ALEPH = {"name": "aleph", "port": 80, "container_port": 8080, "versions": ["0.1"], "candidate": "0.3", "callers": []}
ROUTES = "/apis/networking.istio.io/v1/namespaces/anna/virtualservices"
MINE: dict[str, Any] = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "VirtualService",
    "metadata": {"name": "mine"},
    "spec": {"hosts": ["front"], "http": [{"route": []}]},
}


class Backend:
    """A pod that answers each request for devices with the next of some pages; then with the last of them again."""

    pages: list[Any]
    posted: list[Any]

    def __init__(self, *_: Any) -> None: ...

    def __enter__(self) -> Backend:
        return self

    def __exit__(self, *_: object) -> None: ...

    def get(self, path: str) -> bytes:
        return json.dumps(self.pages.pop(0) if len(self.pages) > 1 else self.pages[0]).encode()

    def post(self, path: str, body: Any) -> None:
        self.posted.append(body)


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> type[Backend]:
    Backend.pages, Backend.posted = [{"devices": [LAMP], "next": None}], []
    monkeypatch.setattr(keeping, "_Backend", Backend)
    clock = iter(range(0, 10_000, 30))
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    return Backend


def page(devices: Any, after: Any = None) -> dict[str, Any]:
    return {"devices": devices, "next": after}


WRONG: dict[str, tuple[Any, str]] = {
    "no end": (page([LAMP], "lamp"), "names further ones after 120 s"),
    "no list": (page(7), "does not tell its devices"),
    "nothing": (page(None), "does not tell its devices"),
    "text": ("text", "does not tell its devices"),
    "a list": ([LAMP], "does not tell its devices"),
    "what is no device": (page([{"name": "x"}]), "names something that is no device"),
    "a next one that is no name": (page([LAMP], 7), "does not tell its devices"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_pod_that_was_replaced_is_named(api: Any, backend: type[Backend], case: str) -> None:
    answer, said = WRONG[case]
    backend.pages = [answer]
    with pytest.raises(WorkshopError, match="aleph in anna does not tell its devices") as refused:
        keeping._devices(api, "anna", ALEPH)
    assert said in str(refused.value)


def test_a_backend_that_says_more_than_an_archive_holds_is_not_listened_to(
    api: Any, backend: type[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "MOST_BYTES", 100)
    backend.pages = [page([LAMP], "lamp")]
    with pytest.raises(WorkshopError, match=r"aleph in anna does not tell its devices: it names more than the"):
        keeping._devices(api, "anna", ALEPH)


def test_devices_are_read_page_by_page(api: Any, backend: type[Backend]) -> None:
    other = {**LAMP, "name": "oven"}
    backend.pages = [page([LAMP], "lamp"), page([other])]
    assert keeping._devices(api, "anna", ALEPH) == [LAMP, other]


WRITES: dict[str, tuple[Callable[[dict[str, Any]], Any] | None, list[str]]] = {
    "it is not there": (None, ["VirtualService mine"]),
    "it is the same": (lambda spec: None, []),
    "it has more": (lambda spec: spec.update(gateways=["mesh"]), ["VirtualService mine"]),
    "it has less": (lambda spec: spec.pop("http"), ["VirtualService mine"]),
}


@pytest.mark.parametrize("case", WRITES)
def test_an_own_object_is_restored_as_it_was_and_then_left(api: Any, case: str) -> None:
    change, made = WRITES[case]
    work = Work("anna", "blue", "", {}, [MINE], {})
    if change:
        api.put(f"{ROUTES}/mine", spec=(spec := copy.deepcopy(MINE["spec"])))
        change(spec)
    before = copy.deepcopy(api.objects)
    assert keeping.restore_own(api, ANNA, work, True) == (made, [])
    assert api.objects == before, "in check mode nothing is written"
    assert keeping.restore_own(api, ANNA, work, False) == (made, [])
    assert api.objects[f"{ROUTES}/mine"]["spec"] == MINE["spec"]
    assert keeping.restore_own(api, ANNA, work, False) == ([], [])


def test_devices_that_are_lacking_are_added(api: Any, backend: type[Backend]) -> None:
    oven = {**LAMP, "name": "oven"}
    work = Work("anna", "blue", "", {}, [], {"aleph": [LAMP, oven]})
    assert keeping.restore_devices(api, ANNA, [ALEPH], work, True) == 1
    assert backend.posted == []
    assert keeping.restore_devices(api, ANNA, [ALEPH], work, False) == 1
    assert backend.posted == [oven]


DEPLOYMENTS = "/apis/apps/v1/namespaces/anna/deployments"
APPLICATION = {f"{DEPLOYMENTS}/aleph-v01": {"replicas": 1}}
USED: dict[str, tuple[dict[str, Any], str]] = {
    "it is fresh": ({}, ""),
    "this work is half restored": ({f"{ROUTES}/mine": MINE["spec"]}, ""),
    "its own route of that name": ({f"{ROUTES}/mine": {"hosts": ["beth"]}}, "it has its own VirtualService mine"),
    "its own route": ({f"{ROUTES}/other": MINE["spec"]}, "it has its own VirtualService other"),
    "its own Deployment": ({f"{DEPLOYMENTS}/mine": {"replicas": 1}}, "it has its own Deployment mine"),
}


@pytest.mark.parametrize("case", USED)
def test_nothing_of_somebody_s_own_is_written_over(api: Any, backend: type[Backend], case: str) -> None:
    there, said = USED[case]
    # A stage's own routes are nobody's.
    for path in (f"{ROUTES}/aleph", f"{ROUTES.replace('virtualservices', 'destinationrules')}/aleph"):
        api.put(path, metadata={"labels": OWNER_LABELS}, spec={"of": "a stage"})
    for path, spec in {**APPLICATION, **there}.items():
        api.put(path, spec=spec)
    work = Work("ben", "blue", "", {}, [MINE], {"aleph": [LAMP]})
    with pytest.raises(WorkshopError, match=said) if said else contextlib.nullcontext():
        keeping.refuse_used(api, ANNA, [ALEPH], {"aleph-v01"}, work)


@pytest.mark.parametrize(("name", "said"), [("aleph-v01", "aleph-v01 as the student's own"), ("mine", "")])
def test_a_work_that_would_write_over_the_application_is_refused(
    api: Any, backend: type[Backend], name: str, said: str
) -> None:
    for path in (f"{ROUTES}/aleph", f"{ROUTES.replace('virtualservices', 'destinationrules')}/aleph"):
        api.put(path, metadata={"labels": OWNER_LABELS}, spec={"of": "a stage"})
    api.put(f"{DEPLOYMENTS}/aleph-v01", spec={"replicas": 1})
    own = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {"replicas": 3}}
    work = Work("ben", "blue", "", {}, [own], {"aleph": [LAMP]})
    with pytest.raises(WorkshopError, match=said) if said else contextlib.nullcontext():
        keeping.refuse_used(api, ANNA, [ALEPH], {"aleph-v01"}, work)


LED = Record("rollout", "0.1", "0.3", weight=20)
STANDS: dict[str, tuple[Record | None, bool, bool]] = {
    "nothing is restored": (None, False, False),
    "its stage is": (LED, False, False),
    "its stage is, and its own route": (LED, True, True),
    "its own route alone is": (None, True, False),
    "it is at its beginning, with its own route": (Record("baseline", "0.1"), True, False),
}


@pytest.mark.parametrize("case", STANDS)
def test_what_is_half_restored_is_gone_on_with_past_its_stage(api: Any, backend: type[Backend], case: str) -> None:
    """A stage refuses routes of the student's own: it is not taken again below those that are restored."""
    record, own, stands = STANDS[case]
    subsets = ROUTES.replace("virtualservices", "destinationrules")
    for path, notes in ((f"{ROUTES}/aleph", record.annotations if record else {}), (f"{subsets}/aleph", {})):
        api.put(path, metadata={"labels": OWNER_LABELS, "annotations": notes}, spec={})
    api.put(f"{DEPLOYMENTS}/aleph-v01", spec={"replicas": 1})
    if own:
        api.put(f"{ROUTES}/mine", spec=MINE["spec"])
    work = Work("anna", "blue", "", {"aleph": LED.annotations}, [MINE], {"aleph": [LAMP]})
    assert keeping.refuse_used(api, ANNA, [ALEPH], {"aleph-v01"}, work) is stands


DEPLOYMENTS = "/apis/apps/v1/namespaces/anna/deployments"
BUILT = {**ALEPH, "build": {"versions": [{"tag": "0.1"}, {"tag": "0.3"}]}}


@pytest.mark.parametrize(
    ("running", "stages", "said"),
    [
        ({"aleph-v01": 1}, {}, False),
        ({"aleph-v01": 1, "aleph-v03": 1}, {}, True),
        ({"aleph-v03": 1}, {}, True),
        ({"aleph-v01": 1, "aleph-v03": 0}, {}, False),
        ({"aleph-v01": 1, "aleph-v03": 1}, {"aleph": {"stage": "rollout"}}, False),
        ({"aleph-v01": 1, "mine-v03": 1}, {}, False),
    ],
)
def test_a_stage_that_stands_nowhere_is_missed(
    api: Any, running: dict[str, int], stages: dict[str, Any], said: bool
) -> None:
    """Its student has deleted the route, or what it remembers; the archive would have the place at its beginning."""
    for name, replicas in running.items():
        api.put(f"{DEPLOYMENTS}/{name}", spec={"replicas": replicas})
    found = keeping.without_stage(api, ANNA, [BUILT], Work("anna", "blue", "today", stages=stages))
    assert bool(found) is said
    assert all("anna: aleph runs 0.3, but" in line and "-e student=anna -e service=aleph" in line for line in found)
