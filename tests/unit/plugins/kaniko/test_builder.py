"""What is built, what is not, and how a build that fails or was interrupted ends."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from ansible_collections.istio_games.workshop.plugins.module_utils.registry.api import Damage, RegistryError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.images.records import Record, Records
from ansible_collections.istio_games.workshop.plugins.plugin_utils.images.store import Store
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.kaniko import job as jobs
from ansible_collections.istio_games.workshop.plugins.plugin_utils.kaniko.builder import Builder
from ansible_collections.istio_games.workshop.plugins.plugin_utils.kaniko.context import Build
from ansible_collections.istio_games.workshop.plugins.plugin_utils.kaniko.job_objects import BuildError

PUSH = "registry.registry.svc:5000"
JOBS, PODS = "/apis/batch/v1/namespaces/build/jobs", "/api/v1/namespaces/build/pods"
CONTEXTS = "/api/v1/namespaces/build/configmaps"
TEMPLATE = {"spec": {"activeDeadlineSeconds": 900, "template": {"spec": {"containers": [{"args": ["--cache"]}]}}}}
FAILED = {"status": {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}}
COMPLETE = {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}


def build(image: str, tag: str, base: str = "python:3") -> Build:
    return Build(image, tag, "app/Dockerfile", ("app",), {"VERSION": tag, "PYTHON_BASE": base})


class Cluster:
    """Lets each Job do something when its builder next sleeps."""

    def __init__(self, api: Any, registry: Any, root: Path) -> None:
        self.api, self.registry, self.said = api, registry, list[str]()
        self.now = 0.0
        self.most_running = 0
        self.order: list[str] = []
        self.pushed = "sha256:" + "a" * 64
        self.cleared: list[str] = []
        self.behave: Callable[[Cluster, str], None] = Cluster.succeed
        (root / "app").mkdir()
        (root / "app/Dockerfile").write_text("FROM x\n")
        self.root = root

    def builder(self, parallel: int = 2) -> Builder:
        return Builder(
            self.api,
            self.registry,
            namespace="build",
            source=self.root,
            template=TEMPLATE,
            push_address=PUSH,
            parallel=parallel,
            records=Records(self.api, "build", "blue"),
            store=cast(Store, self),
            say=self.said.append,
            sleep=self.sleep,
            clock=lambda: self.now,
        )

    def clear_up(self) -> None:
        """As Store does: what is broken is gone then."""
        self.cleared += [name for name, damage in self.registry.damaged.items() if damage.broken]

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        running = [path for path, item in self.api.objects.items() if path.startswith(JOBS) and "status" not in item]
        self.most_running = max(self.most_running, len(running))
        for path in running:
            self.behave(self, path)

    def pod(self, path: str, log: str | None, **status: Any) -> None:
        name = path.rpartition("/")[2]
        self.api.put(f"{PODS}/{name}", metadata={"labels": {"batch.kubernetes.io/job-name": name}}, status=status)
        if log is not None:
            self.api.logs[f"{PODS}/{name}"] = log

    def succeed(self, path: str) -> None:
        item = self.api.objects[path]
        arguments = item["spec"]["template"]["spec"]["containers"][0]["args"]
        reference = next(a for a in arguments if a.startswith("--destination=")).removeprefix(f"--destination={PUSH}/")
        self.registry.images[reference] = self.pushed
        self.registry.damaged.pop(reference, None)
        self.order.append(reference)
        ended = {"name": "kaniko", "state": {"terminated": {"exitCode": 0, "message": self.pushed}}}
        self.pod(path, "INFO[0001] RUN pip install\nINFO[0002] RUN pip install\n", containerStatuses=[ended])
        item.update(COMPLETE)

    def fail(self, path: str) -> None:
        self.pod(path, "INFO[0001] RUN x\nerror building image: parsing dockerfile: dockerfile parse error\n")
        self.api.objects[path].update(FAILED)


@pytest.fixture
def cluster(api: Any, registry: Any, tmp_path: Path) -> Cluster:
    return Cluster(api, registry, tmp_path)


def test_what_is_missing_is_built_once(cluster: Cluster) -> None:
    wanted = [build("aleph", "0.1"), build("aleph", "0.3")]
    assert list(cluster.builder().ensure(wanted).built) == ["aleph:0.1", "aleph:0.3"]
    again = cluster.builder().ensure(wanted)
    assert again.built == {}
    assert again.up_to_date == ["aleph:0.1", "aleph:0.3"]
    assert not [path for path in cluster.api.objects if path.startswith((JOBS, CONTEXTS.replace("configmaps", "x")))]


def test_a_changed_source_is_built_again_and_another_image_is_not(cluster: Cluster) -> None:
    (cluster.root / "other").mkdir()
    (cluster.root / "other/Dockerfile").write_text("FROM y\n")
    other = Build("beth", "0.1", "other/Dockerfile", ("other",))
    cluster.builder().ensure([build("aleph", "0.1"), other])
    (cluster.root / "app/Dockerfile").write_text("FROM x\n# changed\n")
    result = cluster.builder().ensure([build("aleph", "0.1"), other])
    assert list(result.built) == ["aleph:0.1"]
    assert result.up_to_date == ["beth:0.1"]


def test_a_base_of_our_own_is_named_by_its_digest(cluster: Cluster) -> None:
    wanted = [build("aleph", "0.1", base=f"{PUSH}/python:3"), build("beth", "0.1", base="python:3")]
    cluster.registry.images["python:3"] = "sha256:base"
    bases: list[str] = []

    def note(self: Cluster, path: str) -> None:
        arguments = self.api.objects[path]["spec"]["template"]["spec"]["containers"][0]["args"]
        bases.append(next(a for a in arguments if "PYTHON_BASE" in a).rpartition("=")[2])
        self.succeed(path)

    cluster.behave = note
    cluster.builder().ensure(wanted)
    assert sorted(bases) == ["python:3", f"{PUSH}/python:3@sha256:base"]
    assert cluster.builder().ensure(wanted).built == {}
    cluster.registry.images["python:3"] = "sha256:newer"
    assert list(cluster.builder().ensure(wanted).built) == ["aleph:0.1"]


def test_a_base_without_a_tag_is_the_latest(cluster: Cluster) -> None:
    cluster.registry.images["team/python:latest"] = "sha256:base"
    cluster.builder().ensure([build("aleph", "0.1", base=f"{PUSH}/team/python")])
    assert cluster.order == ["aleph:0.1"]


@pytest.mark.parametrize("there", [True, False])
def test_a_base_that_cannot_be_had_is_told_before_anything_is_built(cluster: Cluster, there: bool) -> None:
    if there:
        cluster.registry.images["python:3"] = "sha256:base"
        cluster.registry.damaged["python:3"] = Damage("its blob sha256:b is missing")
    why = "its blob sha256:b is missing" if there else "there is no such tag"
    sentence = rf"aleph:0\.1 cannot be built: its base image python:3 cannot be had .* \({why}\)\. .*registry\.yml"
    wanted = [build("aleph", "0.1", base=f"{PUSH}/python:3")]
    with pytest.raises(BuildError, match=sentence):
        cluster.builder().ensure(wanted)
    assert cluster.api.requests == []
    assert list(cluster.builder().ensure(wanted, check_mode=True).built) == ["aleph:0.1"]


@pytest.mark.parametrize(
    ("damage", "cleared"),
    [
        (Damage("its blob sha256:b has 0 of 5 bytes", broken=True), ["aleph:0.1"]),
        (Damage("its blob sha256:b is missing"), []),
    ],
)
def test_an_image_that_is_damaged_is_built_again(cluster: Cluster, damage: Damage, cleared: list[str]) -> None:
    wanted = [build("aleph", "0.1"), build("aleph", "0.3")]
    cluster.builder().ensure(wanted)
    cluster.registry.damaged["aleph:0.1"] = damage
    assert list(cluster.builder().ensure(wanted, check_mode=True).built) == ["aleph:0.1"]
    assert cluster.cleared == []
    assert list(cluster.builder().ensure(wanted).built) == ["aleph:0.1"]
    assert cluster.cleared == cleared
    assert f"aleph:0.1 is built again: {damage.sentence}" in cluster.said
    assert cluster.builder().ensure(wanted).built == {}


def test_an_image_that_somebody_else_has_pushed_under_our_tag_is_built_again(cluster: Cluster) -> None:
    cluster.builder().ensure([build("aleph", "0.1")])
    cluster.registry.images["aleph:0.1"] = "sha256:somebodys"
    assert list(cluster.builder().ensure([build("aleph", "0.1")]).built) == ["aleph:0.1"]
    cluster.registry.images.clear()
    assert list(cluster.builder().ensure([build("aleph", "0.1")]).built) == ["aleph:0.1"]


def test_what_was_pushed_is_written_down_when_the_registry_holds_it(cluster: Cluster) -> None:
    def broken(self: Cluster, path: str) -> None:
        self.succeed(path)
        self.registry.damaged["aleph:0.1"] = Damage("its blob sha256:b has 0 of 5 bytes", broken=True)

    cluster.behave = broken
    with pytest.raises(
        BuildError, match=r"aleph:0\.1 was built and pushed, but the registry does not hold it: its blob"
    ):
        cluster.builder().ensure([build("aleph", "0.1")])
    assert Records(cluster.api, "build").find("aleph", "0.1") is None
    cluster.behave = Cluster.succeed
    cluster.builder().ensure([build("aleph", "0.1")])
    written = Records(cluster.api, "build").find("aleph", "0.1")
    assert written
    assert written.digest == cluster.pushed


@pytest.mark.parametrize("message", ["", "sha256:short", "oops"])
def test_a_pod_that_does_not_say_what_it_pushed_is_told(cluster: Cluster, message: str) -> None:
    cluster.pushed = message
    with pytest.raises(BuildError, match="its pod does not say what it pushed: run the same command again"):
        cluster.builder().ensure([build("aleph", "0.1")])


def test_tags_of_one_image_follow_each_other_and_images_run_side_by_side(cluster: Cluster) -> None:
    wanted = [build("front", "0.3"), *[build("aleph", tag) for tag in ("0.1", "0.2", "0.3")], build("beth", "0.1")]
    cluster.builder(parallel=2).ensure(wanted)
    assert cluster.most_running == 2
    assert [item for item in cluster.order if item.startswith("aleph")] == ["aleph:0.1", "aleph:0.2", "aleph:0.3"]
    assert sorted(cluster.order) == sorted(item.reference for item in wanted)


def test_an_image_that_is_begun_is_ended_before_the_next(cluster: Cluster) -> None:
    """So that the one with most versions does not end last."""
    wanted = [build("front", "0.3"), *[build("aleph", tag) for tag in ("0.1", "0.2", "0.3")], build("beth", "0.1")]
    cluster.builder(parallel=1).ensure(wanted)
    assert cluster.order == ["aleph:0.1", "aleph:0.2", "aleph:0.3", "front:0.3", "beth:0.1"]


def test_progress_is_said_once(cluster: Cluster) -> None:
    cluster.builder().ensure([build("aleph", "0.1")])
    assert cluster.said == ["aleph:0.1: building", "aleph:0.1: RUN pip install", "aleph:0.1: built and pushed in 1 s"]


def test_check_mode_makes_nothing(cluster: Cluster) -> None:
    assert list(cluster.builder().ensure([build("aleph", "0.1")], check_mode=True).built) == ["aleph:0.1"]
    assert cluster.api.requests == []
    cluster.builder().ensure([build("aleph", "0.1")])
    cluster.registry.unreachable = True
    assert list(cluster.builder().ensure([build("aleph", "0.1")], check_mode=True).built) == ["aleph:0.1"]
    with pytest.raises(RegistryError):
        cluster.builder().ensure([build("aleph", "0.1")])


def test_a_failing_build_names_image_reason_and_log_at_once(cluster: Cluster) -> None:
    cluster.behave = Cluster.fail
    with pytest.raises(BuildError) as failure:
        cluster.builder().ensure([build("aleph", "0.1"), build("aleph", "0.3")])
    text = str(failure.value)
    assert text.startswith("aleph:0.1 was not built: its Dockerfile cannot be read (")
    assert "  RUN x\n" in text
    assert "kubectl logs -n build job/aleph-0-1-" in text
    assert cluster.now == 1


def test_a_failed_job_is_replaced_by_the_next_run(cluster: Cluster) -> None:
    cluster.behave = Cluster.fail
    with pytest.raises(BuildError):
        cluster.builder().ensure([build("aleph", "0.1")])
    cluster.behave = Cluster.succeed
    assert list(cluster.builder().ensure([build("aleph", "0.1")]).built) == ["aleph:0.1"]


def interrupted(cluster: Cluster) -> None:
    def stop(self: Cluster, path: str) -> None:
        raise KeyboardInterrupt

    cluster.behave = stop
    with pytest.raises(KeyboardInterrupt):
        cluster.builder().ensure([build("aleph", "0.1")])
    cluster.behave = Cluster.succeed


def test_an_interrupted_runs_job_is_followed(cluster: Cluster) -> None:
    interrupted(cluster)
    cluster.api.requests.clear()
    assert list(cluster.builder().ensure([build("aleph", "0.1")]).built) == ["aleph:0.1"]
    assert [path for verb, path in cluster.api.requests if verb == "create" and path.startswith(JOBS)] == []
    assert "aleph:0.1: is being built by a run before this one, which it follows" in cluster.said


@pytest.mark.parametrize(("status", "followed"), [(409, True), (403, False)])
def test_a_build_that_another_run_has_just_begun_is_followed(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, status: int, followed: bool
) -> None:
    create = cluster.api.create

    def quicker(path: str, body: dict[str, Any]) -> dict[str, Any]:
        if path == JOBS:
            create(path, body)
            raise KubernetesError("it is there", status)
        made: dict[str, Any] = create(path, body)
        return made

    monkeypatch.setattr(cluster.api, "create", quicker)
    if followed:
        assert list(cluster.builder().ensure([build("aleph", "0.1")]).built) == ["aleph:0.1"]
        assert "aleph:0.1: another run has just begun it, and is followed" in cluster.said
    else:
        with pytest.raises(KubernetesError, match="it is there"):
            cluster.builder().ensure([build("aleph", "0.1")])


@pytest.mark.parametrize(("deadline", "ends"), [(900, 960), (None, 3660)])
def test_a_job_that_never_ends_is_given_up_after_its_own_time_and_a_minute(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, deadline: int | None, ends: int
) -> None:
    monkeypatch.setitem(TEMPLATE["spec"], "activeDeadlineSeconds", deadline)

    def hangs(self: Cluster, path: str) -> None:
        self.pod(path, "INFO[0001] RUN sleep\n")

    cluster.behave = hangs
    with pytest.raises(BuildError, match=r"aleph:0\.1 was not built: its Job does not end\."):
        cluster.builder().ensure([build("aleph", "0.1")])
    assert cluster.now == pytest.approx(ends, abs=2)


def test_an_interrupted_runs_job_of_other_sources_is_stopped(cluster: Cluster) -> None:
    interrupted(cluster)
    left = {path for path in cluster.api.objects if path.startswith((JOBS, CONTEXTS))}
    assert len(left) == 2
    assert [cluster.api.objects[path]["immutable"] for path in left if path.startswith(CONTEXTS)] == [True]
    (cluster.root / "app/Dockerfile").write_text("FROM z\n")
    assert list(cluster.builder().ensure([build("aleph", "0.1")]).built) == ["aleph:0.1"]
    assert left & set(cluster.api.objects) == set()


def test_a_context_without_its_job_is_removed(cluster: Cluster) -> None:
    cluster.api.put(f"{CONTEXTS}/left", metadata={"labels": {jobs.IMAGE_LABEL: "beth"}})
    cluster.api.put(f"{CONTEXTS}/kube-root-ca.crt")
    cluster.builder().ensure([build("aleph", "0.1")])
    contexts = {path.rpartition("/")[2] for path in cluster.api.objects if path.startswith(CONTEXTS)}
    assert "left" not in contexts
    assert "kube-root-ca.crt" in contexts


def test_a_job_that_another_run_has_ended_is_done(cluster: Cluster) -> None:
    def end(self: Cluster, path: str) -> None:
        self.succeed(path)
        name = path.rpartition("/")[2]
        source = next(
            argument.partition("source-digest=")[2]
            for argument in self.api.objects[path]["spec"]["template"]["spec"]["containers"][0]["args"]
            if argument.startswith("--label=")
        )
        Records(self.api, "build").write("aleph", "0.1", Record(self.pushed, source))
        self.api.delete(path)
        self.api.delete(f"{PODS}/{name}")

    cluster.behave = end
    assert list(cluster.builder().ensure([build("aleph", "0.1")]).built) == ["aleph:0.1"]


def test_a_job_that_somebody_deleted_is_named(cluster: Cluster) -> None:
    cluster.behave = lambda self, path: self.api.delete(path)
    with pytest.raises(BuildError, match=r"aleph:0\.1 was not built: somebody deleted its Job aleph-0-1-"):
        cluster.builder().ensure([build("aleph", "0.1")])


def test_a_build_that_takes_too_long_says_so(cluster: Cluster) -> None:
    def late(self: Cluster, path: str) -> None:
        self.pod(path, "INFO[0001] RUN sleep\n")
        condition = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}
        self.api.objects[path]["status"] = {"conditions": [condition]}

    cluster.behave = late
    with pytest.raises(BuildError, match="it took longer than 900 s"):
        cluster.builder().ensure([build("aleph", "0.1")])


@pytest.mark.parametrize(("reason", "seconds"), [("InvalidImageName", 1), ("ErrImagePull", 31)])
def test_a_pod_that_cannot_start_is_explained(cluster: Cluster, reason: str, seconds: float) -> None:
    def stuck(self: Cluster, path: str) -> None:
        waiting = {"name": "kaniko", "image": "kaniko:1", "state": {"waiting": {"reason": reason, "message": "why"}}}
        self.pod(path, None, containerStatuses=[waiting])

    cluster.behave = stuck
    with pytest.raises(BuildError, match=rf"image kaniko:1 cannot be had \({reason}: why\)"):
        cluster.builder().ensure([build("aleph", "0.1")])
    assert cluster.now == seconds


def test_a_quota_is_said_though_there_is_no_pod(cluster: Cluster) -> None:
    def never(self: Cluster, path: str) -> None:
        name = path.rpartition("/")[2]
        event = {"type": "Warning", "reason": "FailedCreate", "message": "exceeded quota: q"}
        about = {"kind": "Job", "name": name}
        self.api.put("/api/v1/namespaces/build/events/e", involvedObject=about, **event)

    cluster.behave = never
    with pytest.raises(BuildError, match=r"aleph:0\.1 was not built: exceeded quota: q \(FailedCreate\)\."):
        cluster.builder().ensure([build("aleph", "0.1")])
    assert cluster.now == 31
    assert "aleph:0.1: building: exceeded quota: q (FailedCreate)" in cluster.said


NO_NODE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes are available"}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (None, "nobody makes a pod for its Job"),
        ({"conditions": [NO_NODE]}, "no node takes it: 0/2 nodes are available"),
    ],
)
def test_a_build_that_no_pod_runs_ends_within_a_minute_and_runs_no_more(
    cluster: Cluster, status: dict[str, Any] | None, reason: str
) -> None:
    cluster.behave = lambda self, path: self.pod(path, None, **status) if status else None
    with pytest.raises(BuildError, match=rf"aleph:0\.1 was not built: {reason}\.") as failure:
        cluster.builder().ensure([build("aleph", "0.1")])
    assert cluster.now <= 60, failure.value
    assert not [path for path in cluster.api.objects if path.startswith((JOBS, PODS))]


def test_the_build_that_is_given_up_is_stopped_and_what_runs_beside_it_is_not(cluster: Cluster) -> None:
    """The next run follows the other one."""
    cluster.behave = lambda self, path: self.pod(path, None, conditions=[NO_NODE]) if "/aleph-" in path else None
    with pytest.raises(BuildError, match=r"aleph:0\.1 was not built"):
        cluster.builder().ensure([build("aleph", "0.1"), build("beth", "0.1")])
    left = [path.rpartition("/")[2] for path in cluster.api.objects if path.startswith(JOBS)]
    assert [name[:8] for name in left] == ["beth-0-1"]


def test_a_context_of_other_sources_goes_with_what_was_built_from_it(cluster: Cluster) -> None:
    """Also where another run's Job of that name hides it from the look at the beginning."""
    name = "aleph-0-1-old"
    labels = {jobs.IMAGE_LABEL: "aleph", jobs.TAG_LABEL: "0.1"}
    cluster.api.put(f"{CONTEXTS}/{name}", metadata={"labels": labels})
    cluster.api.put(f"{JOBS}/{name}", metadata={"labels": labels})
    assert list(cluster.builder().ensure([build("aleph", "0.1")]).built) == ["aleph:0.1"]
    assert not [path for path in cluster.api.objects if path.endswith(name)]


