"""Objects of any kind are read and written through the one client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible import constants
from tests.unit.plugins.k8s.conftest import ApiServer, kubeconfig

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import Objects

DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "aleph-v01", "namespace": "staging"}}
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "staging"}}


@pytest.fixture
def known(api_server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Objects:
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    return Objects(Api.connect(kubeconfig(tmp_path, api_server.url)))


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
    with pytest.raises(KubernetesError, match=r"applying Deployment staging/aleph-v01: spec\.selector is immutable"):
        known.apply(DEPLOYMENT, dry_run=False)


def test_a_kind_that_the_cluster_does_not_know_is_said(known: Objects) -> None:
    with pytest.raises(KubernetesError, match="knows no kind Widget of apps/v1"):
        known.apply(DEPLOYMENT | {"kind": "Widget"}, dry_run=False)
