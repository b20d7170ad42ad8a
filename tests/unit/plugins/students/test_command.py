"""A class is made by its names: what is ready stays, who fails is written down with the cause, and is tried again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import PREFIX, owner_labels
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import (
    changing,
    command,
    credentials,
    intruder,
    making,
    register,
    report,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import lease

NAMES = places.names(3)


@pytest.fixture
def there(api: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A cluster without students, in which a place is made by noting it."""
    api.put("/api/v1/namespaces/staging", metadata={"labels": owner_labels("blue")})
    for node in ("one", "two"):
        api.put(f"/api/v1/nodes/{node}", spec={}, status={"allocatable": {"memory": "8Gi"}})
    api.made = []
    # What each was held for then.
    api.doing = []
    api.broken = {}
    # Whose namespace the API server refuses, and in which words.
    api.refused = {}

    def make(api: Any, place: Any, course: Any, outside: Any, say: Any, there: Any) -> Any:
        if place.name in api.refused:
            raise WorkshopError(api.refused[place.name])
        path = f"/api/v1/namespaces/{place.name}"
        api.put(path, metadata={"labels": {**owner_labels("blue"), register.STUDENT: place.name}})
        there()
        api.made.append(place.name)
        api.doing.append(doing(api, place.name))
        if place.name in api.broken:
            raise api.broken[place.name]
        ready = places.changed(place, state="ready", cause="", expires="2999-01-01T00:00:00Z")
        register.note(api, ready)
        return ready

    @contextmanager
    def nobody(*_: Any) -> Iterator[None]:
        yield object()  # type: ignore[misc]

    monkeypatch.setattr(making, "make", make)
    monkeypatch.setattr(intruder, "intruder", nobody)
    monkeypatch.setattr(credentials, "lasts", lambda api, place: place.expires != "")
    return api


def doing(api: Any, name: str) -> str:
    """Give what a place is held for; empty if it is not."""
    held = api.objects.get(f"/apis/coordination.k8s.io/v1/namespaces/{name}/leases/workshop-stage")
    if not held or not held["spec"].get("holderIdentity"):
        return ""
    return str(json.loads(held["metadata"]["annotations"][PREFIX + "holder"])["doing"])


def run(api: Any, state: Path, work: str = "make", names: list[str] = NAMES) -> command.Command:
    asked = command.Asked("blue", work, names, "staging", str(state), 2, "busybox", "default")
    course = making.Class("blue", "staging", [], [], {}, 24, "", 1)
    done = command.Command(asked, course, [api, api, api], lambda: api, lambda _: None)
    done.run()
    return done


def states(state: Path) -> dict[str, tuple[str, str]]:
    written = json.loads((state / places.CLASS_FILE).read_text())["students"]
    return {student["name"]: (student["state"], student["cause"]) for student in written}


def test_a_class_is_made_once(there: Any, tmp_path: Path) -> None:
    first = run(there, tmp_path)
    assert [outcome.place.name for outcome in first.outcomes] == NAMES
    assert states(tmp_path) == dict.fromkeys(NAMES, ("ready", ""))
    assert run(there, tmp_path).outcomes == []
    assert sorted(there.made) == NAMES


def test_more_are_added_and_the_others_stay(there: Any, tmp_path: Path) -> None:
    run(there, tmp_path)
    there.made.clear()
    run(there, tmp_path, names=places.names(5))
    assert sorted(there.made) == ["student-04", "student-05"]


@pytest.mark.parametrize("error", [WorkshopError("No node\ntakes it."), KeyError("x")])
def test_who_fails_is_named_and_made_again(there: Any, tmp_path: Path, error: Exception) -> None:
    there.broken = {"student-02": error}
    outcomes = run(there, tmp_path).outcomes
    assert [outcome.place.name for outcome in outcomes if outcome.cause] == ["student-02"]
    state, cause = states(tmp_path)["student-02"]
    assert state == "failed"
    assert cause
    assert "\n" not in cause
    assert states(tmp_path)["student-03"] == ("ready", "")
    there.broken, there.made = {}, []
    run(there, tmp_path)
    assert there.made == ["student-02"]
    assert states(tmp_path) == dict.fromkeys(NAMES, ("ready", ""))


def test_one_that_sleeps_is_not_woken(there: Any, tmp_path: Path) -> None:
    run(there, tmp_path)
    run(there, tmp_path, "suspend", ["student-01"])
    assert states(tmp_path)["student-01"] == ("suspended", "")
    there.made.clear()
    assert run(there, tmp_path).outcomes == []
    assert run(there, tmp_path, "suspend", ["student-01"]).outcomes == [], "it sleeps already"


