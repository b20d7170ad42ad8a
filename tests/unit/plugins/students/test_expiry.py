"""The room's own Job puts to sleep whose time is over, as suspend.yml does, and nobody else."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import ROOM, owner_labels
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import (
    changing,
    in_cluster,
    register,
    sleeping,
)

NAMESPACES = "/api/v1/namespaces"
NOW = "2026-11-26T20:00:00Z"
BEFORE, AFTER = "2026-11-26T19:59:59Z", "2026-11-26T20:00:01Z"
# Of a room whose kubeconfigs are good for a day.
TODAY, YESTERDAY = "2026-11-25T20:00:01Z", "2026-11-25T20:00:00Z"
AN_HOUR_AGO, LESS = "2026-11-26T19:00:00Z", "2026-11-26T19:00:01Z"


@pytest.fixture(scope="module")
def moment(expiry: Any) -> Any:
    return expiry.Moment.at(datetime(2026, 11, 26, 20, tzinfo=UTC), 24)


def put(api: Any, name: str, room: str = "blue", **noted: str) -> None:
    api.put(f"{NAMESPACES}/{name}", metadata={"labels": {**owner_labels(room), register.STUDENT: name}})
    told = {"state": "ready", "expires": BEFORE, "made": "2026-11-20T20:00:00Z", **noted}
    sleeping.note(api, name, told)
    for service, replicas in (("front", 1), ("aleph", 3), ("beth", 0)):
        api.put(f"/apis/apps/v1/namespaces/{name}/deployments/{service}", spec={"replicas": replicas})


def read(api: Any, name: str) -> places.Place:
    return register.place_of(api.objects[f"{NAMESPACES}/{name}"], "/state")


def replicas(api: Any, name: str) -> dict[str, int]:
    of = f"/apis/apps/v1/namespaces/{name}/deployments/"
    return {
        path.removeprefix(of): item["spec"]["replicas"] for path, item in api.objects.items() if path.startswith(of)
    }


@pytest.mark.parametrize(
    ("place", "over"),
    [
        pytest.param({}, True, id="over"),
        pytest.param({"state": "failed"}, True, id="over, of one that failed"),
        pytest.param({"expires": NOW}, True, id="this very second"),
        pytest.param({"expires": AFTER}, False, id="not yet"),
        pytest.param({"state": "suspended"}, False, id="it sleeps"),
        pytest.param({"state": "suspended", "cause": "half"}, True, id="half asleep"),
        pytest.param({"state": "suspended", "cause": "half", "expires": AFTER}, False, id="half asleep, not yet over"),
        pytest.param({"room": "green"}, False, id="another room's"),
        pytest.param({"state": "making", "since": LESS}, False, id="somebody is at work on it"),
        pytest.param({"state": "making", "since": AN_HOUR_AGO}, True, id="nobody is at work on it any more"),
        pytest.param({"state": "making"}, True, id="an older version has begun it, long ago"),
        pytest.param({"state": "making", "made": LESS}, False, id="an older version has begun it just now"),
        pytest.param({"state": "making", "since": AN_HOUR_AGO, "expires": AFTER}, False, id="left, not yet over"),
        pytest.param({"state": "making", "since": LESS, "expires": "", "made": YESTERDAY}, False, id="made anew"),
        pytest.param({"state": "making", "expires": "", "made": YESTERDAY}, True, id="left, and never handed out"),
        pytest.param({"state": "failed", "expires": "", "made": YESTERDAY}, True, id="failed, and never handed out"),
        pytest.param({"state": "failed", "expires": "", "made": TODAY}, False, id="it may be handed out yet"),
        pytest.param({"state": "making", "expires": "", "made": ""}, False, id="it has only just begun"),
        pytest.param({"state": "gone"}, False, id="no state of ours"),
    ],
)
def test_whose_time_is_over(expiry: Any, api: Any, moment: Any, place: dict[str, str], over: bool) -> None:
    put(api, "anna", **place)
    # The stand-in's API looks at names of labels, and these.
    items = api.items

    def of_room(path: str, **query: str) -> Any:
        return [each for each in items(path) if f"{ROOM}=blue" in query["labelSelector"] and is_blue(each)]

    def is_blue(item: Any) -> bool:
        return bool(item["metadata"]["labels"][ROOM] == "blue")

    api.items = of_room
    assert expiry.expired(api, "blue", moment) == ({"anna": "anna"} if over else {})


def test_a_namespace_that_goes_needs_no_sleep(expiry: Any, api: Any, moment: Any) -> None:
    put(api, "anna")
    api.objects[f"{NAMESPACES}/anna"]["metadata"]["deletionTimestamp"] = NOW
    assert expiry.expired(api, "blue", moment) == {}


def test_what_somebody_wrote_in_its_place_is_no_time(expiry: Any, api: Any, moment: Any) -> None:
    put(api, "anna")
    api.objects[f"{NAMESPACES}/anna"]["metadata"]["annotations"][sleeping.PLACE] = "[3"
    assert expiry.expired(api, "blue", moment) == {}


def test_since_when_somebody_is_at_work_is_written_down_and_goes(api: Any) -> None:
    put(api, "anna")
    place = read(api, "anna")
    register.note(api, places.changed(place, state="making"))
    begun = sleeping.noted(api.objects[f"{NAMESPACES}/anna"])[sleeping.SINCE]
    assert abs((datetime.now(UTC) - datetime.strptime(begun, sleeping.TIME).replace(tzinfo=UTC)).total_seconds()) < 60
    register.note(api, place)
    assert sleeping.SINCE not in sleeping.noted(api.objects[f"{NAMESPACES}/anna"])


def test_it_is_as_suspend_leaves_it(expiry: Any, api: Any, moment: Any) -> None:
    put(api, "anna")
    put(api, "ben")
    for name in ("anna", "ben"):
        register.note(api, read(api, name))
    changing.suspend(api, read(api, "ben"), "blue", lambda _: None)
    assert expiry.main(api, "blue", moment) == 0

    def of(name: str) -> Any:
        return {
            path.replace(name, "X"): json.loads(json.dumps(item).replace(name, "X"))
            for path, item in api.objects.items()
            if f"/{name}" in path
        }

    assert of("anna") == of("ben")
    assert (read(api, "anna").state, read(api, "anna").expires) == ("suspended", BEFORE)


@pytest.mark.parametrize(
    ("place", "cause"),
    [
        pytest.param({"state": "making"}, "", id="while it was given back new"),
        pytest.param({"state": "making", "expires": "", "made": YESTERDAY}, "", id="while it was made"),
        pytest.param({"state": "making", "cause": "It is being removed."}, "", id="while it was removed"),
        pytest.param({"state": "failed", "expires": "", "made": YESTERDAY, "cause": "No."}, "No.", id="it failed"),
    ],
)
def test_one_that_was_never_whole_sleeps_and_has_to_be_made(
    expiry: Any, api: Any, moment: Any, place: dict[str, str], cause: str
) -> None:
    put(api, "anna", **place)
    assert expiry.main(api, "blue", moment) == 0
    assert replicas(api, "anna") == {"front": 0, "aleph": 0, "beth": 0}
    assert (read(api, "anna").state, read(api, "anna").cause) == ("failed", cause or expiry.LEFT)
    before = copy.deepcopy(api.objects)
    assert expiry.main(api, "blue", moment) == 0
    assert api.objects == before, "it sleeps"
    # goto.yml has put it right.
    api.objects["/apis/apps/v1/namespaces/anna/deployments/front"]["spec"]["replicas"] = 1
    api.put(f"{NAMESPACES}/anna/pods/front")
    expiry.main(api, "blue", moment, lambda _: api.objects.pop(f"{NAMESPACES}/anna/pods/front", None))
    assert replicas(api, "anna") == {"front": 0, "aleph": 0, "beth": 0}


def test_it_is_written_down_when_its_pods_have_ended(
    expiry: Any, api: Any, moment: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    put(api, "anna")
    put(api, "ben")
    api.put(f"{NAMESPACES}/anna/pods/aleph")
    waited: list[float] = []
    assert expiry.main(api, "blue", moment, waited.append) == 0
    assert len(waited) == expiry.ENDED_SECONDS
    assert "anna: its time is over, its pods are still ending" in capsys.readouterr().out
    assert (read(api, "anna").state, read(api, "anna").cause) == ("suspended", sleeping.GOING)
    assert read(api, "ben").state == "suspended", "nobody waits for another's pods"
    del api.objects[f"{NAMESPACES}/anna/pods/aleph"]
    assert expiry.main(api, "blue", moment) == 0
    assert (read(api, "anna").state, read(api, "anna").cause) == ("suspended", "")
    annotations = api.objects["/apis/apps/v1/namespaces/anna/deployments/aleph"]["metadata"]["annotations"]
    assert annotations[sleeping.REPLICAS] == "3", "what ran is not forgotten the second time"


def test_all_begin_before_any_is_waited_for(expiry: Any, api: Any, moment: Any) -> None:
    """Thirty whose pods do not end would take the whole of the Job's time, each time the same."""
    names = [f"student-{number:02d}" for number in range(1, 31)]
    for name in names:
        put(api, name)
        api.put(f"{NAMESPACES}/{name}/pods/aleph")
    waited: list[float] = []
    expiry.main(api, "blue", moment, waited.append)
    assert len(waited) == expiry.ENDED_SECONDS
    assert all(replicas(api, name)["aleph"] == 0 for name in names)


