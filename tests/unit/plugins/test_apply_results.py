"""What kubernetes.core.k8s returns for several objects."""

from __future__ import annotations

from typing import Any

from ansible_collections.istio_games.workshop.plugins.filter.apply_results import apply_errors, unbound_claims

NO_NAMESPACE = {"error": {"msg": 'namespaces "staging" not found', "reason": "Not Found"}}
REFUSED = {"error": {"msg": "spec.replicas: Invalid value", "reason": "Unprocessable Entity"}}


def claim(phase: str) -> dict[str, Any]:
    return {"result": {"kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "status": {"phase": phase}}}


def several(*results: dict[str, Any]) -> dict[str, Any]:
    return {"result": {"results": list(results)}}


def test_only_a_missing_namespace_is_no_error() -> None:
    assert apply_errors(several({"result": {}}, NO_NAMESPACE)) == []
    assert apply_errors(several(NO_NAMESPACE, REFUSED)) == ["spec.replicas: Invalid value"]
    assert apply_errors(NO_NAMESPACE) == []
    assert apply_errors({"msg": "the module failed"}) == []


def test_claims_without_a_volume() -> None:
    assert unbound_claims(several(claim("Bound"), {"result": {"kind": "Service"}})) == []
    assert unbound_claims(several(claim("Pending"))) == ["data"]
    assert unbound_claims(claim("Pending")) == ["data"]
