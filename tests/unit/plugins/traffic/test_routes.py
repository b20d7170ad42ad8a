"""Routes as a VirtualService asks for them, and as an Envoy of Istio 1.31 holds them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit.plugins.traffic.conftest import goal

from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import routes
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import (
    DEVELOPER_COOKIE,
    virtual_service,
)

ALEPH = "aleph.staging.svc.cluster.local"


def cluster(subset: str) -> str:
    return routes.cluster_name("aleph", "staging", 80, subset)


def matching(header: str, pattern: str) -> dict[str, Any]:
    return {"prefix": "/", "headers": [{"name": header, "string_match": {"safe_regex": {"regex": pattern}}}]}


def dump(*held: dict[str, Any]) -> dict[str, Any]:
    """What /config_dump answers, with a virtual host for another service before it."""
    other = {"name": "beth", "domains": ["beth.staging.svc.cluster.local"], "routes": []}
    aleph = {"name": f"{ALEPH}:80", "domains": [ALEPH, "aleph", "10.96.156.53"], "routes": list(held)}
    return {"configs": [{"route_config": {"name": "80", "virtual_hosts": [other, aleph]}}, {}]}


MIRRORED = {
    "match": matching(":method", "GET|HEAD|OPTIONS"),
    "route": {
        "cluster": cluster("v01"),
        "request_mirror_policies": [
            {
                "cluster": cluster("v03"),
                "runtime_fraction": {"default_value": {"numerator": 1000000, "denominator": "MILLION"}},
            }
        ],
    },
}
STABLE = {"match": {"prefix": "/"}, "route": {"cluster": cluster("v01"), "timeout": "0s"}}
SPLIT = {
    "match": {"prefix": "/"},
    "route": {
        "weighted_clusters": {
            "clusters": [{"name": cluster("v01"), "weight": 80}, {"name": cluster("v03"), "weight": 20}]
        }
    },
}
DEVELOPER = {"match": matching("cookie", DEVELOPER_COOKIE), "route": {"cluster": cluster("v03")}}


@pytest.mark.parametrize(
    ("stage", "weight", "held"),
    [
        ("baseline", None, [STABLE]),
        ("mirror", None, [MIRRORED, STABLE]),
        ("dark_launch", None, [DEVELOPER, STABLE]),
        ("rollout", 20, [SPLIT]),
        ("rollout", 0, [STABLE]),
    ],
)
def test_what_istio_makes_of_a_stage_is_equal_to_it(stage: str, weight: int | None, held: list[dict[str, Any]]) -> None:
    wanted = routes.of_virtual_service(virtual_service(goal(stage, weight)))
    assert routes.of_envoy(dump(*held), "aleph", "staging") == wanted


@pytest.mark.parametrize(
    "held",
    [
        [],
        [STABLE],
        [SPLIT, STABLE],
        [{**SPLIT, "match": {"prefix": "/admin"}}],
        [{**SPLIT, "match": matching("cookie", "x")}],
        [json.loads(json.dumps(SPLIT).replace('"weight": 20', '"weight": 21'))],
        [{"match": {"prefix": "/"}, "direct_response": {"status": 503}}],
    ],
)
def test_other_routes_are_not(held: list[dict[str, Any]]) -> None:
    wanted = routes.of_virtual_service(virtual_service(goal("rollout", 20)))
    assert routes.of_envoy(dump(*held), "aleph", "staging") != wanted


def test_a_service_that_the_proxy_does_not_know_has_no_routes() -> None:
    assert routes.of_envoy(dump(STABLE), "gimel", "staging") is None


def test_weights_need_not_sum_to_a_hundred_and_equal_subsets_are_one() -> None:
    route = [
        {"destination": {"host": "aleph", "subset": "v01"}, "weight": 1},
        {"destination": {"host": "aleph", "subset": "v03"}, "weight": 2},
        {"destination": {"host": "aleph", "subset": "v01"}, "weight": 1},
        {"destination": {"host": "aleph", "subset": "v02"}, "weight": 0},
    ]
    (found,) = routes.of_virtual_service({"spec": {"http": [{"route": route}]}})
    assert found.shares == (("v01", 50.0), ("v03", 50.0))


def test_routes_are_put_into_words() -> None:
    (mirrored, stable) = routes.of_virtual_service(virtual_service(goal("mirror")))
    assert str(mirrored) == ":method ~ GET|HEAD|OPTIONS to v01 100 %, a copy of 100 % to v03"
    assert routes.described([stable]) == "everything to v01 100 %"
    assert routes.described([]) == "no route"


def host(active: int = 0, total: int = 0, **health: Any) -> dict[str, Any]:
    stats = [{"name": "rq_total", "value": str(total)}, {"name": "rq_active", "type": "GAUGE", "value": str(active)}]
    return {"stats": stats, "health_status": {"eds_health_status": "HEALTHY", **health}}


def test_endpoints_and_requests_are_counted_by_cluster() -> None:
    status = {
        "cluster_statuses": [
            {"name": cluster("v01"), "host_statuses": [host(2, 7), host(1, 3), host(failed_outlier_check=True)]},
            {"name": cluster("v03"), "host_statuses": [host(eds_health_status="DRAINING"), {"stats": [{"name": "x"}]}]},
            {"name": "empty"},
        ]
    }
    assert routes.clusters(status) == {
        cluster("v01"): routes.Cluster(healthy=2, active=3, total=10),
        cluster("v03"): routes.Cluster(healthy=1, active=0, total=0),
        "empty": routes.Cluster(0, 0, 0),
    }
