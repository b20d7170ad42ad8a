"""A cluster that somebody brings: another room's, which knows nothing of the guest."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from collections.abc import Iterator

import pytest
from tests.acceptance.room import Room, wait_for

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.contract import bundle_images

GIVEN = Room("given", api_port=26481, registry_port=32351, front_port=30351)
GUEST = dataclasses.replace(GIVEN, name="guest")
PUSHED = "registry.registry.svc:5000/python:given"


@pytest.fixture(scope="module")
def settings() -> Iterator[list[str]]:
    """What makes the guest use a cluster on which nothing of the workshop runs yet."""
    try:
        for playbook in ("bundle", "nodes", "cluster"):
            GIVEN.must(f"playbooks/{playbook}.yml")
        images = bundle_images(str(GIVEN.state / "bundle"))
        yield [
            "--extra-vars",
            json.dumps(
                {
                    "workshop_kubeconfig": str(GIVEN.state / "kubeconfig"),
                    "workshop_node_address": "127.0.0.1",
                    "workshop_namespace": "shop",
                    # Its nodes have the bundle's images already, and kaniko pulls its base from the registry.
                    "workshop_images": images | {"python": PUSHED},
                    "mesh_bin_dir": str(GIVEN.state / "bin"),
                }
            ),
        ]
    finally:
        GIVEN.must("playbooks/teardown.yml")


def push_python() -> None:
    """Give kaniko a base image that it can pull."""
    bundle = GIVEN.state / "bundle"
    reference = bundle_images(str(bundle))["python"].rpartition("/")[2]
    source, target = f"oci:{bundle.resolve()}/images:{reference}", f"127.0.0.1:{GIVEN.registry_port}/python:given"
    subprocess.run(["skopeo", "copy", "--quiet", "--dest-tls-verify=false", source, f"docker://{target}"], check=True)


def everything() -> set[str]:
    """Every object in the cluster, but for what comes and goes by itself."""
    kinds = set(GIVEN.kubectl("api-resources", "--verbs=list", "--output=name").split())
    kinds -= {"events", "events.events.k8s.io", "leases.coordination.k8s.io", "componentstatuses"}
    return set(GIVEN.kubectl("get", ",".join(sorted(kinds)), "--all-namespaces", "--output=name").split())


def test_the_workshop_runs_on_it_and_leaves_it_alone(settings: list[str]) -> None:
    before = everything()
    nodes = GIVEN.kubectl("get", "nodes", "--output=jsonpath={.items[*].metadata.uid}")
    GUEST.must("playbooks/registry.yml", *settings)
    push_python()
    assert "The cluster of" in GUEST.must("site.yml", *settings).output
    shown = GUEST.front("/backends")["backends"]
    assert {(backend["backend"], backend["version"]) for backend in shown} == {("aleph", "0.1"), ("beth", "0.1")}
    GUEST.must("playbooks/verify.yml", *settings)
    assert GUEST.must("site.yml", *settings).changed == 0
    assert GUEST.must("site.yml", *settings, "--check").changed == 0

    told = GUEST.must("playbooks/teardown.yml", *settings, "--check")
    assert not any(backend["error"] for backend in GUEST.front("/backends")["backends"])
    played = GUEST.must("playbooks/teardown.yml", *settings)
    for namespace in ("shop", "registry", "build", "istio-system"):
        assert f"Namespace {namespace}, with everything in it" in told.output
        assert f"Namespace {namespace}, with everything in it" in played.output
    wait_for(lambda: everything() == before, 60)  # the provisioner removes volumes after their claims
    assert GIVEN.kubectl("get", "nodes", "--output=jsonpath={.items[*].metadata.uid}") == nodes
    assert not GUEST.state.exists()
    assert GUEST.must("playbooks/teardown.yml", *settings).changed == 0
