"""Objects of any kind are read and written through the one client."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from ansible import constants
from tests.unit.plugins.k8s.conftest import ApiServer, kubeconfig

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import kubeconfig as kubeconfigs
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import (
    Api,
    KubernetesError,
    MissingKindError,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import Objects
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.transport import Patience, Transport

DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "aleph-v01", "namespace": "staging"},
}
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "staging"}}


class Clock:
    """A clock that sleeping moves, and what a person is told."""

    def __init__(self) -> None:
        self.now, self.said = 0.0, list[str]()

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def known(api_server: ApiServer, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Objects:
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    api = Api(Transport(*kubeconfigs.load(kubeconfig(tmp_path, api_server.url)), print, Patience(5, 2, 2)))
    # Whose deadlines are of another clock.
    monkeypatch.setattr(api, "until", lambda deadline: nullcontext())
    return Objects(api, clock.said.append, clock.sleep, lambda: clock.now)


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(
    ("manifest", "path"),
    [
        (DEPLOYMENT, "/apis/apps/v1/namespaces/staging/deployments/aleph-v01"),
        (NAMESPACE, "/api/v1/namespaces/staging"),
    ],
)
def test_a_manifest_is_applied_by_the_server_as_ours(
    api_server: ApiServer, known: Objects, manifest: dict[str, Any], path: str, dry_run: bool
) -> None:
    made = manifest | {"status": {"observedGeneration": 1}}
    api_server.answers[f"PATCH {path}"] = made
    assert known.apply(manifest, dry_run) == made
    (asked,) = api_server.of("PATCH")
    assert (asked.path, asked.body) == (path, manifest)
    assert asked.headers["content-type"] == "application/apply-patch+yaml"
    assert asked.query == {"fieldManager": "istio-workshop", "force": "true"} | ({"dryRun": "All"} if dry_run else {})


def test_a_refused_manifest_is_said(api_server: ApiServer, known: Objects) -> None:
    path = "/apis/apps/v1/namespaces/staging/deployments/aleph-v01"
    api_server.answers[f"PATCH {path}"] = (422, {"message": "spec.selector is immutable"})
    with pytest.raises(KubernetesError, match=r"applying Deployment staging/aleph-v01 \(422\): .* immutable"):
        known.apply(DEPLOYMENT, dry_run=False)


def test_a_list_is_read_from_every_namespace_or_one(api_server: ApiServer, known: Objects) -> None:
    items = {"kind": "DeploymentList", "apiVersion": "apps/v1", "items": [{"metadata": {"name": "a"}}]}
    api_server.answers |= {
        "GET /apis/apps/v1/deployments": items,
        "GET /apis/apps/v1/namespaces/staging/deployments": items,
    }
    for namespace in (None, "staging"):
        (item,) = known.list("Deployment", "apps/v1", namespace)
        assert (item["kind"], item["apiVersion"], item["metadata"]["name"]) == ("Deployment", "apps/v1", "a")


def test_an_annotation_is_changed_by_who_has_read_the_object(api_server: ApiServer, known: Objects) -> None:
    path = "/apis/apps/v1/namespaces/staging/deployments/aleph-v01"
    api_server.answers[f"PATCH {path}"] = DEPLOYMENT
    live = {**DEPLOYMENT, "metadata": {**DEPLOYMENT["metadata"], "resourceVersion": "7"}}
    known.merge(live, {"metadata": {"annotations": {"a": "1", "b": None}}}, dry_run=False)
    (asked,) = api_server.of("PATCH")
    assert asked.body == {"metadata": {"annotations": {"a": "1", "b": None}, "resourceVersion": "7"}}
    assert asked.headers["content-type"] == "application/merge-patch+json"
    api_server.answers[f"PATCH {path}"] = (409, {"message": "the object has been modified"})
    with pytest.raises(KubernetesError, match="Somebody else changed the object while changing") as refused:
        known.merge(live, {}, dry_run=False)
    assert refused.value.said == "the object has been modified"


@pytest.mark.parametrize(
    ("api_version", "kind", "sentence"),
    [
        ("apps/v1", "Widget", r"knows no kind Widget of apps/v1"),
        ("v1", "Widget", r"knows no kind Widget of v1"),
        ("networking.istio.io/v1", "DestinationRule", r"There is no mesh in this cluster"),
        ("nobody.example/v1", "Widget", r"knows no kind Widget of nobody\.example/v1"),
    ],
)
def test_a_kind_that_the_cluster_does_not_serve_is_said(
    known: Objects, api_version: str, kind: str, sentence: str
) -> None:
    with pytest.raises(MissingKindError, match=sentence):
        known.list(kind, api_version)


def test_a_kind_that_is_served_in_another_version_is_not_missing(api_server: ApiServer, known: Objects) -> None:
    api_server.answers["GET /apis/networking.istio.io"] = {"versions": [{"version": "v1beta1"}]}
    with pytest.raises(KubernetesError, match=r"serves networking\.istio\.io in v1beta1, not in v1: what") as old:
        known.list("DestinationRule")
    assert not isinstance(old.value, MissingKindError)


def test_what_is_gone_already_is_deleted(known: Objects) -> None:
    known.delete(DEPLOYMENT, dry_run=False)


def test_a_definition_that_went_is_a_missing_kind(known: Objects) -> None:
    with pytest.raises(MissingKindError, match="There is no mesh"):
        known.list("VirtualService")


@pytest.mark.parametrize("answer", [{}, [], {"kind": "APIGroupList", "groups": None}, {"kind": "x", "groups": [1]}])
def test_what_lists_no_kinds_is_no_api_server(api_server: ApiServer, tmp_path: Path, answer: Any) -> None:
    api_server.answers["GET /apis"] = (200, answer)
    with pytest.raises(KubernetesError, match=r"What answers at http://127\.0\.0\.1:\d+ is no Kubernetes API server"):
        Objects(Api.connect(kubeconfig(tmp_path, api_server.url))).list("Pod", "v1")


ROUTE: dict[str, Any] = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "VirtualService",
    "metadata": {"name": "aleph", "namespace": "staging", "labels": {}, "annotations": {}},
    "spec": {"hosts": ["aleph"]},
}
ROUTES = "/apis/networking.istio.io/v1/namespaces/staging/virtualservices"
WRITTEN = {**ROUTE, "metadata": {**ROUTE["metadata"], "resourceVersion": "8"}}
WEBHOOK = (500, {"message": 'Internal error occurred: failed calling webhook "validation.istio.io": refused'})


def test_an_object_is_made_or_replaced_as_it_was_read(api_server: ApiServer, known: Objects) -> None:
    api_server.answers |= {f"POST {ROUTES}": ROUTE, f"PUT {ROUTES}/aleph": ROUTE}
    known.write(ROUTE, None, dry_run=True)
    assert api_server.asked[-1].query == {"fieldManager": "istio-workshop", "dryRun": "All"}
    known.write(ROUTE, {**WRITTEN, "spec": {}}, dry_run=False)
    assert api_server.asked[-1].body["metadata"]["resourceVersion"] == "8"


def test_a_webhook_that_restarts_is_waited_for(api_server: ApiServer, known: Objects, clock: Clock) -> None:
    api_server.answers[f"POST {ROUTES}"] = [WEBHOOK, WEBHOOK, ROUTE]
    known.write(ROUTE, None, dry_run=False)
    assert clock.now == 2
    assert clock.said[0].startswith(
        "writing VirtualService staging/aleph: waiting for istiod, which must judge it first"
    )


def test_a_webhook_that_stays_away_is_said_by_the_clock(api_server: ApiServer, known: Objects, clock: Clock) -> None:
    api_server.answers[f"POST {ROUTES}"] = WEBHOOK
    with pytest.raises(KubernetesError, match=r"was given up after 90 s: .*failed calling webhook") as failed:
        known.write(ROUTE, None, dry_run=False)
    assert clock.now == 90
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize("done", [True, False])
def test_a_write_without_an_answer_is_looked_for_before_it_is_done_again(
    api_server: ApiServer, known: Objects, done: bool
) -> None:
    kept: list[dict[str, Any]] = []

    def cut_off(asked: Any) -> Any:
        if done or len(api_server.of("PUT")) > 1:
            kept.append(asked.body)
        if len(api_server.of("PUT")) == 1:
            raise ConnectionAbortedError
        return ROUTE

    api_server.answers |= {
        f"PUT {ROUTES}/aleph": cut_off,
        f"GET {ROUTES}/aleph": lambda _: WRITTEN if kept else {**WRITTEN, "spec": {}},
    }
    known.write(ROUTE, {**WRITTEN, "spec": {}}, dry_run=False)
    assert len(kept) == 1
    assert len(api_server.of("PUT")) == (1 if done else 2)


def test_who_has_written_in_between_is_not_overwritten(api_server: ApiServer, known: Objects) -> None:
    api_server.answers[f"PUT {ROUTES}/aleph"] = (409, {"message": "the object has been modified"})
    with pytest.raises(KubernetesError, match="Somebody else changed the object while writing VirtualService"):
        known.write(ROUTE, {**WRITTEN, "spec": {}}, dry_run=False)
