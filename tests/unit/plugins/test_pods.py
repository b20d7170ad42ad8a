"""What keeps a pod from running."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.pods import not_ready, trouble


def container(**more: Any) -> dict[str, Any]:
    return {"name": "app", "image": "app:1", "ready": False, "restartCount": 0, **more}


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"phase": "Pending", "containerStatuses": [container(state={"waiting": {"reason": "ContainerCreating"}})]},
        {"phase": "Running", "containerStatuses": [container(ready=True, state={"running": {}})]},
        {"phase": "Succeeded", "containerStatuses": [container(state={"terminated": {"exitCode": 0}})]},
    ],
)
def test_on_its_way_is_no_trouble(status: dict[str, Any]) -> None:
    assert trouble({"status": status}) is None


@pytest.mark.parametrize(
    ("status", "sentence", "hopeless"),
    [
        (
            {"containerStatuses": [container(state={"waiting": {"reason": "ErrImageNeverPull", "message": "m"}})]},
            "image app:1 cannot be had (ErrImageNeverPull: m)",
            True,
        ),
        (
            {"containerStatuses": [container(state={"waiting": {"reason": "ImagePullBackOff", "message": "m"}})]},
            "image app:1 cannot be had (ImagePullBackOff: m)",
            False,
        ),
        (
            {
                "containerStatuses": [
                    container(state={"waiting": {"reason": "CreateContainerConfigError", "message": "m"}})
                ]
            },
            "container app does not start (CreateContainerConfigError: m)",
            True,
        ),
        (
            {"containerStatuses": [container(state={"terminated": {"exitCode": 137, "reason": "OOMKilled"}})]},
            "container app ended (killed for using more memory than its limit, exit code 137)",
            False,
        ),
        (
            {"initContainerStatuses": [container(state={"terminated": {"exitCode": 1}})]},
            "container app ended (exit code 1)",
            False,
        ),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "Insufficient cpu"}]},
            "no node takes it: Insufficient cpu",
            False,
        ),
        ({"phase": "Failed", "reason": "Evicted"}, "the pod failed: Evicted", True),
    ],
)
def test_trouble_is_said(status: dict[str, Any], sentence: str, hopeless: bool) -> None:
    found = trouble({"status": status})
    assert found is not None
    assert (found.sentence, found.hopeless) == (sentence, hopeless)


@pytest.mark.parametrize(("restarts", "hopeless"), [(1, False), (2, True)])
def test_a_first_crash_may_mend_itself(restarts: int, hopeless: bool) -> None:
    status = {
        "containerStatuses": [container(restartCount=restarts, state={"waiting": {"reason": "CrashLoopBackOff"}})]
    }
    found = trouble({"status": status})
    assert found is not None
    assert (found.hopeless, found.previous, found.container) == (hopeless, True, "app")


def test_not_ready_names_the_container() -> None:
    found = not_ready({"status": {"containerStatuses": [container(state={"running": {}})]}})
    assert found is not None
    assert found.sentence == "container app runs, but does not become ready"
    assert not_ready({"status": {"containerStatuses": [container(ready=True, state={"running": {}})]}}) is None


def test_an_init_container_prepares() -> None:
    pod = {
        "spec": {"initContainers": [{"name": "app"}]},
        "status": {"initContainerStatuses": [container(state={"running": {}})]},
    }
    found = not_ready(pod)
    assert found is not None
    assert found.sentence == "container app runs, but has not prepared the pod yet"


def test_what_ended_and_is_started_anew_is_trouble_only_when_it_is_late() -> None:
    pod = {
        "spec": {"restartPolicy": "Always"},
        "status": {"containerStatuses": [container(state={"terminated": {"exitCode": 255}})]},
    }
    assert trouble(pod) is None
    found = not_ready(pod)
    assert found is not None
    assert found.sentence == "container app ended (exit code 255)"
