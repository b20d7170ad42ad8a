"""A cluster that others use: nothing of theirs changes, each playbook says whose it is, and their Istio can be used."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from tests.acceptance.room import Room, wait_for

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.contract import bundle_images

OWNER = Room("carl", api_port=17643, registry_port=32030, front_port=30130)
# One that is refused, and one that comes to terms; a room remembers what it was given.
GUEST = dataclasses.replace(OWNER, name="guest")
LODGER = dataclasses.replace(OWNER, name="lodger", registry_port=32031, front_port=30131)
# What changes by itself: heartbeats, elections, and what controllers write of pods.
RESTLESS = {"Event", "Lease", "Node", "EndpointSlice", "Endpoints", "ComponentStatus", "PodMetrics", "NodeMetrics"}
LEADER = "control-plane.alpha.kubernetes.io/leader"

FOREIGN = """
apiVersion: v1
kind: Namespace
metadata: {name: staging, labels: {team: shop}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: prices, namespace: staging}
---
apiVersion: v1
kind: Namespace
metadata: {name: legacy, labels: {app.kubernetes.io/managed-by: Helm}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: legacy}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, nodePort: %(front)d}]}
---
apiVersion: v1
kind: Service
metadata: {name: images, namespace: legacy}
spec: {type: NodePort, selector: {app: images}, ports: [{port: 5000, nodePort: %(registry)d}]}
"""
MESH_WIDE = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: default, namespace: istio-system}
spec: {host: "*.local", trafficPolicy: {connectionPool: {tcp: {maxConnections: 1000}}}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system, labels: {team: platform}}
spec: {mtls: {mode: PERMISSIVE}}
"""
OPERATOR = """
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
spec:
  profile: minimal
  hub: %(hub)s
  tag: "%(tag)s"
  components: {cni: {enabled: true, namespace: istio-system}}
  values:
    global: {imagePullPolicy: IfNotPresent, proxy: {resources: {requests: {cpu: 10m, memory: 40Mi}}}}
    cni: {cniBinDir: /opt/cni/bin, cniConfDir: /etc/cni/net.d}
    pilot:
      autoscaleEnabled: false
      resources: {requests: {cpu: 50m, memory: 128Mi}}
      env:
        PILOT_ENABLE_ALPN_FILTER: "false"
        PILOT_ENABLE_METADATA_EXCHANGE: "false"
        PILOT_DISABLE_MX_ALPN: "true"
        PILOT_DEBOUNCE_MAX: 5s
    telemetry: {enabled: false}
"""


