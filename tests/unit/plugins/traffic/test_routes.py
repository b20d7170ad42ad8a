"""Routes as a VirtualService asks for them, and as an Envoy of Istio 1.31 holds them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit.plugins.traffic.conftest import goal

from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import route_effects, routes
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


def service(*http: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A VirtualService that somebody wrote."""
    return {"metadata": {"name": "mine", "namespace": "staging"}, "spec": {"hosts": ["aleph"], "http": http, **spec}}


def to(subset: str, **fields: Any) -> dict[str, Any]:
    """A route that is one of ours but for some fields."""
    return {"route": [{"destination": {"host": "aleph", "subset": subset}}], "retries": {"attempts": 0}, **fields}


# Names of Envoy's codes (envoy/config/route/v3/route_components.proto), and the codes of RFC 9110, section 15.4.
REDIRECT_CODES = {
    "MOVED_PERMANENTLY": 301,
    "FOUND": 302,
    "SEE_OTHER": 303,
    "TEMPORARY_REDIRECT": 307,
    "PERMANENT_REDIRECT": 308,
}


@pytest.mark.parametrize(("name", "code"), REDIRECT_CODES.items())
def test_a_redirect_is_told_with_its_code(name: str, code: int) -> None:
    told = route_effects.instead_of_envoy({"redirect": {"path_redirect": "/new", "response_code": name}})
    assert told == f"is redirected to /new ({code})"


def test_case_12_a_redirect_a_delegate_a_fault_and_the_old_mirror_percent_are_told() -> None:
    found = routes.of_virtual_service(
        service(
            {"match": [{"uri": {"prefix": "/old"}}], "redirect": {"uri": "/new", "authority": "beth"}},
            {"match": [{"uri": {"prefix": "/other"}}], "delegate": {"name": "other", "namespace": "dev"}},
            to(
                "v01",
                fault={"delay": {"fixedDelay": "2s", "percentage": {"value": 50}}},
                mirror={"host": "aleph", "subset": "v03"},
                mirrorPercent=5,
            ),
        )
    )
    assert [str(route) for route in found] == [
        "path begins with /old is redirected to beth/new (301)",
        "path begins with /other goes as VirtualService dev/other says",
        "everything to v01 100 %, a copy of 5 % to v03, 50 % delayed by 2 s",
    ]