def test_a_place_of_an_older_version_lets_the_job_see_less(
    expiry: Any, api: Any, moment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(api, "anna")
    items = api.items

    def refused(path: str, **query: str) -> Any:
        if path.endswith(("/leases", "/replicasets")):
            raise in_cluster.RefusedError(403, "forbidden")
        return items(path, **query)

    monkeypatch.setattr(api, "items", refused)
    assert expiry.main(api, "blue", moment) == 0
    assert (read(api, "anna").state, replicas(api, "anna")["aleph"]) == ("suspended", 0)


@pytest.mark.parametrize(
    "code", [pytest.param(None, id="it may"), pytest.param(403, id="in an older place it may not")]
)
def test_a_pod_that_was_deleted_with_a_day_to_end_in_ends_in_a_minute(
    expiry: Any, api: Any, moment: Any, monkeypatch: pytest.MonkeyPatch, code: int | None
) -> None:
    put(api, "anna")
    api.put(f"{NAMESPACES}/anna/pods/slow", metadata={"namespace": "anna", "deletionGracePeriodSeconds": 86400})
    asked: list[tuple[str, int | None]] = []

    def deleted(path: str, grace_seconds: int | None = None) -> None:
        asked.append((path, grace_seconds))
        if code:
            raise in_cluster.RefusedError(code, "forbidden")
        del api.objects[path]

    monkeypatch.setattr(api, "delete", deleted)
    assert expiry.main(api, "blue", moment, lambda _: None) == 0
    assert {*asked} == {(f"{NAMESPACES}/anna/pods/slow", 60)}
    assert read(api, "anna").cause == (sleeping.GOING if code else "")


def test_a_pod_that_a_node_has_put_out_keeps_no_place_awake(expiry: Any, api: Any, moment: Any) -> None:
    put(api, "anna")
    api.put(f"{NAMESPACES}/anna/pods/evicted", status={"phase": "Failed"})
    waited: list[float] = []
    assert expiry.main(api, "blue", moment, waited.append) == 0
    assert (waited, read(api, "anna").state, read(api, "anna").cause) == ([], "suspended", "")


@pytest.mark.parametrize("at", ["begin", "end"])
def test_who_is_renewed_meanwhile_is_left_alone(expiry: Any, api: Any, moment: Any, at: str) -> None:
    put(api, "anna")
    renewed = places.changed(read(api, "anna"), expires=AFTER)
    begun = None
    if at == "end":
        begun = expiry.begin(api, "anna", "anna", "blue", moment)
    register.note(api, renewed)
    if at == "begin":
        assert expiry.begin(api, "anna", "anna", "blue", moment) is None
        assert replicas(api, "anna")["aleph"] == 3
    else:
        assert not expiry.end(api, "anna", begun)
    assert read(api, "anna") == renewed


def test_who_writes_at_the_same_time_is_left_alone(
    expiry: Any, api: Any, moment: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put(api, "anna")
    api.objects[f"{NAMESPACES}/anna"]["metadata"]["resourceVersion"] = "7"
    merge = api.merge

    def conflict(path: str, body: Any) -> Any:
        if body["metadata"].get("resourceVersion") == "7":
            raise in_cluster.RefusedError(409, "the object has been modified")
        return merge(path, body)

    monkeypatch.setattr(api, "merge", conflict)
    assert expiry.main(api, "blue", moment) == 0
    assert replicas(api, "anna")["aleph"] == 3
    assert "anna: its time is over, somebody else works on it at this moment" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("spec", "sleeps"),
    [
        pytest.param({"holderIdentity": "somebody", "renewTime": "2026-11-26T19:59:59.000000Z"}, False, id="at work"),
        pytest.param({"holderIdentity": "somebody", "renewTime": "2026-11-26T19:58:00.000000Z"}, True, id="it died"),
        pytest.param({"holderIdentity": None, "renewTime": None}, True, id="given back"),
        pytest.param({}, True, id="nothing"),
    ],
)
def test_a_stage_is_not_torn_from_under_who_takes_it(
    expiry: Any, api: Any, moment: Any, spec: dict[str, Any], sleeps: bool
) -> None:
    put(api, "anna")
    api.put("/apis/coordination.k8s.io/v1/namespaces/anna/leases/workshop-stage", spec=spec)
    expiry.main(api, "blue", moment)
    assert (read(api, "anna").state == "suspended") is sleeps


def test_a_deployment_that_its_student_removes_meanwhile_keeps_no_place_awake(
    expiry: Any, api: Any, moment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(api, "anna")
    merge = api.merge

    def gone(path: str, body: Any) -> Any:
        if path.endswith("/front"):
            api.objects.pop(path, None)
            raise KubernetesError("not found", 404)
        return merge(path, body)

    monkeypatch.setattr(api, "merge", gone)
    assert expiry.main(api, "blue", moment) == 0
    assert (read(api, "anna").state, replicas(api, "anna")["aleph"]) == ("suspended", 0)
    assert sleeping.end(api, "anna") == ["aleph"]


@pytest.mark.parametrize("error", [KeyError("no"), OSError("no"), KubernetesError("no", 403)], ids=repr)
def test_one_that_fails_hinders_no_other(
    expiry: Any,
    api: Any,
    moment: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
) -> None:
    put(api, "anna")
    put(api, "ben")
    apply = api.apply

    def refused(path: str, body: Any) -> Any:
        if "/anna/" in path:
            raise error
        return apply(path, body)

    monkeypatch.setattr(api, "apply", refused)
    assert expiry.main(api, "blue", moment) == 1
    told = capsys.readouterr().out
    assert "anna: its time is over, it does not sleep, and is tried again the next time" in told
    assert "ben: its time is over, it sleeps" in told
    monkeypatch.setattr(api, "apply", apply)
    assert expiry.main(api, "blue", moment) == 0
    assert read(api, "anna").state == "suspended"
