"""Every setting's mistakes end in one sentence: what was given, what is allowed, what to type."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.rooms import Purpose
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.settings import IMAGES, problems

ROOT = Path(__file__).resolve().parents[4]
APPS = ["alephbeth", "dockercoins"]
GOOD: dict[str, Any] = {
    "workshop_name": "workshop",
    "workshop_supply": "auto",
    "workshop_kit": "",
    "workshop_cache_dir": "/home/me/.cache/istio-workshop",
    "workshop_state_dir": "/home/me/.local/state/istio-workshop/workshop",
    "workshop_kubeconfig": "",
    "workshop_listen_address": "127.0.0.1",
    "workshop_node_address": "127.0.0.1",
    "workshop_pod_subnet": "10.244.0.0/16",
    "workshop_service_subnet": "10.96.0.0/16",
    "workshop_api_port": 6443,
    "workshop_node_ports": {"workshop_registry_node_port": 32000, "workshop_front_node_port": 30080},
    "workshop_app": "alephbeth",
    "workshop_namespace": "staging",
    "workshop_load_rate": 5,
    "workshop_for_tests": False,
    "workshop_ca_bundle": "",
    "workshop_debian_mirror": "",
}


def judge(**changed: Any) -> list[str]:
    ports = {name: changed.pop(name) for name in [*changed] if name.endswith("_node_port")}
    return problems({**GOOD, **changed, "workshop_node_ports": GOOD["workshop_node_ports"] | ports}, APPS)


def namespaces() -> set[str]:
    """The namespaces that the roles make, or use, whatever a room is given."""
    templates = "\n".join(path.read_text() for path in (ROOT / "roles").glob("*/templates/*.j2"))
    made = re.findall(r"kind: Namespace\nmetadata:\n  name: ([a-z][-a-z]+)$", templates, re.MULTILINE)
    defaults = [yaml.safe_load(path.read_text()) for path in (ROOT / "roles").glob("*/defaults/main.yml")]
    named = [value for each in defaults for name, value in each.items() if name.endswith("_namespace")]
    return {*made, *(value for value in named if "{" not in value)}


@pytest.mark.parametrize("name", sorted(namespaces()))
def test_the_application_is_in_no_namespace_of_the_rooms_own(name: str) -> None:
    (sentence,) = judge(workshop_namespace=name)
    assert f"{name}," in sentence or f"{name} have" in sentence


def test_namespaces_of_the_rooms_own_are_found() -> None:
    assert namespaces() >= {"build", "istio-system", "local-path-storage", "registry", "workshop-door"}


def test_the_defaults_are_good() -> None:
    assert judge() == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("workshop_name", "a"),
        ("workshop_name", "room-2"),
        ("workshop_name", "a" * 20),
        # -e gives strings.
        ("workshop_registry_node_port", "30000"),
        ("workshop_registry_node_port", "32767"),
        ("workshop_api_port", 1),
        ("workshop_api_port", "65535"),
        ("workshop_listen_address", "0.0.0.0"),
        ("workshop_namespace", "a" * 63),
        ("workshop_app", "dockercoins"),
        ("workshop_load_rate", 0),
        *[("workshop_for_tests", value) for value in (True, "true", "False")],
        ("workshop_load_rate", "500"),
        *[("workshop_student_hours", value) for value in (1, "720")],
        *[("workshop_students_at_once", value) for value in (1, "10")],
        *[("workshop_max_pods", value) for value in (20, "250")],
        *[("workshop_pod_threads", value) for value in (256, "16384")],
        ("workshop_namespace", "students"),
        ("workshop_node_address", "node-1.example.org"),
        ("workshop_supply", "packages"),
        ("workshop_supply", "cache"),
        ("workshop_kit", "/media/stick/workshop.kit"),
        ("workshop_debian_mirror", "http://deb.debian.org/debian"),
        ("workshop_debian_mirror", "https://a.example:8443/d,file:///srv/debian-security"),
    ],
)
def test_allowed(name: str, value: Any) -> None:
    assert judge(**{name: value}) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("workshop_name", value) for value in ("", "Blue", "a b", "-a", "a-", "a" * 21, "a_b", 7, None)],
        *[("workshop_registry_node_port", value) for value in (99999, "99999", 29999, 32768, "abc", "", -1, "3e4")],
        *[
            ("workshop_front_node_port", value)
            for value in ("abc", 80, True, None, 30080.5, "30080 ", "030080", "٣٠٠٨٠", "3e4")
        ],
        *[("workshop_api_port", value) for value in (0, 65536, "x")],
        *[("workshop_listen_address", value) for value in ("localhost", "1.2.3", "::1", "", 5)],
        *[("workshop_namespace", value) for value in ("kube-system", "default", "Staging", "", "a" * 64, 3)],
        *[("workshop_app", value) for value in ("", "nothing", None)],
        *[("workshop_load_rate", value) for value in (501, "501", -1, "many", "", True, 2.5, None)],
        *[("workshop_for_tests", value) for value in ("yes", "", 1, None)],
        *[("workshop_student_hours", value) for value in (0, 721, "-1", "1.5", "a day", True, None)],
        *[("workshop_students_at_once", value) for value in (0, 11, "", "all", None)],
        *[("workshop_max_pods", value) for value in (19, 251, "1e2", "", None)],
        *[("workshop_pod_threads", value) for value in (0, 255, 16385, -1, "max", "", 512.5, True, None)],
        *[("workshop_namespace", value) for value in ("student-01", "student-7", "all", "expired")],
        *[("workshop_supply", value) for value in ("upstream", "", "Cache", "kit,cache", None, 3)],
        *[("workshop_cache_dir", value) for value in ("relative", "/", "/home", "/a/../b", "/a b/c", "/a/b'", "", 3)],
        *[("workshop_pod_subnet", value) for value in ("10.244.0.1/16", "10.244.0.0/30", "abc", "", 7)],
        ("workshop_kubeconfig", "/there/is/none"),
        ("workshop_kubeconfig", "~nobody-of-that-name/config"),
        ("workshop_ca_bundle", "~nobody-of-that-name/ca.pem"),
        ("workshop_ca_bundle", "/there/is/none"),
        ("registry_config_file", "/there/is/none"),
        *[
            ("workshop_node_address", value)
            for value in ("a b", "", "-", "..", "300.1.1.1", "10.0.0", "a" * 254, None, 7)
        ],
        *[
            ("workshop_debian_mirror", value)
            for value in (
                *("deb.debian.org", "http://a/d http://b/d", "deb http://a/d x main", "http://a/d,", "ftp://a/d", 3),
                *(["http://a/d"], "http://me:secret@a/d", None),
            )
        ],
    ],
)
def test_refused_in_one_sentence(name: str, value: Any) -> None:
    found = judge(**{name: value})
    assert len(found) == 1
    assert found[0].startswith(f"{name} is ")
    assert ", but must be " in found[0]
    assert f"for example -e {name}=" in found[0]
    assert "\n" not in found[0]


@pytest.mark.parametrize("address", ["", "a b", "300.1.1.1"])
def test_a_doors_host_that_is_the_nodes_address_is_no_second_mistake(address: str) -> None:
    (sentence,) = judge(workshop_node_address=address, workshop_door_host=address)
    assert sentence.startswith("workshop_node_address is ")
    assert len(judge(workshop_node_address=address, workshop_door_host="https://door.example")) == 2


def test_every_mistake_is_named_at_once() -> None:
    assert len(judge(workshop_name="A", workshop_api_port="b", workshop_namespace="c d")) == 3


@pytest.mark.parametrize(
    ("supply", "kit", "said"),
    [
        ("auto", "/a.kit", ""),
        ("kit", "/a.kit", ""),
        ("kit", "", "workshop_supply is 'kit', but no kit is named"),
        ("cache", "/a.kit", "workshop_supply is 'cache', but workshop_kit names '/a.kit': leave one of them out"),
        ("packages", "/a.kit", "workshop_supply is 'packages', but workshop_kit names '/a.kit'"),
    ],
)
def test_a_supply_and_a_kit_go_together(supply: str, kit: str, said: str) -> None:
    found = judge(workshop_supply=supply, workshop_kit=kit)
    assert [sentence[: len(said)] for sentence in found] == ([said] if said else [])


def test_a_rooms_number_is_a_name_when_it_is_text() -> None:
    assert judge(workshop_name="101") == []
    assert "workshop_name is 101, but must be text (in a file in quotes)" in judge(workshop_name=101)[0]


def test_ports_must_differ() -> None:
    assert judge(workshop_front_node_port="32000") == [
        "workshop_registry_node_port and workshop_front_node_port are both 32000, but must differ: "
        "choose another port with -e workshop_front_node_port=..."
    ]
    assert "workshop_api_port and workshop_registry_node_port" in judge(workshop_api_port=32000)[0]


def test_subnets_must_not_overlap() -> None:
    assert judge(workshop_pod_subnet="10.0.0.0/8") == [
        "workshop_pod_subnet (10.0.0.0/8) and workshop_service_subnet (10.96.0.0/16) overlap, but must not: "
        "choose another network with -e workshop_service_subnet=..."
    ]


def test_an_existing_cluster_needs_its_kubeconfig_and_a_node(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.touch()
    given = {"workshop_kubeconfig": str(kubeconfig), "workshop_api_port": 32000}
    assert judge(**given, workshop_node_address="192.0.2.1") == []
    assert "a node of the cluster that workshop_kubeconfig names" in judge(**given, workshop_node_address="")[0]


def test_an_existing_cluster_needs_images_and_programs(tmp_path: Path) -> None:
    for name in ("config", "istioctl", "kubectl"):
        (tmp_path / name).touch(mode=0o755)
    given = {"workshop_kubeconfig": str(tmp_path / "config"), "mesh_bin_dir": str(tmp_path)}
    images = dict.fromkeys(IMAGES, "registry.example/image:1")
    assert judge(**given, workshop_images=images) == []
    few = {name: image for name, image in images.items() if name not in ("kaniko", "python")}
    assert "workshop_images has no kaniko, python, but" in judge(**given, workshop_images=few)[0]
    (tmp_path / "istioctl").unlink()
    assert "where istioctl cannot be run" in judge(**given, workshop_images=images)[0]
    # A cluster of its own has the bundle's.
    assert judge(workshop_images={}, mesh_bin_dir="/there/is/none") == []


@pytest.mark.parametrize(
    ("proxy", "settings", "asked"),
    [
        ("localhost/workshop/proxyv2:1.31", {}, False),
        ("docker.io/istio/proxyv2:1.31.0", {}, False),
        ("gcr.io/istio-release/proxyv2:1.31.0", {}, False),
        ("registry.example/istio/proxyv2@sha256:0", {}, False),
        ("registry.example/workshop/proxyv2:1.31", {}, True),
        ("registry.example/workshop/proxyv2:1.31", {"mesh_plain_envoy": True}, False),
        ("registry.example/workshop/proxyv2:1.31", {"mesh_plain_envoy": "false"}, False),
        ("registry.example/workshop/proxyv2:1.31", {"mesh_use_existing": True}, False),
    ],
)
def test_what_a_proxy_is_is_asked_when_its_name_does_not_say_it(
    tmp_path: Path, proxy: str, settings: dict[str, Any], asked: bool
) -> None:
    (tmp_path / "config").touch()
    images = dict.fromkeys(IMAGES, "registry.example/image:1") | {"proxyv2": proxy}
    given = {"mesh_plain_envoy": "", "mesh_use_existing": False, **settings}
    found = judge(workshop_kubeconfig=str(tmp_path / "config"), workshop_images=images, **given)
    assert [sentence for sentence in found if "mesh_plain_envoy=true" in sentence] == (found if asked else [])
    assert len(found) == asked


def test_an_existing_istio_needs_no_images_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "config").touch()
    images = dict.fromkeys(IMAGES - {"pilot", "proxyv2", "install-cni"}, "registry.example/image:1")
    given = {"workshop_kubeconfig": str(tmp_path / "config"), "workshop_images": images}
    assert "workshop_images has no install-cni, pilot, proxyv2" in judge(**given)[0]
    assert judge(**given, mesh_use_existing="true") == []


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("version: 0.1\nhttp: {addr: ':5000'}\n", True),
        ("version: 0.1\nhttp: {addr: '0.0.0.0:5000'}\n", True),
        ("version: 0.1\nhttp: {addr: ':80'}\n", False),
        ("version: 0.1\n", False),
        ("http: [", False),
        ("", False),
    ],
)
def test_a_registrys_configuration_is_one(tmp_path: Path, text: str, good: bool) -> None:
    path = tmp_path / "config.yml"
    path.write_text(text)
    assert (judge(registry_config_file=str(path)) == []) is good


def test_a_ca_bundle_holds_certificates(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----\n")
    assert judge(workshop_ca_bundle=str(bundle)) == []
    bundle.write_text("no certificate")
    assert "PEM" in judge(workshop_ca_bundle=str(bundle))[0]


@pytest.mark.parametrize(
    "gone",
    [
        {"registry_config_file": "/nonexistent.yml"},
        {"workshop_ca_bundle": "/nonexistent.crt"},
        {"workshop_door_certificate": "/nonexistent.crt", "workshop_door_key": "/nonexistent.key"},
    ],
)
@pytest.mark.parametrize(("purpose", "judged"), [("make", True), ("change", True), ("use", False), ("remove", False)])
def test_a_remembered_file_that_is_gone_keeps_nobody_from_a_stage_or_a_teardown(
    gone: dict[str, str], purpose: Purpose, judged: bool
) -> None:
    assert bool(problems({**GOOD, **gone}, ["alephbeth"], purpose)) is judged


def test_a_long_value_is_cut() -> None:
    assert len(judge(workshop_name="a" * 5000)[0]) < 300
