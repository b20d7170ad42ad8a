"""Which objects of others govern a service's requests, by Istio's rules; what takeover makes of them."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from tests.unit.plugins.traffic.conftest import goal, written

from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import foreign
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.live import Live
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import (
    destination_rule,
    virtual_service,
)

FULL = "aleph.staging.svc.cluster.local"
FRONT, LOAD = {"app": "front", "version": "v03"}, {"app": "load"}
CALLERS = (FRONT, LOAD)
ROUTE = [{"route": [{"destination": {"host": "gimel"}}]}]
OLD, OURS, NEW = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"


def made(kind: str, namespace: str, spec: dict[str, Any], name: str = "mine", at: str | None = None) -> dict[str, Any]:
    times = {"creationTimestamp": at} if at else {}
    return {"kind": kind, "metadata": {"name": name, "namespace": namespace, **times}, "spec": spec}


def service(namespace: str = "staging", at: str | None = None, **spec: Any) -> dict[str, Any]:
    return made("VirtualService", namespace, {"hosts": ["aleph"], "http": ROUTE, **spec}, at=at)


def policy(namespace: str = "staging", at: str | None = None, **spec: Any) -> dict[str, Any]:
    return made("DestinationRule", namespace, {"host": "aleph", "trafficPolicy": {"tls": {}}, **spec}, at=at)


def sidecar(*hosts: str, namespace: str = "staging", selector: Any = None, at: str | None = None) -> dict[str, Any]:
    spec: dict[str, Any] = {"egress": [{"hosts": list(hosts)}]} if hosts else {}
    return made(
        "Sidecar", namespace, spec if selector is None else {**spec, "workloadSelector": {"labels": selector}}, at=at
    )


def cluster(*items: dict[str, Any], ours: bool = False, ours_at: str = OURS) -> Live:
    """What is there, with or without our own objects."""
    own = [virtual_service(goal("baseline")), destination_rule("aleph", "staging", ["0.1"])] if ours else []
    for item in own:
        item["metadata"]["creationTimestamp"] = ours_at
    everything = [*own, *items]
    kinds = {kind: [item for item in everything if item["kind"] == kind] for kind in {i["kind"] for i in everything}}
    return Live(
        kinds.get("VirtualService", []), kinds.get("DestinationRule", []), [], sidecars=kinds.get("Sidecar", [])
    )


def found(*items: dict[str, Any], ours: bool = False, callers: Any = CALLERS) -> list[foreign.Rule]:
    return foreign.rules("aleph", "staging", cluster(*items, ours=ours), callers)


def outcome(*items: dict[str, Any], ours: bool = False, callers: Any = CALLERS) -> str:
    """`counts`, `told` in a line of status, or `absent`: as if it were not there."""
    rules = found(*items, ours=ours, callers=callers)
    return "absent" if not rules else "counts" if any(rule.counts for rule in rules) else "told"


# The whole product of what a VirtualService can be. Each column says by itself what it takes away.
VS_HOSTS = {
    ("aleph", "staging"): "exact",
    ("aleph", "dev"): "none",
    ("aleph.staging", "dev"): "exact",
    (FULL, "dev"): "exact",
    (FULL, "istio-system"): "exact",
    (FULL.upper(), "staging"): "exact",
    (FULL + ".", "staging"): "exact",
    ("aleph.staging.svc.example.org", "dev"): "exact",
    ("beth", "staging"): "none",
    ("beth.staging.svc.cluster.local", "dev"): "none",
    ("aleph.dev.svc.cluster.local", "dev"): "none",
    ("aleph.staging.example.org", "dev"): "none",
    ("*", "dev"): "wildcard",
    ("*.local", "istio-system"): "wildcard",
    ("*.staging.svc.cluster.local", "staging"): "wildcard",
    ("*.dev.svc.cluster.local", "dev"): "none",
    ("*.aleph.staging.svc.cluster.local", "staging"): "none",
}
EXPORTS: list[tuple[Any, bool, bool]] = [  # exportTo, seen from its own namespace, seen from another
    (None, True, True),
    ([], True, True),
    (["*"], True, True),
    (["."], True, False),
    (["~"], False, False),
    (["staging"], True, True),
    (["staging", "~"], False, False),
    (["other", "."], True, False),
    (["other"], False, False),
]
GATEWAYS: list[tuple[Any, bool]] = [
    (None, True),
    ([], True),
    (["mesh"], True),
    (["outside"], False),
    (["outside", "mesh"], True),
]


@pytest.mark.parametrize(("host", "exports", "gateways"), list(product(VS_HOSTS, EXPORTS, GATEWAYS)))
def test_a_virtual_service_counts_by_host_export_and_gateway(
    host: tuple[str, str], exports: tuple[Any, bool, bool], gateways: tuple[Any, bool]
) -> None:
    name, namespace = host
    spec = {"hosts": [name], "exportTo": exports[0], "gateways": gateways[0]}
    seen = (exports[1] if namespace == "staging" else exports[2]) and gateways[1]
    expected = {"exact": "counts", "wildcard": "told", "none": "absent"}[VS_HOSTS[host]] if seen else "absent"
    assert outcome(service(namespace, **spec)) == expected


@pytest.mark.parametrize(
    ("age", "namespace", "exports", "counts"),
    [
        (OLD, "staging", None, True),
        (NEW, "staging", None, False),
        (OLD, "dev", ["*"], True),
        (NEW, "dev", ["*"], False),
        # What is exported to its own namespace alone, then what is exported by name, goes before all age.
        (NEW, "staging", ["."], True),
        (NEW, "staging", ["staging"], True),
        (NEW, "dev", ["staging"], True),
        # Of the same second: by name, then by namespace; ours is called aleph.
        (OURS, "staging", None, False),
        (None, "staging", None, True),
    ],
)
def test_of_two_virtual_services_the_first_takes_everything(
    age: str | None, namespace: str, exports: Any, counts: bool
) -> None:
    rule = found(service(namespace, at=age, hosts=[FULL], exportTo=exports), ours=True)[0]
    assert rule.counts is counts
    assert counts or "VirtualService staging/aleph is older" in rule.sentence


@pytest.mark.parametrize(
    ("http", "who"),
    [
        (ROUTE, "front, load"),
        ([{"match": [{"sourceLabels": {"app": "front"}}], **ROUTE[0]}], "front"),
        ([{"match": [{"sourceLabels": {"app": "front"}}, {"uri": {"prefix": "/x"}}], **ROUTE[0]}], "front, load"),
        ([{"match": [{"sourceLabels": {"app": "other"}}], **ROUTE[0]}], None),
        ([{"match": [{"sourceNamespace": "dev"}], **ROUTE[0]}], None),
        ([{"match": [{"sourceNamespace": "staging"}], **ROUTE[0]}], "front, load"),
        ([{"match": [{"gateways": ["outside"]}], **ROUTE[0]}], None),
        ([{"match": [{"gateways": ["mesh"], "sourceLabels": {"app": "no"}}], **ROUTE[0]}], "front, load"),
        ([{"delegate": {"name": "other"}}], "front, load"),
        ([], None),
    ],
)
def test_a_virtual_service_counts_for_the_callers_that_it_has_a_route_for(http: Any, who: str | None) -> None:
    (rule,) = found(service(http=http))
    assert rule.counts is (who is not None)
    assert (f"for {who}," if who else "no route for requests of its callers") in rule.sentence


DR_HOSTS = {
    ("aleph", "staging"): "counts",
    (FULL, "staging"): "counts",
    ("aleph.staging.svc.example.org", "staging"): "counts",
    # Not a Service's own name: never one to a DestinationRule.
    ("aleph.staging", "staging"): "absent",
    ("*.local", "staging"): "told",
    ("*", "staging"): "told",
    ("beth", "staging"): "absent",
    ("*.local", "istio-system"): "told",
    (FULL, "istio-system"): "told",
    ("aleph", "istio-system"): "absent",
    (FULL, "dev"): "absent",
    ("*.local", "dev"): "absent",
}
# exportTo, seen in its own namespace, seen from another. ~ is refused for DestinationRules, and nobody's.
DR_EXPORTS: list[tuple[Any, bool, bool]] = [
    (None, True, True),
    (["*"], True, True),
    (["."], True, False),
    (["staging"], True, True),
    (["other"], False, False),
    (["~"], False, False),
]
SELECTORS: list[tuple[Any, bool]] = [
    (None, True),
    ({}, True),
    ({"matchLabels": {"app": "front"}}, True),
    ({"matchLabels": {"app": "front", "version": "v03"}}, True),
    ({"matchLabels": {"app": "front", "version": "v01"}}, False),
    ({"matchLabels": {"app": "aleph"}}, False),
]


@pytest.mark.parametrize(("host", "exports", "selector"), list(product(DR_HOSTS, DR_EXPORTS, SELECTORS)))
@pytest.mark.parametrize("ours", [True, False])
def test_a_destination_rule_counts_by_host_namespace_export_and_callers(
    host: tuple[str, str], exports: tuple[Any, bool, bool], selector: tuple[Any, bool], ours: bool
) -> None:
    name, namespace = host
    expected = DR_HOSTS[host]
    # With a selector it holds in its own namespace alone, whatever it exports.
    at_home, elsewhere = (True, False) if selector[0] is not None else exports[1:]
    seen = at_home if namespace == "staging" else elsewhere
    if not seen or (expected == "counts" and not selector[1]):
        expected = "absent"
    rule = policy(namespace, host=name, exportTo=exports[0], workloadSelector=selector[0])
    assert outcome(rule, ours=ours) == expected


def test_where_callers_are_not_known_every_selector_may_match() -> None:
    selecting = policy(workloadSelector={"matchLabels": {"app": "aleph"}})
    assert (outcome(selecting), outcome(selecting, callers=())) == ("absent", "counts")


@pytest.mark.parametrize("ours", [True, False])
def test_a_default_of_the_mesh_is_a_line_that_says_whether_it_still_holds(ours: bool) -> None:
    default = policy("istio-system", host="*.local", trafficPolicy={"connectionPool": {}, "outlierDetection": {}})
    (rule,) = found(default, ours=ours)
    assert (rule.counts, rule.taken_over, rule.deletable) == (False, None, False)
    assert "DestinationRule istio-system/mine (host *.local: connectionPool, outlierDetection)" in rule.sentence
    held = "does not hold for aleph: DestinationRule staging/aleph is closer"
    assert (held if ours else "holds for aleph until a stage writes its own") in rule.sentence
    assert foreign.refusals([rule], takeover=False) == []


@pytest.mark.parametrize(
    ("changed", "holds"),
    [({}, False), ({"gateways": ["outside"]}, True), ({"hosts": ["beth"]}, True), ({"exportTo": ["dev"]}, True)],
)
def test_an_object_of_ours_that_somebody_took_off_its_host_replaces_nothing(
    changed: dict[str, Any], holds: bool
) -> None:
    live = cluster(service("istio-system", hosts=["*.local"]), ours=True)
    live.virtual_services[0]["spec"].update(changed)
    (rule,) = foreign.rules("aleph", "staging", live, CALLERS)
    assert ("until a stage writes its own" in rule.sentence) is holds


def test_what_is_outside_the_namespace_is_neither_changed_nor_deleted() -> None:
    (rule,) = found(service("dev", hosts=[FULL, "beth"]))
    assert (rule.counts, rule.taken_over, rule.deletable) == (True, None, False)
    for takeover in (False, True):
        (sentence,) = foreign.refusals([rule], takeover)
        assert "ask those who own dev" in sentence
        assert "kubectl -n dev edit virtualservice mine" in sentence
        assert "takeover" not in sentence
    assert foreign.settled([rule]) == ([], [])


@pytest.mark.parametrize(
    ("item", "left"),
    [
        (service(), None),
        (service(hosts=["aleph", FULL, "aleph.staging"]), None),
        (service(hosts=["aleph", "beth"]), {"hosts": ["beth"]}),
        (service(hosts=[FULL, "*.example.org", "beth"]), {"hosts": ["*.example.org", "beth"]}),
        (service(gateways=["mesh", "outside"]), {"gateways": ["outside"]}),
        (policy(), None),
    ],
)
def test_takeover_takes_our_host_alone(item: dict[str, Any], left: dict[str, Any] | None) -> None:
    before = {**item, "spec": dict(item["spec"])}
    (rule,) = found(item)
    assert rule.deletable is (left is None)
    assert rule.taken_over == (None if left is None else {**item, "spec": {**item["spec"], **left}})
    assert item == before
    assert "-e takeover=true" in rule.sentence
    assert foreign.refusals([rule], takeover=True) == []
    assert foreign.settled([rule]) == (([], [item]) if left is None else ([rule.taken_over], []))


@pytest.mark.parametrize(
    ("hosts", "reaches"),
    [
        ((), True),
        (("*/*",), True),
        (("./*",), True),
        (("staging/*",), True),
        (("dev/*",), False),
        (("~/*",), False),
        (("./beth.staging.svc.cluster.local",), False),
        (("./beth.staging.svc.cluster.local", f"*/{FULL}"), True),
        ((f"./{FULL}",), True),
        (("*/*.local",), True),
        (("*/*.example.org",), False),
        # Names are full here: a short one is no Service.
        (("./aleph",), False),
        (("./*", f"~staging/{FULL}"), False),
        (("./*", "~dev/*"), True),
    ],
)
@pytest.mark.parametrize("namespace", ["staging", "istio-system"])
def test_a_sidecar_that_does_not_list_a_service_cuts_its_callers_off(
    hosts: tuple[str, ...], reaches: bool, namespace: str
) -> None:
    rules = found(sidecar(*hosts, namespace=namespace))
    assert [rule.counts for rule in rules] == ([] if reaches else [True])
    for rule in rules:
        assert "keeps aleph from front, load" in rule.sentence
        assert f"add staging/{FULL} to its egress hosts with kubectl -n {namespace} edit sidecar mine" in rule.sentence
        assert foreign.refusals([rule], takeover=True) == [rule.sentence]


@pytest.mark.parametrize(
    ("hosts", "home", "seen"),
    [
        (["*/*"], "dev", "counts"),
        (["dev/*", "./*"], "dev", "counts"),
        ([f"dev/{FULL}", "./*"], "dev", "counts"),
        (["dev/beth.staging.svc.cluster.local", "./*"], "dev", "absent"),
        (["./*", "istio-system/*"], "dev", "absent"),
        (["staging/*"], "dev", "absent"),
        (["./*", "istio-system/*"], "istio-system", "counts"),
        (["./*"], "staging", "counts"),
        (["staging/*"], "staging", "counts"),
    ],
)
def test_routes_of_namespaces_that_a_sidecar_does_not_list_are_as_if_they_were_not_there(
    hosts: list[str], home: str, seen: str
) -> None:
    assert outcome(service(home, hosts=[FULL]), sidecar(*hosts)) == seen
    # One caller is enough.
    assert outcome(service(home, hosts=[FULL]), sidecar(*hosts, selector={"app": "front"})) == "counts"


def test_each_pod_has_one_sidecar() -> None:
    cuts, lets = "./beth.staging.svc.cluster.local", "./*"
    front = {"app": "front"}
    # That which selects it, else its namespace's, else the root namespace's; of several the oldest.
    assert "from front," in found(sidecar(cuts, selector=front), sidecar(lets))[0].sentence
    assert "from load," in found(sidecar(lets, selector=front), sidecar(cuts))[0].sentence
    assert found(sidecar(lets), sidecar(cuts, namespace="istio-system")) == []
    assert found(sidecar(cuts, at=NEW), sidecar(lets, at=OLD)) == []
    assert found(sidecar(cuts, selector={"app": "beth"}), sidecar(cuts, namespace="dev")) == []


def test_who_has_changed_an_object_is_said() -> None:
    ours = virtual_service(goal("rollout", 20))
    assert foreign.edited(written(ours, "kubectl-patch")).startswith(
        "VirtualService staging/aleph was changed by kubectl-patch: undo that, or type -e takeover=true"
    )
    assert foreign.changed(service()) == "VirtualService staging/mine is not this workshop's"
