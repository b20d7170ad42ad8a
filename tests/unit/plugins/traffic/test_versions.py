"""The Deployments of versions: which image, how many pods, and what others own of them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest
from tests.unit.plugins.traffic.conftest import deployment

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.images.images import Images
from ansible_collections.istio_games.workshop.plugins.plugin_utils.images.records import Records
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import versions as module
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.live import Version
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.versions import IMAGE, Versions

OLD, NEW = Version("aleph", "0.1"), Version("aleph", "0.3")
PATH = "/apis/apps/v1/namespaces/staging/deployments"
NAME = "127.0.0.1:32000/istio-games-aleph"
NOTED = f"{NAME}:0.1@sha256:as-it-was-left"
BUILT = "sha256:as-it-was-built"
FRESH = f"{NAME}:0.1@{BUILT}"


def manifest(tag: str) -> dict[str, Any]:
    made = deployment(tag)
    del made["status"]
    made = {"apiVersion": "apps/v1", "kind": "Deployment", **made}
    made["spec"]["template"]["spec"]["containers"][0]["image"] = f"{NAME}:{tag}"
    return made


def live(image: str = NOTED, noted: str | None = NOTED, replicas: int = 1, owner: str = "istio-workshop") -> Any:
    made = deployment("0.1")
    made["spec"]["template"]["spec"]["containers"][0]["image"] = image
    made["spec"]["replicas"] = replicas
    made["metadata"]["annotations"] = {"somebody": "here", **({IMAGE: noted} if noted else {})}
    fields: dict[str, Any] = {"f:spec": {"f:replicas": {}}}
    made["metadata"]["managedFields"] = [{"manager": owner, "operation": "Update", "fieldsV1": fields}]
    return made


class Applied:
    """Takes what is applied, as it is."""

    def __init__(self) -> None:
        self.manifests: list[dict[str, Any]] = []
        self.dry: list[bool] = []

    def apply(self, manifest: Mapping[str, Any], dry_run: bool) -> dict[str, Any]:
        self.manifests.append(copy.deepcopy(dict(manifest)))
        self.dry.append(dry_run)
        return dict(manifest)

    @property
    def image(self) -> str:
        return str(self.manifests[-1]["spec"]["template"]["spec"]["containers"][0]["image"])


@pytest.fixture
def applied() -> Applied:
    return Applied()


@pytest.fixture
def make(api: Any, registry: Any, applied: Applied) -> Any:
    def of(*there: Any, check_mode: bool = False) -> Versions:
        for item in there:
            api.put(f"{PATH}/{item['metadata']['name']}", **copy.deepcopy(item))
        objects: Any = applied
        images = Images(Records(api, "build"), registry)
        return Versions(api, objects, images, "staging", [manifest("0.1")], there, print, check_mode=check_mode)

    return of


@pytest.mark.parametrize(
    ("there", "image", "asked"),
    [
        (live(), NOTED, False),
        # Somebody has set another image: what it was left with counts.
        (live(image=f"{NAME}:0.4"), NOTED, False),
        (live(image="busybox"), NOTED, False),
        # Nothing is noted, and the image has a digest: it is the one.
        (live(noted=None), NOTED, False),
        (live(image=f"{NAME}:0.1", noted=None), FRESH, True),
        (live(image=f"{NAME}:0.4@sha256:x", noted=None), FRESH, True),
        # The note is of another version, or of none.
        (live(noted=f"{NAME}:0.4@sha256:x"), FRESH, True),
        (live(noted=f"{NAME}:0.1"), FRESH, True),
        (None, FRESH, True),
    ],
)
def test_the_image_is_the_one_that_it_was_left_with(
    make: Any, registry: Any, applied: Applied, there: Any, image: str, asked: bool
) -> None:
    versions = make(*([there] if there else []))
    if asked:
        with pytest.raises(WorkshopError, match=r"istio-games-aleph:0\.1 is not in the registry at .*\. Build it"):
            versions.bring([OLD])
    registry.images["istio-games-aleph:0.1"] = BUILT
    registry.unreachable = not asked
    versions.bring([OLD])
    assert applied.image == image
    assert applied.manifests[-1]["metadata"]["annotations"] == {IMAGE: image}
    assert versions.changed == ["Deployment staging/aleph-v01"]


@pytest.mark.parametrize(
    ("there", "replicas"),
    [
        (None, 1),
        (live(replicas=3), 3),
        (live(replicas=3, owner="kubectl"), None),
        (live(replicas=3, owner="kube-controller-manager"), None),
        # A version that must run is brought back, whoever has sent it to sleep.
        (live(replicas=0), 1),
        (live(replicas=0, owner="kubectl"), 1),
    ],
)
def test_the_number_of_pods_is_its_owners(
    make: Any, registry: Any, applied: Applied, there: Any, replicas: int | None
) -> None:
    registry.images["istio-games-aleph:0.1"] = BUILT
    make(*([there] if there else [])).bring([OLD])
    assert applied.manifests[-1]["spec"].get("replicas") == replicas


def test_what_has_happened_since_the_first_look_counts(make: Any, api: Any, applied: Applied) -> None:
    """Somebody scales it while the routes are pinned."""
    versions = make(live())
    api.put(f"{PATH}/aleph-v01", **live(replicas=4))
    versions.bring([OLD])
    assert applied.manifests[-1]["spec"]["replicas"] == 4


@pytest.mark.parametrize("there", [live(), live(image="busybox")])
def test_a_deployment_that_is_not_as_it_must_be_differs(make: Any, applied: Applied, there: Any) -> None:
    versions = make(there)
    wanted = manifest("0.1")["spec"]
    wanted["template"]["spec"]["containers"][0]["image"] = NOTED
    assert versions.differing() == ([] if there["spec"] == wanted else ["aleph-v01"])
    assert applied.dry == [True]


def test_a_deployment_without_our_label_differs(make: Any) -> None:
    there = live()
    there["spec"] = manifest("0.1")["spec"]
    there["spec"]["template"]["spec"]["containers"][0]["image"] = NOTED
    assert make(there).differing() == []
    there["metadata"]["labels"].pop("app.kubernetes.io/managed-by")
    assert make(there).differing() == ["aleph-v01"]


def test_what_is_not_asked_for_does_not_differ(make: Any, applied: Applied) -> None:
    assert make(deployment("0.3")).differing() == []
    assert applied.manifests == []


@pytest.mark.parametrize("check_mode", [False, True])
def test_check_mode_applies_nothing(make: Any, applied: Applied, check_mode: bool) -> None:
    make(live(), check_mode=check_mode).bring([OLD])
    assert applied.dry == [check_mode]


def test_a_version_that_nobody_has_described_is_told(make: Any) -> None:
    with pytest.raises(WorkshopError, match="nothing to make the Deployment aleph-v03 of: is its version in"):
        make().bring([NEW])


def test_versions_are_removed_once(make: Any, api: Any) -> None:
    versions = make(live())
    versions.remove([OLD, NEW])
    assert api.requests == [("delete", f"{PATH}/aleph-v01")]
    assert versions.changed == ["Deployment staging/aleph-v01"]


def test_all_are_waited_for_together(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[tuple[list[str], float]] = []

    class Waits:
        def __init__(self, *_: Any) -> None:
            pass

        def wait(self, names: list[str], timeout: float) -> None:
            waited.append((names, timeout))

    monkeypatch.setattr(module, "Rollouts", Waits)
    make().wait([OLD, NEW])
    assert waited == [(["aleph-v01", "aleph-v03"], 180)]