# What a VirtualService asks for, what istiod makes of it in an Envoy, and both in words.
V01 = {"cluster": cluster("v01"), "timeout": "0s"}
IN_BOTH: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (to("v01"), {"route": V01}, "everything to v01 100 %"),
    (to("v01", timeout="1m0.5s"), {"route": {**V01, "timeout": "60.500s"}}, ", given up after 60.5 s"),
    (to("v01", timeout="0s"), {"route": V01}, "everything to v01 100 %"),
    (
        to("v01", retries={"attempts": 3, "perTryTimeout": "2s"}),
        {"route": {**V01, "retry_policy": {"num_retries": 3, "retry_on": "5xx"}}},
        ", tried again up to 3 times when it fails",
    ),
    (
        to("v01", fault={"abort": {"httpStatus": 503, "percentage": {"value": 0.5}}}),
        {
            "route": V01,
            "typed_per_filter_config": {
                "envoy.filters.http.fault": {
                    "abort": {"http_status": 503, "percentage": {"numerator": 5000, "denominator": "MILLION"}}
                }
            },
        },
        ", 0.5 % answered 503 by the caller's own proxy",
    ),
    (
        to("v01", fault={"delay": {"fixedDelay": "500ms", "percent": 10}}),
        {
            "route": V01,
            "typed_per_filter_config": {
                "envoy.filters.http.fault": {"delay": {"fixed_delay": "0.500s", "percentage": {"numerator": 10}}}
            },
        },
        ", 10 % delayed by 0.5 s",
    ),
    (
        to("v01", rewrite={"uri": "/x", "authority": "y"}),
        {"route": {**V01, "prefix_rewrite": "/x", "host_rewrite_literal": "y"}},
        ", path rewritten to /x, host rewritten to y",
    ),
    (
        to("v01", rewrite={"uriRegexRewrite": {"match": "^/a(.*)", "rewrite": "/b"}}),
        {"route": {**V01, "regex_rewrite": {"pattern": {"regex": "^/a(.*)"}, "substitution": "/b"}}},
        ", path rewritten to /b where it matches ^/a(.*)",
    ),
    (
        to("v01", headers={"request": {"set": {"X-A": "1"}, "remove": ["b"]}}),
        {
            "route": V01,
            "request_headers_to_add": [{"header": {"key": "X-A", "value": "1"}}],
            "request_headers_to_remove": ["b"],
        },
        ", request header b, x-a changed",
    ),
    (
        to("v01", headers={"response": {"set": {"x-workshop-route": "mine"}}}),
        {"route": V01, "response_headers_to_add": [{"header": {"key": "x-workshop-route", "value": "mine"}}]},
        "everything to v01 100 %",
    ),
    (
        to("v01", corsPolicy={"allowOrigins": []}),
        {"route": V01, "typed_per_filter_config": {"envoy.filters.http.cors": {}}},
        ", with a CORS policy",
    ),
    (
        {"redirect": {"uri": "/new", "scheme": "https", "authority": "x", "port": 8443, "redirectCode": 302}},
        {
            "redirect": {
                "path_redirect": "/new",
                "scheme_redirect": "https",
                "host_redirect": "x",
                "port_redirect": 8443,
                "response_code": "FOUND",
            }
        },
        "everything is redirected to https://x:8443/new (302)",
    ),
    (
        {"directResponse": {"status": 418, "body": {"string": "tea"}}},
        {"direct_response": {"status": 418, "body": {"inline_string": "tea"}}},
        "everything is answered 418 by the caller's own proxy",
    ),
    (
        to("v01", mirrors=[{"destination": {"host": "beth"}, "percentage": {"value": 5}}]),
        {
            "route": {
                **V01,
                "request_mirror_policies": [
                    {
                        "cluster": "outbound|80||beth.staging.svc.cluster.local",
                        "runtime_fraction": {"default_value": {"numerator": 50000, "denominator": "MILLION"}},
                    }
                ],
            }
        },
        ", a copy of 5 % to beth.staging",
    ),
    (
        {**to("v01"), "route": [{"destination": {"host": "beth", "subset": "v02", "port": {"number": 8080}}}]},
        {"route": {"cluster": "outbound|8080|v02|beth.staging.svc.cluster.local"}},
        "everything to v02 of beth.staging:8080 100 %",
    ),
    (
        {**to("v01"), "route": [{"destination": {"host": "aleph.staging.svc.cluster.local"}}]},
        {"route": {"cluster": cluster("")}},
        "everything to any version 100 %",
    ),
    (
        to("v01", match=[{"uri": {"exact": "/a"}, "ignoreUriCase": True}]),
        {"match": {"path": "/a", "case_sensitive": False}, "route": V01},
        "path = /a and path in any case to v01 100 %",
    ),
    (
        to("v01", match=[{"uri": {"regex": "/a.*"}, "method": {"exact": "GET"}}]),
        {
            "match": {
                "safe_regex": {"regex": "/a.*"},
                "headers": [{"name": ":method", "string_match": {"exact": "GET"}}],
            },
            "route": V01,
        },
        ":method = GET and path ~ /a.* to v01 100 %",
    ),
    (
        to("v01", match=[{"headers": {"a": {"prefix": "x"}, "b": {}, "c": {"regex": "*"}, "d": {"regex": "x.*"}}}]),
        {
            "match": {
                "prefix": "/",
                "headers": [
                    {"name": "a", "string_match": {"prefix": "x"}},
                    {"name": "b", "present_match": True},
                    {"name": "c", "present_match": True},
                    {"name": "d", "string_match": {"safe_regex": {"regex": "x.*"}}},
                ],
            },
            "route": V01,
        },
        "a begins with x and b is there and c is there and d ~ x.* to v01 100 %",
    ),
    (
        to("v01", match=[{"withoutHeaders": {"a": {"exact": "x"}, "b": {"regex": "y"}}}]),
        {
            "match": {
                "headers": [
                    {"name": "a", "string_match": {"exact": "x"}, "invert_match": True},
                    {"name": "b", "string_match": {"safe_regex": {"regex": "y"}}, "invert_match": True},
                ]
            },
            "route": V01,
        },
        "not a = x and not b ~ y to v01 100 %",
    ),
    (
        to("v01", match=[{"authority": {"exact": "x"}, "scheme": {"prefix": "h"}}]),
        {
            "match": {
                "headers": [
                    {"name": ":authority", "string_match": {"exact": "x"}},
                    {"name": ":scheme", "string_match": {"prefix": "h"}},
                ]
            },
            "route": V01,
        },
        ":authority = x and :scheme begins with h to v01 100 %",
    ),
    (
        to("v01", match=[{"queryParams": {"q": {"exact": "1"}}}]),
        {"match": {"query_parameters": [{"name": "q", "string_match": {"exact": "1"}}]}, "route": V01},
        "the query's q = 1 to v01 100 %",
    ),
]


@pytest.mark.parametrize(("asked", "held", "words"), IN_BOTH)
def test_both_sides_of_whatever_a_route_does_are_equal_and_told(
    asked: dict[str, Any], held: dict[str, Any], words: str
) -> None:
    (wanted,) = routes.of_virtual_service(service(asked))
    found = routes.of_envoy(dump({"match": {"prefix": "/"}, **held}), "aleph", "staging", 80)
    assert found == [wanted]
    assert words in str(wanted)


def test_whatever_a_route_does_makes_it_another_than_ours() -> None:
    plain = to("v01")
    found = [routes.of_virtual_service(service(asked))[0] for asked, _, _ in IN_BOTH]
    same = {0, 2, 9}  # the same as ours, and our own header
    (ours,) = routes.of_virtual_service(service(plain))
    assert {index for index, route in enumerate(found) if route == ours} == same
    others = [route for index, route in enumerate(found) if index not in same]
    assert len(set(others)) == len(others)


