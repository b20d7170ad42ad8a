"""A cluster that cannot be used is explained in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.plugins.k8s.conftest import ApiServer, kubeconfig

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError


@pytest.fixture
def api(api_server: ApiServer, tmp_path: Path) -> Api:
    return Api.connect(kubeconfig(tmp_path, api_server.url))


def test_objects_lists_and_texts_are_read(api: Api, api_server: ApiServer) -> None:
    api_server.answers |= {"GET /api/v1/x": {"items": [{}]}, "GET /api/v1/log": b"a log\n"}
    assert api.items("/api/v1/x", labelSelector="a=b") == [{}]
    assert api_server.asked[-1].query == {"labelSelector": "a=b"}
    assert api_server.asked[-1].headers["authorization"] == "Bearer t"
    assert api.find("/api/v1/missing") is None
    assert api.text("/api/v1/log") == "a log\n"


def test_objects_are_written(api: Api, api_server: ApiServer) -> None:
    api_server.answers |= {"POST /api/v1/x": {"made": 1}, "PATCH /api/v1/x": {"changed": 1}}
    assert api.create("/api/v1/x", {"a": 1}) == {"made": 1}
    assert api.merge("/api/v1/x", {"a": 1}) == {"changed": 1}
    assert api_server.asked[-1].headers["content-type"] == "application/merge-patch+json"
    api.delete("/api/v1/missing", grace_seconds=0)
    assert api_server.asked[-1].query == {"propagationPolicy": "Background", "gracePeriodSeconds": "0"}


def test_a_refusal_carries_status_and_reason(api: Api, api_server: ApiServer) -> None:
    api_server.answers["POST /api/v1/x"] = (409, {"message": "x exists"})
    with pytest.raises(KubernetesError, match=r"refused POST /api/v1/x \(409\): x exists") as refused:
        api.create("/api/v1/x", {})
    assert (refused.value.status, refused.value.said) == (409, "x exists")


def test_a_missing_kubeconfig_is_said(tmp_path: Path) -> None:
    with pytest.raises(KubernetesError, match=r"There is no kubeconfig at .*: make the cluster first"):
        Api.connect(str(tmp_path / "none"))


@pytest.mark.parametrize("text", ["", "a: [", "a: 1", "apiVersion: v1\nkind: Config\ncurrent-context: x\n"])
def test_a_broken_kubeconfig_is_said(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(KubernetesError, match="cannot be used"):
        Api.connect(str(path))


@pytest.mark.parametrize("text", ["- a\n", "hello", "clusters: 5"])
def test_what_is_no_kubeconfig_is_said(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(KubernetesError, match=r"is no kubeconfig: name one|cannot be used: Invalid kube-config"):
        Api.connect(str(path))


@pytest.mark.parametrize(
    ("server", "good"),
    [
        ("https://[::1]:6443", True),
        ("http://cluster.example", True),
        ("127.0.0.1:6443", False),
        ("", False),
        ("ftp://a", False),
        ("https://", False),
        ("https://127.0.0.1:99999", False),
        ("https://a:b", False),
    ],
)
def test_a_server_that_is_no_address_is_said(tmp_path: Path, server: str, good: bool) -> None:
    path = tmp_path / "kubeconfig"
    cluster = f"{{name: a, cluster: {{server: '{server}'}}}}"
    path.write_text(f"{{clusters: [{cluster}], contexts: [{{name: a, context: {{cluster: a}}}}], current-context: a}}")
    if good:
        assert Api.connect(str(path)).server == server
        return
    with pytest.raises(KubernetesError, match=r"names the server .*, but must name one such as https://192"):
        Api.connect(str(path))
