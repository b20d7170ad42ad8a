"""A place that takes the processors from the others is throttled, and gets its limits back, whatever happens."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.unit.plugins.conftest import FakeApi

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import owner_labels
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import register, sleeping, throttling
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.in_cluster import RefusedError

NAMESPACES = "/api/v1/namespaces"
UIDS = {name: f"{number}a1b2c3d-1111-2222-3333-444455556666" for number, name in enumerate(("anna", "ben", "carl"))}
# A look is of two seconds; of two processors a place may take a quarter, for ever.
LOOK, PROCESSORS, SHARE = 2.0, 2.0, 0.125
RUNAWAY, REST = {"app": 1.0, "istio-proxy": 0.7}, {"app": 0.01, "istio-proxy": 0.01}


class Api(FakeApi):
    """Answers as the API server does to the room's own programs."""

    refused: Mapping[str, int] = {}

    def get(self, path: str, **query: str) -> dict[str, Any]:
        self._refuse(path)
        try:
            return super().get(path, **query)
        except KubernetesError as error:
            raise RefusedError(error.status or 0, str(error)) from error

    def create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self._refuse(path)
        return super().create(path, body)

    def apply(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self._refuse(path)
        return super().apply(path, body)

    def delete(self, path: str, grace_seconds: int | None = None) -> None:
        self._refuse(path)
        super().delete(path, grace_seconds)

    def merge_containers(self, path: str, body: Mapping[str, Any]) -> None:
        self._refuse(path)
        self.requests.append(("patch", path))
        if path.removesuffix("/resize") not in self.objects:
            raise RefusedError(404, "not found")
        item = self.objects[path.removesuffix("/resize")]
        if not path.endswith("/resize"):
            self.merge(path, body)
            return
        for part, changes in body["spec"].items():
            for change in changes:
                if change["resources"]["limits"]["cpu"] is None:
                    raise RefusedError(422, "resource limits cannot be removed")
                (found,) = (each for each in item["spec"][part] if each["name"] == change["name"])
                found["resources"]["limits"].update(change["resources"]["limits"])

    def _refuse(self, path: str) -> None:
        for part, code in self.refused.items():
            if part in path:
                raise RefusedError(code, "no")


class Machine:
    """A node with a pod of each student, whose containers use processors and obey their limits."""

    def __init__(self, throttle: Any, root: Path) -> None:
        self.throttle, self.root, self.api = throttle, root, Api()
        self.uses: dict[str, dict[str, float]] = {}
        self._numbers = itertools.count(1)
        self._used: dict[Path, float] = {}
        self._waited: dict[Path, float] = {}
        (root / "kubepods").mkdir()
        (root / "cgroup.controllers").touch()
        for name in UIDS:
            self.place(name)
        self.node = self.begin()

    def place(self, name: str, **noted: str) -> None:
        labels = {**owner_labels("blue"), register.STUDENT: name}
        self.api.put(f"{NAMESPACES}/{name}", metadata={"labels": labels})
        sleeping.note(self.api, name, {"state": "ready", **noted})
        self.pod(name, "web", UIDS[name])

    def pod(self, place: str, name: str, uid: str, limit: str = "1") -> None:
        def part(of: str, **fields: str) -> dict[str, Any]:
            return {"name": of, "resources": {"limits": {"cpu": limit}, "requests": {"cpu": "1m"}}, **fields}

        def status(of: str) -> dict[str, str]:
            return {"name": of, "containerID": f"containerd://{self._id(uid, of)}"}

        self.api.put(
            f"{NAMESPACES}/{place}/pods/{name}",
            metadata={"uid": uid},
            spec={
                "containers": [part("app")],
                "initContainers": [part("istio-validation"), part("istio-proxy", restartPolicy="Always")],
            },
            status={"containerStatuses": [status("app")], "initContainerStatuses": [status("istio-proxy")]},
        )
        self.uses[uid] = {}

    def begin(self, share: float = SHARE) -> Any:
        """Let the program begin anew."""
        credits = throttling.Credits(PROCESSORS, share)
        node = self.throttle.Node(self.api, self.throttle.Cgroups(self.root), "node", "blue", credits, PROCESSORS)
        node.begin()
        return node

    def looks(self, number: int, busy: float = 1.0) -> None:
        for _ in range(number):
            for uid, uses in self.uses.items():
                self._run(uid, uses)
            self.node.look(LOOK, busy)

    def churns(self, looks: int, busy: float = 1.0) -> None:
        """Let anna's pods come and go, twelve with each look, as long as some may begin; none gets to use anything."""
        for _ in range(looks):
            for number in range(12):
                self.api.objects.pop(f"{NAMESPACES}/anna/pods/more-{number}", None)
                if not self.held("anna"):
                    uid = f"9a1b2c3d-1111-2222-3333-{next(self._numbers):012d}"
                    self.pod("anna", f"more-{number}", uid)
                    del self.uses[uid]
            self.looks(1, busy)

    def held(self, place: str) -> bool:
        quota = self.api.objects.get(f"{NAMESPACES}/{place}/resourcequotas/{throttling.HELD}")
        return quota is not None and quota["spec"] == {"hard": {"pods": "0"}}

    def limits(self, place: str, name: str = "web") -> dict[str, str]:
        spec = self.api.objects[f"{NAMESPACES}/{place}/pods/{name}"]["spec"]
        return {
            each["name"]: each["resources"]["limits"]["cpu"] for each in (*spec["containers"], *spec["initContainers"])
        }

    def annotation(self, place: str, name: str = "web") -> Any:
        found = self.api.objects[f"{NAMESPACES}/{place}/pods/{name}"]["metadata"].get("annotations") or {}
        return json.loads(found[throttling.LIMITS]) if throttling.LIMITS in found else None

    def since(self, place: str) -> str | None:
        annotations = self.api.objects[f"{NAMESPACES}/{place}"]["metadata"].get("annotations") or {}
        found: str | None = annotations.get(throttling.THROTTLED)
        return found

    def events(self, place: str, field: str = "reason") -> list[str]:
        return [item[field] for path, item in self.api.objects.items() if f"/{place}/events/" in path]

    @staticmethod
    def _id(uid: str, name: str) -> str:
        return f"{uid[0]}{'a' if name == 'app' else 'b'}" * 32

    def _run(self, uid: str, uses: Mapping[str, float]) -> None:
        (item,) = (each for each in self.api.objects.values() if each["metadata"].get("uid") == uid)
        pod = self.root / "kubepods" / "burstable" / f"pod{uid}"
        for _, container, _ in throttling.containers(item):
            wanted = uses.get(container["name"], 0.0)
            got = min(wanted, (throttling.millis(throttling.limit(container)) or 0) / 1000)
            group = pod / self._id(uid, container["name"])
            self._write(group, got * LOOK, LOOK if got < wanted else 0.0)
        self._write(pod, sum(min(1.0, each) for each in uses.values()) * LOOK, 0.0)

    def _write(self, group: Path, used: float, waited: float) -> None:
        group.mkdir(parents=True, exist_ok=True)
        used = self._used[group] = self._used.get(group, 0.0) + used
        waited = self._waited[group] = self._waited.get(group, 0.0) + waited
        (group / "cpu.stat").write_text(f"usage_usec {used * 1e6:.0f}\nthrottled_usec {waited * 1e6:.0f}\n")


@pytest.fixture
def machine(throttle: Any, tmp_path: Path) -> Machine:
    return Machine(throttle, tmp_path)


def together(limits: Mapping[str, str]) -> int:
    return sum(int(value.removesuffix("m")) for name, value in limits.items() if name != "istio-validation")


def test_who_takes_the_processors_is_throttled_and_nobody_else(machine: Machine) -> None:
    machine.uses = {UIDS["anna"]: RUNAWAY, UIDS["ben"]: REST, UIDS["carl"]: {"app": 0.2}}
    machine.looks(20)
    assert together(machine.limits("anna")) <= 1000 * PROCESSORS * SHARE
    assert machine.limits("anna")["istio-validation"] == "1"
    assert machine.annotation("anna") == {"app": "1", "istio-proxy": "1"}
    assert machine.events("anna") == ["Throttled"]
    assert machine.events("anna", "message")[0].startswith("Its pods took 1.7 of 2 processors while others had to wait")
    since, node = (machine.since("anna") or "").split()
    assert datetime.strptime(since, sleeping.TIME)
    assert node == "node"
    for other in ("ben", "carl"):
        assert together(machine.limits(other)) == 2
        assert machine.annotation(other) is None
        assert machine.since(other) is None
        assert machine.events(other) == []


def test_it_gets_its_limits_back_once_it_wants_little(machine: Machine) -> None:
    machine.uses[UIDS["anna"]] = RUNAWAY
    machine.looks(60)
    assert machine.events("anna") == ["Throttled"]
    machine.uses[UIDS["anna"]] = REST
    machine.looks(14)
    assert machine.annotation("anna")
    machine.looks(20)
    assert set(machine.limits("anna").values()) == {"1"}
    assert machine.annotation("anna") is None
    assert machine.since("anna") is None
    assert machine.events("anna") == ["Throttled", "Unthrottled"]
    machine.looks(60)
    assert machine.node.throttled == {}


def test_who_goes_on_is_not_let_go(machine: Machine) -> None:
    machine.uses[UIDS["anna"]] = RUNAWAY
    machine.looks(20)
    machine.uses[UIDS["anna"]] = {"app": 0.0, "istio-proxy": 0.8}
    machine.looks(100)
    assert machine.events("anna") == ["Throttled"]


def test_pods_that_come_later_are_throttled_too(machine: Machine) -> None:
    machine.uses[UIDS["anna"]] = RUNAWAY
    machine.looks(20)
    uid = "8a1b2c3d-1111-2222-3333-444455556666"
    machine.pod("anna", "more", uid)
    machine.uses[uid] = RUNAWAY
    machine.looks(3)
    assert together(machine.limits("anna")) + together(machine.limits("anna", "more")) <= 1000 * PROCESSORS * SHARE + 40


# What the node and the place are like meanwhile, none of which is a reason to throttle it.
SPARED = {
    "something is left of the processors": (0.8, {}),
    "the room makes it": (1.0, {"state": "making", "since": "now"}),
    "the room puts it right": (1.0, {"mended": "now"}),
    "a stage is at work in it": (1.0, {"lease": "now"}),
    "it is gone": (1.0, {"gone": "yes"}),
}


@pytest.mark.parametrize("case", SPARED)
def test_who_is_not_throttled(machine: Machine, case: str) -> None:
    busy, fields = SPARED[case]
    machine.uses[UIDS["anna"]] = RUNAWAY
    machine.looks(2)
    _change(machine, fields)
    machine.looks(40, busy)
    assert machine.annotation("anna") is None
    assert machine.events("anna") == []


@pytest.mark.parametrize("case", ["the room makes it", "the room puts it right", "a stage is at work in it"])
def test_who_is_throttled_is_let_go_when_the_room_works_on_it(machine: Machine, case: str) -> None:
    machine.uses[UIDS["anna"]] = RUNAWAY
    machine.looks(20)
    assert machine.annotation("anna")
    _change(machine, SPARED[case][1])
    machine.looks(3)
    assert machine.annotation("anna") is None
    assert set(machine.limits("anna").values()) == {"1"}


# What looks like it, and is not: whoever was at work there is not there any more.
LEFT: dict[str, dict[str, str]] = {
    "a run that made it was cut short": {"state": "making", "since": "2026-11-26T08:00:00Z"},
    "somebody has put it right before": {"mended": "2026-11-26T08:00:00Z"},
    "a stage was cut short": {"lease": "2026-11-26T08:00:00Z"},
}


@pytest.mark.parametrize("case", LEFT)
def test_who_is_throttled_although_the_room_was_at_work_there(machine: Machine, case: str) -> None:
    machine.uses[UIDS["anna"]] = RUNAWAY
    _change(machine, LEFT[case])
    machine.looks(20)
    assert machine.events("anna") == ["Throttled"]


def _change(machine: Machine, fields: Mapping[str, str]) -> None:
    now = datetime.now(UTC).strftime(sleeping.TIME)
    fields = {name: now if value == "now" else value for name, value in fields.items()}
    if "state" in fields:
        sleeping.note(machine.api, "anna", fields)
    if "mended" in fields:
        machine.api.objects[f"{NAMESPACES}/anna"]["metadata"]["annotations"][sleeping.MENDED] = fields["mended"]
    if "lease" in fields:
        spec = {"holderIdentity": "me", "renewTime": fields["lease"]}
        machine.api.put("/apis/coordination.k8s.io/v1/namespaces/anna/leases/workshop-stage", spec=spec)
    if "gone" in fields:
        del machine.api.objects[f"{NAMESPACES}/anna"]


def test_killed_anywhere_it_goes_on(machine: Machine) -> None:
    machine.uses[UIDS["anna"]] = RUNAWAY
    machine.looks(20)
    machine.node = machine.begin()
    machine.uses[UIDS["anna"]] = REST
    machine.looks(20)
    assert set(machine.limits("anna").values()) == {"1"}
    assert machine.annotation("anna") is None
    assert machine.events("anna") == ["Throttled", "Unthrottled"]


@pytest.mark.parametrize("text", ["2026-11-26T08:00:00Z node", "2026-11-26T08:00:00Z another"])
def test_a_place_whose_pods_are_new_is_let_go_by_its_own_node(machine: Machine, text: str) -> None:
    machine.api.objects[f"{NAMESPACES}/anna"]["metadata"]["annotations"][throttling.THROTTLED] = text
    machine.node = machine.begin()
    machine.looks(20)
    assert machine.since("anna") == (None if text.endswith(" node") else text)


def test_what_pods_used_before_is_not_counted(machine: Machine) -> None:
    machine.uses[UIDS["anna"]] = {"app": 0.2}
    machine.looks(100)
    machine.node = machine.begin()
    machine.looks(20)
    assert machine.events("anna") == []


# What the API server refuses, and for how many looks.
REFUSALS = [("/resize", 500), ("/anna", 403), ("/leases", 500), ("/pods", 429), (NAMESPACES, 503)]


@pytest.mark.parametrize(("path", "code"), REFUSALS)
def test_what_is_refused_is_said_and_tried_again(
    machine: Machine, path: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.uses[UIDS["anna"]] = RUNAWAY
    machine.looks(2)
    machine.api.refused = {path: code}
    machine.looks(15)
    assert f"tried again: the API server answers {code}" in capsys.readouterr().out
    machine.api.refused = {}
    machine.looks(10)
    assert together(machine.limits("anna")) <= 1000 * PROCESSORS * SHARE
    assert machine.annotation("anna") == {"app": "1", "istio-proxy": "1"}


def test_a_student_who_cannot_be_told_is_throttled_all_the_same(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.api.refused = {"/events": 403}
    machine.uses[UIDS["anna"]] = RUNAWAY
    machine.looks(20)
    assert together(machine.limits("anna")) <= 1000 * PROCESSORS * SHARE
    assert capsys.readouterr().out.count("anna: its student is not told: the API server answers 403") == 1


def test_a_pod_that_cannot_be_changed_hides_no_other(machine: Machine) -> None:
    machine.pod("anna", "a", "8a1b2c3d-1111-2222-3333-444455556666")
    machine.api.objects = dict(sorted(machine.api.objects.items()))
    machine.api.refused = {"/pods/a/resize": 422}
    machine.uses[UIDS["anna"]] = RUNAWAY
    machine.uses["8a1b2c3d-1111-2222-3333-444455556666"] = RUNAWAY
    machine.looks(20)
    assert together(machine.limits("anna")) <= 1000 * PROCESSORS * SHARE


@pytest.mark.parametrize("text", ["{", '{"app": "much"}', '{"app": null}', "[" * 60000])
def test_what_somebody_wrote_in_its_place_is_no_limit(machine: Machine, text: str) -> None:
    machine.api.objects[f"{NAMESPACES}/anna/pods/web"]["metadata"]["annotations"] = {throttling.LIMITS: text}
    machine.node = machine.begin()
    machine.looks(20)
    assert (
        "annotations" not in machine.api.objects[f"{NAMESPACES}/anna/pods/web"]["metadata"]
        or not machine.api.objects[f"{NAMESPACES}/anna/pods/web"]["metadata"]["annotations"]
    )


def test_one_that_cannot_have_its_limits_back_keeps_nobody_s(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    uid = "8a1b2c3d-1111-2222-3333-444455556666"
    machine.pod("anna", "a", uid)
    machine.uses[UIDS["anna"]] = RUNAWAY
    machine.looks(20)
    machine.uses[UIDS["anna"]] = REST
    machine.api.refused = {"/pods/a/resize": 403}
    machine.looks(40)
    assert "pods/a keeps its limits: the API server answers 403" in capsys.readouterr().out
    assert set(machine.limits("anna").values()) == {"1"}
    assert machine.since("anna") is None
    assert machine.node.throttled == {}


def test_a_place_that_is_removed_is_forgotten(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.uses[UIDS["anna"]] = RUNAWAY
    machine.looks(20)
    for path in [path for path in machine.api.objects if "/anna" in path]:
        del machine.api.objects[path]
    del machine.uses[UIDS["anna"]]
    machine.api.refused = {"/anna": 403}  # with the namespace, the right is gone
    machine.looks(10)
    assert machine.node.throttled == {}
    capsys.readouterr()
    machine.looks(10)
    assert capsys.readouterr().out == ""


def test_what_was_hidden_when_it_began_is_found_later(machine: Machine) -> None:
    machine.uses[UIDS["anna"]] = RUNAWAY
    machine.looks(20)
    machine.api.refused = {"/anna/pods": 403}
    machine.node = machine.begin()
    machine.api.refused = {}
    machine.uses[UIDS["anna"]] = REST
    machine.looks(60)
    assert machine.annotation("anna") is None
    assert set(machine.limits("anna").values()) == {"1"}


def test_a_pod_that_is_deleted_with_a_day_to_end_in_ends_soon(machine: Machine) -> None:
    machine.uses[UIDS["anna"]] = RUNAWAY
    machine.api.objects[f"{NAMESPACES}/anna/pods/web"]["metadata"] |= {
        "deletionTimestamp": "2026-11-26T08:00:00Z", "deletionGracePeriodSeconds": 86400,
    }  # fmt: skip
    for _ in range(10):
        if not machine.api.graces:
            machine.looks(1)
    assert machine.api.graces == {f"{NAMESPACES}/anna/pods/web": sleeping.END_SECONDS}


def test_who_the_room_has_worked_on_begins_anew(machine: Machine) -> None:
    machine.uses[UIDS["anna"]] = RUNAWAY
    _change(machine, {"mended": "now"})
    machine.looks(20)
    _change(machine, {"mended": "2026-11-26T08:00:00Z"})
    machine.looks(1)
    assert machine.events("anna") == []
    machine.looks(10)
    assert machine.events("anna") == ["Throttled"]


def test_a_namespace_that_could_not_be_written_is_written_later(machine: Machine) -> None:
    machine.uses[UIDS["anna"]] = RUNAWAY
    merge = machine.api.merge
    machine.api.merge = lambda path, body: (_ for _ in ()).throw(RefusedError(500, "no"))  # type: ignore[method-assign]
    machine.looks(8)
    machine.api.merge = merge  # type: ignore[method-assign]
    machine.looks(8)
    assert machine.since("anna")
    assert machine.annotation("anna")


# Half of the credit is back after so many looks.
HALF_LOOKS = int(throttling.Credits(PROCESSORS, SHARE, throttling.STARTS_FULL_SECONDS).full_after / 2 / LOOK)


def test_whose_pods_come_and_go_gets_no_more_for_some_minutes(machine: Machine) -> None:
    machine.churns(12)
    assert machine.held("anna")
    assert machine.events("anna") == ["Throttled", "Held"]
    assert machine.events("anna", "message")[0].startswith("Its pods began again and again while others had to wait")
    assert machine.since("anna")
    machine.looks(HALF_LOOKS - 20)
    assert machine.held("anna")
    machine.looks(40)
    assert not machine.held("anna")
    assert machine.since("anna") is None
    assert machine.events("anna") == ["Throttled", "Held", "Unthrottled"]
    assert [machine.events(other) for other in ("ben", "carl")] == [[], []]


def test_where_pods_begin_is_asked_each_time(machine: Machine) -> None:
    machine.churns(7)
    assert machine.held("anna")


def test_who_goes_on_letting_pods_come_and_go_has_half_as_many(machine: Machine) -> None:
    machine.churns(12)
    machine.churns(HALF_LOOKS + 40)
    assert machine.held("anna")
    assert machine.events("anna") == ["Throttled", "Held", "Unthrottled", "Throttled", "Held"]


def test_who_is_throttled_already_is_held_too(machine: Machine) -> None:
    machine.uses[UIDS["anna"]] = RUNAWAY
    machine.looks(20)
    assert not machine.held("anna")
    machine.churns(12)
    assert machine.held("anna")
    assert machine.events("anna") == ["Throttled", "Held"]


def test_pods_come_and_go_while_nobody_has_to_wait(machine: Machine) -> None:
    machine.churns(40, busy=0.8)
    assert not machine.held("anna")
    assert machine.events("anna") == []


def test_a_whole_place_that_begins_anew_is_not_held(machine: Machine) -> None:
    machine.churns(2)
    machine.looks(20)
    assert not machine.held("anna")
    assert machine.events("anna") == []


@pytest.mark.parametrize("case", ["the room makes it", "the room puts it right", "a stage is at work in it"])
def test_who_is_held_is_let_go_when_the_room_works_on_it(machine: Machine, case: str) -> None:
    machine.churns(12)
    _change(machine, SPARED[case][1])
    machine.looks(3)
    assert not machine.held("anna")
    machine.churns(20)
    assert not machine.held("anna")


def test_who_is_held_is_let_go_by_a_program_that_began_anew(machine: Machine) -> None:
    machine.churns(12)
    machine.node = machine.begin()
    machine.looks(20)
    assert not machine.held("anna")


@pytest.mark.parametrize("ends", ["with the quota", "before the namespace could be written"])
def test_who_is_held_is_let_go_wherever_the_program_was_killed(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    """No pod bears that it was throttled: all are gone by then, and none begins."""
    apply = machine.api.apply

    def killed(path: str, body: Mapping[str, Any]) -> Any:
        apply(path, body)
        raise KeyboardInterrupt

    with monkeypatch.context() as meanwhile:
        if ends == "with the quota":
            meanwhile.setattr(machine.api, "apply", killed)
            with pytest.raises(KeyboardInterrupt):
                machine.churns(12)
        else:
            refused = RefusedError(500, "no")
            meanwhile.setattr(machine.api, "merge", lambda path, body: (_ for _ in ()).throw(refused))
            machine.churns(12)
    for path in [path for path in machine.api.objects if "/anna/pods/" in path]:
        del machine.api.objects[path]
    del machine.uses[UIDS["anna"]]
    machine.node = machine.begin()
    machine.looks(20)
    assert not machine.held("anna")
    assert machine.since("anna") is None


def test_who_is_held_stays_so_when_another_node_lets_the_place_go(machine: Machine) -> None:
    machine.churns(12)
    for _ in range(3):
        machine.api.delete(f"{NAMESPACES}/anna/resourcequotas/{throttling.HELD}")
        machine.looks(3)
        assert machine.held("anna")
    assert machine.events("anna") == ["Throttled", "Held"]


def test_the_docs_say_how_many_pods_may_come_and_go(machine: Machine) -> None:
    starts = throttling.Credits(PROCESSORS, SHARE, throttling.STARTS_FULL_SECONDS)
    at_once = PROCESSORS * throttling.STARTS_FULL_SECONDS / throttling.START_USES
    for_ever, held = throttling.START_USES / starts.share, machine.throttle.AGAIN * starts.full_after / 60
    assert (at_once, for_ever, held) == (30, 16, 4)
    docs = Path(__file__).parents[4] / "docs"
    told = " ".join((docs / "class.md").read_text().split())
    assert "on two processors more than thirty at once, or one in sixteen seconds for ever" in told
    assert "`throttled`) for four minutes" in told
    assert "takes about four processor-seconds" in (docs / "decisions" / "throttling.md").read_text()


def test_where_a_place_may_take_the_whole_node_nobody_is_held(machine: Machine) -> None:
    machine.node = machine.begin(share=1)
    machine.churns(40)
    assert machine.events("anna") == []


def test_who_an_older_version_has_made_is_throttled_only(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.api.refused = {"/resourcequotas": 403}
    machine.churns(12)
    machine.looks(HALF_LOOKS + 40)
    assert "anna: its pods can begin as they like: the API server answers 403" in capsys.readouterr().out
    assert machine.events("anna") == ["Throttled", "Unthrottled"], "nor told that none begins"
    assert machine.since("anna") is None
    assert machine.annotation("anna") is None