def kubectl(*arguments: str, given: str = "") -> str:
    """The output of kubectl, which must succeed, as the cluster's owner."""
    command = [str(OWNER.state / "bin/kubectl"), f"--kubeconfig={OWNER.state}/kubeconfig", *arguments]
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def everything() -> dict[str, str]:
    """resourceVersion of every object that does not change by itself, but a pod's uid, since its state does."""
    kinds = kubectl("api-resources", "--verbs=list", "--output=name").split()
    listed = json.loads(kubectl("get", ",".join(kinds), "--all-namespaces", "--output=json"))["items"]
    return {
        "/".join((item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"])): item["metadata"][
            "uid" if item["kind"] == "Pod" else "resourceVersion"
        ]
        for item in listed
        if item["kind"] not in RESTLESS and LEADER not in (item["metadata"].get("annotations") or {})
    }


@pytest.fixture(scope="module")
def settings() -> Iterator[list[str]]:
    """What makes the guest use a cluster that is full of other people's things."""
    try:
        for playbook in ("bundle", "nodes", "cluster"):
            OWNER.must(f"playbooks/{playbook}.yml")
        images = bundle_images(str(OWNER.state / "bundle"))
        hub, _, tag = images["pilot"].rpartition("/")
        istioctl = [str(OWNER.state / "bin/istioctl"), f"--kubeconfig={OWNER.state}/kubeconfig", "install"]
        subprocess.run(
            [*istioctl, "--skip-confirmation", "--filename=/dev/stdin"],
            input=OPERATOR % {"hub": hub, "tag": tag.partition(":")[2]},
            text=True,
            check=True,
            timeout=300,
        )
        kubectl("apply", "--filename=-", given=FOREIGN % {"front": OWNER.front_port, "registry": OWNER.registry_port})
        kubectl("apply", "--filename=-", given=MESH_WIDE)
        address = json.loads(kubectl("get", "nodes", "--output=json"))["items"][0]["status"]["addresses"][0]["address"]
        yield [
            "--extra-vars",
            json.dumps(
                {
                    "workshop_kubeconfig": str(OWNER.state / "kubeconfig"),
                    "workshop_node_address": address,
                    "workshop_images": images | {"python": "registry.registry.svc:5000/python:given"},
                    "mesh_bin_dir": str(OWNER.state / "bin"),
                }
            ),
        ]
    finally:
        OWNER.must("playbooks/teardown.yml")
        for room in (GUEST, LODGER):  # what they remember of a cluster that is gone
            shutil.rmtree(room.state, ignore_errors=True)


STAGING = "Namespace staging is there already, made with kubectl-client-side-apply"
FRONT = f"NodePort {OWNER.front_port} (workshop_front_node_port) is held by Service legacy/web"
REGISTRY = f"NodePort {OWNER.registry_port} (workshop_registry_node_port) is held by Service legacy/images"
ISTIO = "Istio is in this cluster already (Deployment istio-system/istiod of revision default), and the room guest"


@pytest.mark.parametrize(
    ("playbook", "sentences"),
    [
        ("site.yml", [STAGING, FRONT, REGISTRY, ISTIO]),
        ("playbooks/registry.yml", [REGISTRY]),
        ("playbooks/mesh.yml", [ISTIO]),
        ("playbooks/deploy.yml", [STAGING, FRONT, ISTIO]),
    ],
)
@pytest.mark.parametrize("mode", [[], ["--check"]])
def test_nothing_of_others_changes_and_each_thing_is_one_sentence(
    settings: list[str], playbook: str, sentences: list[str], mode: list[str]
) -> None:
    before = everything()
    played = GUEST.play(playbook, *settings, *mode)
    assert played.code != 0
    missing = [sentence for sentence in sentences if sentence not in played.output]
    assert missing == [], played.output[-3000:]
    others = [one for one in (STAGING, FRONT, REGISTRY, ISTIO) if one not in sentences and one in played.output]
    assert others == []
    assert everything() == before


def push_python() -> None:
    """Give kaniko a base image that it can pull, past the foreign Service that holds the published NodePort."""
    bundle = OWNER.state / "bundle"
    reference = bundle_images(str(bundle))["python"].rpartition("/")[2]
    address = json.loads(kubectl("get", "nodes", "--output=json"))["items"][0]["status"]["addresses"][0]["address"]
    source, target = f"oci:{bundle.resolve()}/images:{reference}", f"{address}:{LODGER.registry_port}/python:given"
    subprocess.run(["skopeo", "copy", "--quiet", "--dest-tls-verify=false", source, f"docker://{target}"], check=True)


def test_their_istio_is_used_and_left_as_it_was(settings: list[str]) -> None:
    given = [*settings, "--extra-vars", json.dumps({"mesh_use_existing": True, "workshop_namespace": "shop"})]
    before = everything()
    LODGER.must("playbooks/registry.yml", *given)
    push_python()
    LODGER.must("site.yml", *given)
    LODGER.must("playbooks/verify.yml", *given)
    LODGER.must("rollout.yml", "-e", "weight=50", "-e", "service=aleph", *given)
    assert LODGER.must("site.yml", *given).changed == 0
    after = everything()
    assert {name: version for name, version in after.items() if name in before} == before
    policies = [name for name in after if name.startswith("PeerAuthentication/")]
    assert {name.split("/")[1] for name in policies} == {"istio-system", "shop"}

    told = LODGER.must("playbooks/teardown.yml", *given, "--check")
    assert everything() == after
    removed = LODGER.must("playbooks/teardown.yml", *given)
    for played in (told, removed):
        for namespace in ("shop", "registry", "build"):
            assert f"Namespace {namespace}, with everything in it" in played.output
        assert "Istio stays: the room lodger has not installed it." in played.output
    wait_for(lambda: everything() == before, 60)  # the provisioner removes volumes after their claims
    assert LODGER.must("playbooks/teardown.yml", *given).changed == 0
