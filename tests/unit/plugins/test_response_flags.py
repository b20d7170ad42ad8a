"""A failed request is explained by what the caller's proxy logged of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.response_flags import explanations

V03 = "outbound|80|v03|aleph.staging.svc.cluster.local"


def line(request_id: str, **fields: Any) -> str:
    return json.dumps({"request_id": request_id, "response_code": 503, **fields})


@pytest.mark.parametrize(
    ("fields", "explanation"),
    [
        (
            {"response_flags": "UH", "upstream_cluster": V03, "response_code_details": "no_healthy_upstream"},
            f"response flag UH: the subset has no healthy endpoint (cluster {V03}, no_healthy_upstream)",
        ),
        (
            {"response_flags": "NC", "upstream_cluster": None, "response_code_details": "cluster_not_found"},
            "response flag NC: the route leads to a cluster that is not there (no cluster, cluster_not_found)",
        ),
        (
            {"response_flags": "UF,URX", "upstream_cluster": V03},
            f"response flag UF: the endpoint could not be connected to, URX: every retry failed (cluster {V03})",
        ),
        ({"response_flags": "ZZ"}, "response flag ZZ: see the documentation of Envoy (no cluster)"),
        (
            {"response_flags": "-", "upstream_cluster": V03, "response_code_details": "via_upstream"},
            f"answered by the service (cluster {V03}, via_upstream)",
        ),
        ({"response_flags": "-", "upstream_cluster": V03}, f"answered by the service (cluster {V03})"),
        (
            {"response_flags": "-", "response_code_details": "direct_response"},
            "answered by the proxy itself (no cluster, direct_response)",
        ),
    ],
)
def test_a_flag_is_explained(fields: dict[str, Any], explanation: str) -> None:
    assert explanations(line("load-1", **fields), ["load-1"]) == {"load-1": explanation}


def test_other_lines_are_passed_over() -> None:
    log = "\n".join(
        [
            "2026-01-01T00:00:00Z info Envoy proxy is ready",
            "{broken",
            "[1]",
            '"text"',
            "null",
            "",
            line("other"),
            line("b"),
        ]
    )
    assert list(explanations(log, ["a", "b"])) == ["b"]
