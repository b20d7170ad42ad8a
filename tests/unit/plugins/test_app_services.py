"""An application's data becomes Kubernetes' objects by the same templates, whichever application it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import app_services

ROOT = Path(__file__).resolve().parents[3]
REGISTRY = "127.0.0.1:32000"
DIGEST = "sha256:" + "0" * 64


def alephbeth() -> list[dict[str, Any]]:
    data = yaml.safe_load((ROOT / "roles/room/defaults/main/apps.yml").read_text())
    services: list[dict[str, Any]] = data["workshop_apps"]["alephbeth"]["services"]
    for service in services:
        if "node_port" in service:
            service["node_port"] = "30080"  # a string, as -e gives it
        if "image" in service:
            service["image"] = "localhost/workshop/ferretdb:v1"
    return services


def service(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, **more}


def built(name: str, **more: Any) -> dict[str, Any]:
    build = {"image": name, "dockerfile": f"x/{name}/Dockerfile", "paths": ["x"], "versions": [{"tag": "0.3"}]}
    return service(name, build=build, tag="0.3", container_port=8080, **more)


# The second sample application's shape: one Deployment each, without a version in its name.
COINS = [
    service("redis", image="localhost/workshop/redis:7", port=6379, container_port=6379, callers=["worker", "webui"]),
    built("rng", port=80, callers=["worker"]),
    {key: value for key, value in built("worker").items() if key != "container_port"},
    built("webui", port=80, node_port=30081, callers=["outside"]),
]


def test_one_deployment_for_each_deployed_version() -> None:
    made = app_services.deployments(alephbeth(), {"istio-games-aleph:0.1": DIGEST}, REGISTRY, {})
    assert [item["name"] for item in made] == ["front-v03", "aleph-v01", "beth-v01", "load", "mongo"]
    aleph = made[1]
    assert aleph["labels"] == {"app": "aleph", "version": "v01"}
    assert aleph["image"] == f"127.0.0.1:32000/istio-games-aleph:0.1@{DIGEST}"
    assert made[4]["labels"] == {"app": "mongo"}
    assert made[4]["image"] == "localhost/workshop/ferretdb:v1"


def test_versions_can_be_asked_for() -> None:
    asked = {"aleph": ["0.1", "0.3"], "beth": []}
    names = [item["name"] for item in app_services.deployments(alephbeth(), {}, REGISTRY, asked)]
    assert names == ["front-v03", "aleph-v01", "aleph-v03", "load", "mongo"]
    assert app_services.image_references(alephbeth(), asked) == [
        "istio-games-front:0.3",
        "istio-games-aleph:0.1",
        "istio-games-aleph:0.3",
        "istio-games-load:0.3",
    ]


def test_a_service_without_versions_is_named_plainly() -> None:
    made = app_services.deployments(COINS, {}, REGISTRY, {})
    assert [item["name"] for item in made] == ["redis", "rng", "worker", "webui"]
    assert made[1]["labels"] == {"app": "rng"}
    assert made[2]["port"] is None


def test_all_versions_are_built_deployed_or_not() -> None:
    made = app_services.builds(alephbeth(), "base:1", {"EXTRA": "x"})
    assert [f"{item['image']}:{item['tag']}" for item in made] == [
        "istio-games-front:0.3",
        "istio-games-aleph:0.1",
        "istio-games-aleph:0.2",
        "istio-games-aleph:0.3",
        "istio-games-beth:0.1",
        "istio-games-beth:0.3",
        "istio-games-load:0.3",
    ]
    assert made[2]["build_args"] == {
        "PYTHON_BASE": "base:1",
        "VERSION": "0.2",
        "FAULTS": "fails-under-traffic",
        "SERVICE": "alephbeth/aleph",
        "EXTRA": "x",
    }


def test_only_callers_come_in() -> None:
    by_name = {item["name"]: item for item in app_services.policies(alephbeth())}
    assert by_name["front"] == {"name": "front", "callers": [], "port": 8080}
    assert by_name["aleph"]["callers"] == ["front", "load"]
    assert "load" not in by_name
    assert by_name["mongo"] == {"name": "mongo", "callers": ["aleph", "beth"], "port": 27017}


def test_a_caller_that_is_no_service_is_refused() -> None:
    with pytest.raises(app_services.AppDataError, match="rng names the callers wroker, but there are only"):
        app_services.policies([built("rng", port=80, callers=["wroker"]), built("worker")])


def test_callers_and_intruders_try() -> None:
    tried = app_services.connection_checks(alephbeth(), "staging", "default")
    closed = ["aleph:80", "beth:80", "mongo:27017"]
    assert [(pod["name"], pod["namespace"], pod["targets"], pod["expect"]) for pod in tried] == [
        ("intruder", "staging", closed, "refused"),
        ("intruder", "default", closed, "refused"),
        ("as-front", "staging", ["aleph:80", "beth:80"], "reached"),
        ("as-aleph", "staging", ["mongo:27017"], "reached"),
        ("as-beth", "staging", ["mongo:27017"], "reached"),
        ("as-load", "staging", ["aleph:80", "beth:80"], "reached"),
    ]
    assert app_services.connection_checks([built("webui", port=80, callers=["outside"])], "a", "b") == []


def render(services: list[dict[str, Any]], name: str, **given: Any) -> list[dict[str, Any]]:
    role = ROOT / "roles/app"
    variables = {
        "app_exported_to": [],
        "app_namespace": "staging",
        "app_pod_security": "restricted",
        "__app_namespace_labels": {"istio-injection": "enabled"},
        "__app_policies": app_services.policies(services),
        "__app_claims": app_services.claims(services),
        "__app_services": app_services.kubernetes_services(services),
        "__app_annotations": {},
        "__app_metrics_ports": [8081],
        "__app_labels": {"app.kubernetes.io/part-of": "trial"},
        "__app_deployments": app_services.deployments(services, {}, REGISTRY, {}),
        **given,
    }
    text = (role / "templates" / name).read_text()
    rendered = Templar(DataLoader(), variables).template(trust_as_template(text))
    return [item for item in yaml.safe_load_all(str(rendered or "")) if isinstance(item, dict)]


@pytest.mark.parametrize("services", [alephbeth(), COINS], ids=["alephbeth", "dockercoins"])
def test_pods_keep_to_the_restricted_standard(services: list[dict[str, Any]]) -> None:
    made = render(services, "deployment.yml.j2")
    assert len(made) == len(services)
    for deployment in made:
        pod = deployment["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["requests"]
            assert container["resources"]["limits"]["memory"]
        selector = deployment["spec"]["selector"]["matchLabels"]
        assert selector.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()


def test_callers_speak_plain_text_and_by_their_proxy() -> None:
    tried = app_services.mesh_checks(alephbeth(), "staging")
    assert [(pod["name"], pod["labels"], pod["targets"], pod.get("meshed", False), pod["expect"]) for pod in tried] == [
        ("plain-aleph", {"app": "front"}, ["aleph:80"], False, "refused"),
        ("meshed-aleph", {"app": "front"}, ["aleph:80"], True, "reached"),
        ("plain-beth", {"app": "front"}, ["beth:80"], False, "refused"),
        ("meshed-beth", {"app": "front"}, ["beth:80"], True, "reached"),
    ]


def test_only_the_port_that_is_called_from_outside_takes_plain_text() -> None:
    whole, made = render(alephbeth(), "peerauthentication.yml.j2")
    assert (whole["metadata"]["name"], whole["spec"]) == ("default", {"mtls": {"mode": "STRICT"}})
    assert whole["metadata"]["namespace"] == made["metadata"]["namespace"]
    assert made["metadata"]["name"] == "front"
    assert made["spec"] == {
        "selector": {"matchLabels": {"app": "front"}},
        "portLevelMtls": {8080: {"mode": "PERMISSIVE"}},
    }


def test_a_rollout_keeps_the_old_pod_until_the_new_one_is_ready_except_with_a_volume() -> None:
    by_name = {item["metadata"]["name"]: item["spec"]["strategy"] for item in render(alephbeth(), "deployment.yml.j2")}
    assert by_name["aleph-v01"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    assert by_name["mongo"] == {"type": "Recreate"}


def test_what_listens_nowhere_has_no_service_no_policy_and_no_probe() -> None:
    for services, name in ((alephbeth(), "load"), (COINS, "worker")):
        (pod,) = (
            item["spec"]["template"]["spec"]
            for item in render(services, "deployment.yml.j2")
            if item["metadata"]["name"] == name
        )
        (container,) = pod["containers"]
        assert not {"startupProbe", "readinessProbe", "livenessProbe"} & set(container)
        # Only Prometheus asks load anything.
        assert container.get("ports") == ([{"containerPort": 8081}] if name == "load" else None)
        made = [*render(services, "service.yml.j2"), *render(services, "networkpolicy.yml.j2")]
        assert not {name, f"{name}-callers"} & {item["metadata"]["name"] for item in made}


def test_probes_and_prometheus_have_a_port_that_no_request_keeps_busy() -> None:
    pods = {item["metadata"]["name"]: item["spec"]["template"] for item in render(alephbeth(), "deployment.yml.j2")}
    (front,) = pods["front-v03"]["spec"]["containers"]
    assert front["ports"] == [{"containerPort": 8080}, {"containerPort": 8081}]
    for probe, path in (("startupProbe", "/readyz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")):
        assert front[probe]["httpGet"] == {"path": path, "port": 8081}
    (mongo,) = pods["mongo"]["spec"]["containers"]
    assert mongo["readinessProbe"]["tcpSocket"] == {"port": 27017}
    assert "livenessProbe" not in mongo
    for name in ("front-v03", "aleph-v01", "load"):
        assert pods[name]["metadata"]["annotations"] == {
            "prometheus.io/scrape": "true",
            "prometheus.io/port": "8081",
            "prometheus.io/path": "/metrics",
        }
    assert pods["mongo"]["metadata"]["annotations"] == {}


def test_services_are_exposed_as_the_data_says() -> None:
    specs = {item["metadata"]["name"]: item["spec"] for item in render(alephbeth(), "service.yml.j2")}
    assert specs["front"]["type"] == "NodePort"
    assert specs["front"]["ports"] == [{"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30080}]
    assert specs["aleph"]["type"] == "ClusterIP"
    assert {item["metadata"]["name"] for item in render(COINS, "service.yml.j2")} == {"redis", "rng", "webui"}


@pytest.mark.parametrize(
    ("exported_to", "annotations"),
    [([], None), ([".", "workshop-door"], {"networking.istio.io/exportTo": ".,workshop-door"})],
)
def test_proxies_hear_of_services_where_they_are_exported_to(exported_to: list[str], annotations: Any) -> None:
    made = render(alephbeth(), "service.yml.j2", app_exported_to=exported_to)
    assert [item["metadata"].get("annotations") for item in made] == [annotations] * len(made)


def test_everything_is_refused_but_the_callers() -> None:
    policies = {item["metadata"]["name"]: item["spec"] for item in render(alephbeth(), "networkpolicy.yml.j2")}
    assert policies["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    assert policies["mongo-callers"]["ingress"] == [
        {
            "ports": [{"protocol": "TCP", "port": 27017}],
            "from": [{"podSelector": {"matchLabels": {"app": app}}} for app in ("aleph", "beth")],
        }
    ]
    assert policies["front-callers"]["ingress"] == [{"ports": [{"protocol": "TCP", "port": 8080}]}]
    prometheus = {"matchLabels": {"app.kubernetes.io/name": "prometheus"}}
    assert policies["metrics"]["ingress"] == [
        {
            "ports": [{"protocol": "TCP", "port": 8081}],
            "from": [{"namespaceSelector": {}, "podSelector": prometheus}],
        }
    ]


def test_the_namespace_enforces_the_restricted_standard() -> None:
    (namespace,) = render(alephbeth(), "namespace.yml.j2")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert namespace["metadata"]["labels"]["istio-injection"] == "enabled"


def test_only_what_has_a_volume_claims_one() -> None:
    (claim,) = render(alephbeth(), "persistentvolumeclaim.yml.j2")
    assert claim["metadata"]["name"] == "mongo-data"
    assert render(COINS, "persistentvolumeclaim.yml.j2") == []


def test_every_source_path_exists() -> None:
    for item in app_services.builds(alephbeth(), "base", {}):
        for path in [item["dockerfile"], *item["paths"]]:
            assert (ROOT / "services" / path).exists(), path