@pytest.mark.parametrize(
    ("match", "words"),
    [
        ({"sourceLabels": {"app": "front", "version": "v03"}}, "callers with app=front, version=v03 to v01 100 %"),
        ({"sourceNamespace": "dev"}, "callers of namespace dev to v01 100 %"),
        ({"port": 8080}, "port = 8080 to v01 100 %"),
        ({"gateways": ["mesh"], "sourceLabels": {"app": "front"}}, "everything to v01 100 %"),
        ({"uri": {"prefix": "/"}, "name": "x"}, "everything to v01 100 %"),
    ],
)
def test_what_istiod_judges_itself_is_told(match: dict[str, Any], words: str) -> None:
    (route,) = routes.of_virtual_service(service(to("v01", match=[match])))
    assert str(route) == words


def test_a_route_for_gateways_alone_is_none_in_the_mesh() -> None:
    assert routes.of_virtual_service(service(to("v01", match=[{"gateways": ["outside"]}]))) == []


@pytest.mark.parametrize(
    ("fields", "percent"),
    [
        ({}, 100),
        ({"mirrorPercentage": {"value": 12.5}}, 12.5),
        ({"mirrorPercent": 5}, 5),
        ({"mirror_percent": 5}, 5),
        ({"mirrorPercent": 5, "mirrorPercentage": {"value": 7}}, 7),
        ({"mirrorPercent": 0}, None),
        ({"mirrorPercentage": {}}, None),
    ],
)
def test_each_way_to_say_how_much_is_copied(fields: dict[str, Any], percent: float | None) -> None:
    (route,) = routes.of_virtual_service(service(to("v01", mirror={"host": "aleph", "subset": "v03"}, **fields)))
    assert route.mirror == ((("v03", percent),) if percent else ())


def test_a_failed_request_is_tried_again_unless_that_is_switched_off() -> None:
    asked = to("v01")
    del asked["retries"]
    (route,) = routes.of_virtual_service(service(asked))
    assert str(route) == "everything to v01 100 %, tried again when it fails, as the mesh does by default"


def test_routes_for_connections_are_told_and_none_of_ours() -> None:
    route = [{"destination": {"host": "aleph", "subset": "v01"}}]
    tls = {"match": [{"sniHosts": ["a", "b"]}], "route": route}
    found = routes.of_virtual_service(service(tcp=[{"route": route}], tls=[tls]))
    assert routes.described(found) == "TCP connections to v01 100 %; TLS connections for a, b to v01 100 %"
    assert all(route.is_special for route in found)


def several_ports(domain: str = "cluster.local") -> dict[str, Any]:
    """A Service with two ports, of which one has its listener for itself, after one whose name only begins alike."""
    full = f"aleph.staging.svc.{domain}"

    def held(name: str, domains: list[str], port: int, subset: str) -> dict[str, Any]:
        route = {"match": {"prefix": "/"}, "route": {"cluster": f"outbound|{port}|{subset}|{full}"}}
        return {"name": name, "domains": domains, "routes": [route]}

    hosts = [
        held("aleph.staging.example.org:80", ["aleph.staging.example.org"], 80, "wrong"),
        held(f"{full}:8080", ["*"], 8080, "v02"),
        held(f"{full}:80", [full, f"{full}:80", "aleph"], 80, "v01"),
    ]
    return {"configs": [{"route_config": {"virtual_hosts": [host]}} for host in hosts]}


@pytest.mark.parametrize("domain", ["cluster.local", "example.org"])
@pytest.mark.parametrize(("port", "subset"), [(80, "v01"), (8080, "v02"), (443, None), (None, "v02")])
def test_the_routes_of_the_port_that_is_called_count_in_any_domain(
    domain: str, port: int | None, subset: str | None
) -> None:
    found = routes.of_envoy(several_ports(domain), "aleph", "staging", port)
    assert found == (None if subset is None else [routes.Route(shares=((subset, 100.0),))])


@pytest.mark.parametrize(
    ("name", "subset"),
    [
        (cluster("v01"), "v01"),
        ("outbound|80|v01|aleph.staging.svc.example.org", "v01"),
        (cluster(""), None),
        ("outbound|8080|v01|aleph.staging.svc.cluster.local", None),
        ("inbound|80|v01|aleph.staging.svc.cluster.local", None),
        ("outbound|80|v01|aleph.staging", None),
        ("outbound|80|v01|aleph.dev.svc.cluster.local", None),
        ("outbound|80|v01|xaleph.staging.svc.cluster.local", None),
        ("BlackHoleCluster", None),
    ],
)
def test_a_cluster_is_a_subset_of_one_port(name: str, subset: str | None) -> None:
    assert routes.subset_of(name, "aleph", "staging", 80) == subset