def test_one_that_is_half_asleep_is_put_to_sleep(there: Any, tmp_path: Path) -> None:
    run(there, tmp_path)
    half = places.changed(places.of_student("student-01", ""), state="suspended", cause="It is being put to sleep.")
    register.note(there, half)
    assert [each.said for each in run(there, tmp_path, "suspend", ["student-01"]).outcomes] == ["suspended"]
    assert states(tmp_path)["student-01"] == ("suspended", "")


@pytest.mark.parametrize("error", [WorkshopError("The API server is silent."), OSError(28, "No space left on device")])
def test_what_cannot_be_written_down_hinders_nobody(
    there: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    there.broken = {name: WorkshopError("No node takes it.") for name in NAMES[:2]}
    note, refused = register.note, list[str]()

    def noted(api: Any, place: Any) -> None:
        if place.state == "failed" and not refused:
            refused.append(place.name)
            raise error
        note(api, place)

    monkeypatch.setattr(register, "note", noted)
    outcomes = run(there, tmp_path).outcomes
    assert [bool(outcome.cause) for outcome in outcomes] == [True, True, False]
    assert refused
    assert states(tmp_path)["student-03"] == ("ready", "")


def test_a_lost_file_is_written_again(there: Any, tmp_path: Path) -> None:
    run(there, tmp_path)
    (tmp_path / places.CLASS_FILE).unlink()
    run(there, tmp_path)
    assert states(tmp_path) == dict.fromkeys(NAMES, ("ready", ""))


def nodes(state: Path) -> dict[str, str]:
    written = json.loads((state / places.CLASS_FILE).read_text())["students"]
    return {student["name"]: student["node"] for student in written}


def test_places_are_spread_and_stay_when_more_come(there: Any, tmp_path: Path) -> None:
    run(there, tmp_path)
    first = nodes(tmp_path)
    assert first == {"student-01": "one", "student-02": "two", "student-03": "one"}
    there.put("/api/v1/nodes/three", spec={}, status={"allocatable": {"memory": "8Gi"}})
    run(there, tmp_path, names=places.names(5))
    assert nodes(tmp_path) == {**first, "student-04": "three", "student-05": "three"}


def test_a_new_kubeconfig_moves_nobody(there: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = places.changed(places.of_student("student-01", str(tmp_path)), state="ready")
    labels = {**owner_labels("blue"), register.STUDENT: "student-01"}
    there.put("/api/v1/namespaces/student-01", metadata={"labels": labels})
    register.note(there, old)
    monkeypatch.setattr(command.Command, "_renewed", lambda _, api, place: place)
    run(there, tmp_path)
    assert nodes(tmp_path)["student-01"] == "", "it was made before there were nodes"


@pytest.mark.parametrize(("expires", "way"), [("2026-11-26T20:00:00Z", "resumed"), ("2999-01-01T00:00:00Z", "renewed")])
def test_whose_time_is_over_is_woken_for_it_may_be_falling_asleep(
    there: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expires: str, way: str
) -> None:
    run(there, tmp_path, names=["student-01"])
    register.note(there, places.changed(places.of_student("student-01", ""), state="ready", expires=expires))
    monkeypatch.setattr(credentials, "lasts", lambda api, place: False)
    went: list[str] = []

    def goes(way: str) -> Any:
        def go(*given: Any) -> Any:
            went.append(way)
            return next(each for each in given if isinstance(each, places.Place))

        return go

    monkeypatch.setattr(command.Command, "_renewed", goes("renewed"))
    monkeypatch.setattr(changing, "resume", goes("resumed"))
    run(there, tmp_path, names=["student-01"])
    assert went == [way]


@pytest.mark.parametrize(("expires", "woken"), [("2026-11-26T20:00:00Z", True), ("2999-01-01T00:00:00Z", False)])
def test_whose_time_is_over_is_woken_before_it_sleeps(
    there: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expires: str, woken: bool
) -> None:
    """The room looks every five minutes: until then it is ready, and would be told so, and sleep then."""
    run(there, tmp_path, names=["student-01"])
    register.note(there, places.changed(places.of_student("student-01", ""), state="ready", expires=expires))
    monkeypatch.setattr(changing, "resume", lambda _, place, *__: place)
    assert bool(run(there, tmp_path, "resume", ["student-01"]).outcomes) is woken


FOREIGN, CAUSE = "/api/v1/namespaces/student-02", "The namespace student-02 is somebody else's"


@pytest.fixture
def taken(there: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A class of which one's namespace is somebody else's."""
    fake = making.make

    def make(api: Any, place: Any, course: Any, *given: Any) -> Any:
        making.refuse_others(api, place, course.room)
        return fake(api, place, course, *given)

    monkeypatch.setattr(making, "make", make)
    there.put(FOREIGN, metadata={"labels": {"whose": "a neighbour's"}})
    run(there, tmp_path)
    return there


def test_whose_namespace_is_somebody_else_s_has_failed_with_its_cause(taken: Any, tmp_path: Path) -> None:
    for work, names in (("make", NAMES), ("suspend", ["student-01"]), ("make", ["student-04"])):
        done = run(taken, tmp_path, work, names)
        state, cause = states(tmp_path)["student-02"]
        assert state == "failed"
        assert cause.startswith(CAUSE)
        assert [place.name for place in done.students if place.taken] == ["student-02"]
        shown = report.table(done.students, done.outcomes, "https://127.0.0.1:30443")
        assert [line for line in shown if line.startswith(f"student-02: {CAUSE}")]
        (row,) = [line.split() for line in shown if line.startswith("student-02 ")]
        assert (row[1], row[-1]) == ("failed", "-"), "and no page"
    assert taken.objects[FOREIGN]["metadata"]["labels"] == {"whose": "a neighbour's"}
    assert not [path for _, path, *_ in taken.requests if path.startswith(FOREIGN)]


@pytest.mark.parametrize("labels", [None, {**owner_labels("blue"), register.STUDENT: "student-02"}])
def test_who_has_a_namespace_or_could_have_one_is_not_told_so_any_more(
    taken: Any, tmp_path: Path, labels: dict[str, str] | None
) -> None:
    taken.objects.pop(FOREIGN)
    if labels:
        taken.put(FOREIGN, metadata={"labels": labels})
    run(taken, tmp_path, names=["student-01"])
    assert states(tmp_path).get("student-02", ("none", ""))[0] == ("making" if labels else "none")
    run(taken, tmp_path)
    assert states(tmp_path) == dict.fromkeys(NAMES, ("ready", ""))


REFUSED = 'The API server refuses Namespace student-02: "no more places" (status 422).'


@pytest.fixture
def refused(there: Any, tmp_path: Path) -> Any:
    """A class of which the API server makes one's namespace not: a quota, say, or a policy of somebody."""
    there.refused = {"student-02": REFUSED}
    run(there, tmp_path)
    return there


def test_whose_namespace_the_api_server_refuses_has_failed_with_its_cause(refused: Any, tmp_path: Path) -> None:
    for work, names in (("make", NAMES), ("suspend", ["student-01"]), ("make", ["student-04"])):
        done = run(refused, tmp_path, work, names)
        assert states(tmp_path)["student-02"] == ("failed", REFUSED)
        assert [place.name for place in done.students if place.taken and place.refused] == ["student-02"]
        shown = report.table(done.students, done.outcomes, "https://127.0.0.1:30443")
        assert f"student-02: {REFUSED}" in shown
        (row,) = [line.split() for line in shown if line.startswith("student-02 ")]
        assert (row[1], row[-1]) == ("failed", "-"), "and no page"


def test_whose_namespace_is_refused_no_more_gets_a_place(refused: Any, tmp_path: Path) -> None:
    refused.refused = {}
    run(refused, tmp_path)
    assert states(tmp_path) == dict.fromkeys(NAMES, ("ready", ""))


def test_whose_refused_namespace_is_somebody_else_s_now_is_told_that(refused: Any, tmp_path: Path) -> None:
    refused.put(FOREIGN, metadata={"labels": {"whose": "a neighbour's"}})
    run(refused, tmp_path, names=["student-01"])
    assert states(tmp_path)["student-02"][1].startswith(CAUSE)
    refused.objects.pop(FOREIGN)
    run(refused, tmp_path, names=["student-01"])
    assert "student-02" not in states(tmp_path)


def test_who_was_refused_and_is_removed_is_told_no_more(refused: Any, tmp_path: Path) -> None:
    (outcome,) = run(refused, tmp_path, "remove", ["student-02"]).outcomes
    assert outcome.cause == ""
    run(refused, tmp_path, names=["student-01"])
    assert "student-02" not in states(tmp_path)


def test_who_was_refused_and_whose_removal_fails_is_still_told(
    refused: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remove(*_: Any) -> Any:
        raise WorkshopError("The API server is silent.")

    monkeypatch.setattr(changing, "remove", remove)
    (outcome,) = run(refused, tmp_path, "remove", ["student-02"]).outcomes
    assert outcome.cause == "The API server is silent."
    assert states(tmp_path)["student-02"] == ("failed", REFUSED)


@pytest.mark.parametrize("refused_is", ["yes", 1, None, {"a": 1}])
def test_a_class_file_that_says_something_else_invents_nobody(there: Any, tmp_path: Path, refused_is: Any) -> None:
    entry = {"name": "student-09", "cause": "x", "refused": refused_is}
    (tmp_path / "class.json").write_text(json.dumps({"room": "blue", "students": [entry, 7]}))
    assert register.with_taken(there, "blue", [], str(tmp_path)) == []
    (tmp_path / "class.json").write_text(json.dumps({"room": "blue", "students": [entry]}))
    assert register.with_taken(there, "blue", [], str(tmp_path)) == []


def test_who_is_removed_is_told_no_more_and_the_namespace_stays(taken: Any, tmp_path: Path) -> None:
    (tmp_path / "students" / "student-02").mkdir(parents=True)
    (outcome,) = run(taken, tmp_path, "remove", ["student-02"]).outcomes
    assert outcome.cause == ""
    assert "student-02" not in states(tmp_path)
    assert not (tmp_path / "students" / "student-02").exists()
    assert taken.objects[FOREIGN]["metadata"]["labels"] == {"whose": "a neighbour's"}
    run(taken, tmp_path, names=["student-01"])
    assert "student-02" not in states(tmp_path)


def test_files_of_a_removal_that_was_killed_go_though_the_name_has_another_owner(there: Any, tmp_path: Path) -> None:
    there.put(FOREIGN)
    (tmp_path / "students" / "student-02").mkdir(parents=True)
    (outcome,) = run(there, tmp_path, "remove", ["student-02"]).outcomes
    assert (outcome.cause, [*tmp_path.glob("students/*")]) == ("", [])


LEASE = "/apis/coordination.k8s.io/v1/namespaces/student-01/leases/workshop-stage"


def at_work(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody elsewhere is at a stage of student-01, and has said so since, each time it is asked."""
    holder = lease.Holder("ben", "elsewhere", "", 1, "", "rollout of aleph")
    annotations = {PREFIX + "holder": json.dumps(holder.__dict__)}
    metadata = {"annotations": annotations, "resourceVersion": "1"}
    api.put(LEASE, metadata=metadata, spec={"holderIdentity": "ben", "renewTime": ""})
    find, times = api.find, iter(range(1000))

    def look(path: str) -> Any:
        if path == LEASE and api.objects[LEASE]["spec"].get("holderIdentity") == "ben":
            api.objects[LEASE]["spec"]["renewTime"] = f"{next(times)}"
        return find(path)

    monkeypatch.setattr(api, "find", look)


@pytest.mark.parametrize("work", ["suspend", "resume", "reset", "remove", "make"])
def test_nobody_takes_a_place_from_below_a_stage(
    there: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: str
) -> None:
    """Stages hold no room: another instructor's may be at work while this is typed."""
    run(there, tmp_path)
    state = {"resume": "suspended", "make": "failed"}.get(work, "ready")
    register.note(there, places.changed(places.of_student("student-01", ""), state=state))
    before = json.dumps(there.objects["/api/v1/namespaces/student-01"])
    for name in ("reset", "resume", "suspend", "remove"):
        monkeypatch.setattr(changing, name, lambda *_: pytest.fail("it is taken"))
    monkeypatch.setattr(making, "make", lambda *_: pytest.fail("it is taken"))
    at_work(there, monkeypatch)
    (outcome,) = run(there, tmp_path, work, ["student-01"]).outcomes
    assert outcome.cause.startswith("ben on elsewhere (process 1) has been at the rollout of aleph")
    assert json.dumps(there.objects["/api/v1/namespaces/student-01"]) == before, "it is what it was, and not failed"
    assert states(tmp_path)["student-01"][0] == state


def test_no_stage_is_begun_on_a_place_that_is_changed(
    there: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(there, tmp_path)
    held: list[str] = []

    def suspend(api: Any, place: Any, *_: Any) -> Any:
        held.append(doing(api, place.name))
        return place

    monkeypatch.setattr(changing, "suspend", suspend)
    run(there, tmp_path, "suspend", ["student-01"])
    assert held == ["suspend of student-01"]
    assert doing(there, "student-01") == "", "it is given back"


@pytest.mark.parametrize("cause", ["", "A pod does not answer."])
def test_a_place_that_is_made_is_held_from_when_it_is_there(there: Any, tmp_path: Path, cause: str) -> None:
    """goto.yml takes a place that is being made, too: whoever made it may have been killed."""
    if cause:
        there.broken = {"student-01": WorkshopError(cause)}
    run(there, tmp_path, names=["student-01"])
    there.broken = {}
    run(there, tmp_path, names=["student-01"])  # again, if it failed
    assert there.doing == ["making of student-01"] * (2 if cause else 1)
    assert doing(there, "student-01") == ""


@pytest.mark.parametrize("work", ["make", "reset", "suspend", "resume", "remove"])
def test_a_namespace_of_somebody_else_s_is_not_held(taken: Any, tmp_path: Path, work: str) -> None:
    assert run(taken, tmp_path, work, ["student-02"]).outcomes
    assert not [path for path in taken.objects if "/namespaces/student-02/" in path], "nothing is written there"