REFUSED = "error checking push permissions: dial tcp 10.0.0.9:5000: connect: connection refused"


def refused_until(seconds: float) -> Callable[[Cluster, str], None]:
    def behave(self: Cluster, path: str) -> None:
        if self.now >= seconds:
            self.succeed(path)
            return
        self.pod(path, f"INFO[0000] Retrieving image manifest x\n{REFUSED}\n")
        self.api.objects[path].update(FAILED)

    return behave


def test_a_build_that_the_registry_refuses_is_tried_again(cluster: Cluster) -> None:
    cluster.behave = refused_until(100)
    assert list(cluster.builder().ensure([build("aleph", "0.1")]).built) == ["aleph:0.1"]
    assert 100 <= cluster.now < 110
    assert any("is tried again, since the image cannot be pushed (error" in line for line in cluster.said), cluster.said


def test_a_registry_that_refuses_for_good_ends_the_build(cluster: Cluster) -> None:
    cluster.behave = refused_until(1000)
    with pytest.raises(BuildError, match="connection refused"):
        cluster.builder().ensure([build("aleph", "0.1")])
    assert 120 <= cluster.now < 130


def test_a_silent_api_server_does_not_end_a_build(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    find = cluster.api.find

    def silent(path: str) -> Any:
        if path.startswith(JOBS) and 1 <= cluster.now < 60:
            raise KubernetesError("no answer", transient=True)
        return find(path)

    monkeypatch.setattr(cluster.api, "find", silent)
    assert list(cluster.builder().ensure([build("aleph", "0.1")]).built) == ["aleph:0.1"]
    assert cluster.now == 60


def test_a_build_that_could_not_be_begun_is_begun_later(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    create = cluster.api.create

    def silent(path: str, body: Any) -> Any:
        if cluster.now < 60:
            raise KubernetesError("no answer", transient=True)
        return create(path, body)

    monkeypatch.setattr(cluster.api, "create", silent)
    wanted = [build("aleph", "0.1"), build("aleph", "0.2"), build("beth", "0.1")]
    assert sorted(cluster.builder().ensure(wanted).built) == ["aleph:0.1", "aleph:0.2", "beth:0.1"]


def test_what_does_not_go_is_said(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(cluster)
    (cluster.root / "app/Dockerfile").write_text("FROM z\n")
    monkeypatch.setattr(cluster.api, "delete", lambda path, grace_seconds=None: None)
    with pytest.raises(BuildError, match=r"Job aleph-0-1-\w+ was not gone after 30 s, and could still push"):
        cluster.builder().ensure([build("aleph", "0.1")])


def test_a_job_has_its_builds_own_arguments_beside_the_roles() -> None:
    manifest = jobs.job(TEMPLATE, build("aleph", "0.1"), "sha256:abc", PUSH)
    assert manifest["spec"]["template"]["spec"]["containers"][0]["args"] == [
        "--cache",
        "--context=tar:///ctx/context.tar.gz",
        "--dockerfile=app/Dockerfile",
        f"--destination={PUSH}/aleph:0.1",
        "--label=workshop.source-digest=sha256:abc",
        "--digest-file=/dev/termination-log",
        "--build-arg=PYTHON_BASE=python:3",
        "--build-arg=VERSION=0.1",
    ]
    assert "metadata" not in TEMPLATE


def test_a_long_name_stays_a_valid_one() -> None:
    name = jobs.job_name(build("istio-games-" + "x" * 80, "0.3_RC.1"), "sha256:" + "a" * 64)
    assert len(name) <= 53
    assert name.endswith("-" + "a" * 12)


def test_long_names_that_begin_alike_are_different_jobs() -> None:
    """Two services of the same sources: their digest is the same."""
    names = {jobs.job_name(build("istio-games-" + "x" * 60 + end, "0.1"), "sha256:" + "a" * 64) for end in "ab"}
    assert len(names) == 2


@pytest.mark.parametrize(
    ("image", "tag"), [("team/aleph", "0.1"), ("a" * 64, "0.1"), ("aleph", "1.0-RC1-"), ("aleph", "t" * 128)]
)
def test_a_name_that_no_label_can_hold_is_labelled_all_the_same(cluster: Cluster, image: str, tag: str) -> None:
    wanted = build(image, tag)
    for value in jobs.labels(wanted).values():
        assert re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", value)
    manifest = jobs.job(TEMPLATE, wanted, "sha256:abc", PUSH)
    assert manifest["metadata"]["labels"] == jobs.labels(wanted)
    cluster.api.put(f"{JOBS}/older", metadata={"labels": jobs.labels(wanted)})
    cluster.builder().ensure([wanted])
    assert ("delete", f"{JOBS}/older") in cluster.api.requests
