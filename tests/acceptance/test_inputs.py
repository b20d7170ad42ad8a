"""A wrong value gets one clear sentence, a non-zero exit and an untouched cluster."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.room import ROOT, Room


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("workshop_registry_node_port=99999", "workshop_registry_node_port is .*99999.*30000.*32767"),
        ("workshop_front_node_port=abc", "workshop_front_node_port is .*abc.*30000.*32767"),
        ("workshop_api_port=0", "workshop_api_port is .*0.*65535"),
        ("workshop_name=No_Room!", "workshop_name is .*No_Room!"),
        ("workshop_supply=cheese", "workshop_supply is .*cheese.*packages"),
        ("workshop_app=cheese", "workshop_app is .*cheese.*alephbeth"),
        ("workshop_namespace=Not_Good", "workshop_namespace is .*Not_Good"),
        ("workshop_load_rate=501", "workshop_load_rate is .*501.*500"),
        ("workshop_listen_address=nowhere", "workshop_listen_address is .*nowhere"),
        ("workshop_kubeconfig=/nonexistent", "workshop_kubeconfig is .*/nonexistent"),
        ("workshop_ca_bundle=/nonexistent", "workshop_ca_bundle is .*/nonexistent"),
        ("registry_config_file=/nonexistent", "registry_config_file is .*/nonexistent.*:5000"),
    ],
)
def test_a_wrong_setting_is_refused_before_anything_changes(room: Room, setting: str, said: str) -> None:
    before = room.objects()
    played = room.play("site.yml", "-e", setting)
    assert played.code != 0
    assert played.changed == 0
    assert re.search(said, played.output), played.output[-3000:]
    assert room.objects() == before


def test_a_port_of_two_services_is_refused(room: Room) -> None:
    before = room.objects()
    played = room.play("site.yml", "-e", f"workshop_front_node_port={room.registry_port}")
    assert played.code != 0
    assert re.search("workshop_front_node_port.*workshop_registry_node_port|both", played.output)
    assert room.objects() == before


def test_a_tag_that_does_not_exist_is_refused(room: Room) -> None:
    before = room.objects()
    played = room.play("playbooks/deploy.yml", "-e", '{"app_versions": {"aleph": ["9.9"]}}')
    assert played.code != 0
    assert "9.9" in played.output
    assert "0.1" in played.output, "the tags that exist are named"
    assert room.objects() == before


@pytest.mark.parametrize("given", ["service=rng", "student=all"])
def test_what_an_application_without_stages_cannot_have_is_refused(room: Room, given: str) -> None:
    for playbook in ("playbooks/verify.yml", "playbooks/status.yml", "playbooks/baseline.yml"):
        played = room.play(playbook, "-e", "workshop_app=dockercoins", "-e", given)
        assert played.code != 0
        assert "This application has no service with a `candidate`, so it has no stages" in played.output


def test_a_port_that_is_not_the_rooms_is_refused(room: Room) -> None:
    before = room.objects()
    for playbook in ("playbooks/dark_launch.yml", "playbooks/deploy.yml"):
        played = room.play(playbook, "-e", "workshop_front_node_port=30299")
        assert played.code != 0
        said = f"workshop_front_node_port is 30299, but the room {room.name} has {room.front_port}: leave it out"
        assert said in played.output
    assert room.objects() == before


def test_a_taken_port_is_found_before_anything_is_made() -> None:
    other = Room("taken", api_port=26471, registry_port=32331, front_port=30331)
    with socket.create_server(("127.0.0.1", other.registry_port)):
        played = other.play("site.yml")
    assert played.code != 0
    assert str(other.registry_port) in played.output
    assert "workshop_registry_node_port" in played.output
    listed = subprocess.run(
        ["podman", "ps", "--all", "--format={{.Names}}"], capture_output=True, text=True, check=True
    )
    assert other.name not in listed.stdout


def test_machines_that_do_not_answer_are_named(tmp_path: Path) -> None:
    example = (ROOT / "inventory/machines.example.yml").read_text()
    unused = re.sub(r"ansible_host: .*", "{ansible_host: 127.0.0.1, ansible_port: 9}", example)
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(re.sub(r"(control-plane|worker-1):\s+", r"\1: ", unused))
    silent = Room("silent", api_port=26481, registry_port=32341, front_port=30341, inventory=inventory)
    played = silent.play("site.yml")
    assert played.code != 0
    assert "control-plane, worker-1 cannot be reached" in played.output
    assert f"ansible -i {inventory} control-plane,worker-1 -m ansible.builtin.ping" in played.output
    assert played.changed == 0


def test_a_dockerfile_that_fails_names_the_service_and_shows_the_log(room: Room) -> None:
    requirements = ROOT / "services/alephbeth/beth/requirements.txt"
    original = requirements.read_text()
    before = room.generations()
    try:
        requirements.write_text(f"no-such-luck==1\n{original}")
        played = room.play("site.yml")
    finally:
        requirements.write_text(original)
    assert played.code != 0
    assert "beth" in played.output
    assert "no-such-luck" in played.output
    assert room.generations() == before
    assert "0.1" in str(room.front("/backends"))


@pytest.fixture
def full_file_system(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MiB."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", tmp_path], check=True)
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_a_full_file_system_is_named_with_the_remedy(full_file_system: Path) -> None:
    other = Room("full", api_port=26472, registry_port=32332, front_port=30332)
    played = other.play("playbooks/bundle.yml", "-e", f"workshop_cache_dir={full_file_system}/cache")
    assert played.code != 0
    assert "no space left in the cache's file system" in played.output
    assert "workshop_cache_dir=" in played.output
    shutil.rmtree(other.state, ignore_errors=True)


def test_an_unreachable_registry_is_named_and_what_is_built_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_RETRIES", "0")
    other = Room("offline", api_port=26473, registry_port=32333, front_port=30333)
    played = other.play("playbooks/bundle.yml", "-e", f"workshop_cache_dir={tmp_path}/cache")
    assert played.code != 0
    assert "PyPI cannot be reached" in played.output
    assert "what is already built stays" in played.output
    shutil.rmtree(other.state, ignore_errors=True)
