"""ansible-playbook as people type it: from anywhere, with options and variables of theirs, it works or says why not.

Nothing here has a room: what is right gets as far as the sentence that there is none.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INVENTORY = str(ROOT / "inventory/room.yml")
NO_ROOM = "There is no room 'workshop', and no other"
NO_GROUPS = "The inventory has no groups controller and control_plane: name one that has with -i"
NODE_PORTS = ("registry", "front", "webui", "door")
LOCAL = "ansible_connection: local, ansible_python_interpreter: '{{ ansible_playbook_python }}'"


class Person:
    """Somebody with an empty home directory."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def play(
        self,
        playbook: str,
        *arguments: str,
        cwd: Path = ROOT,
        variables: Mapping[str, str] | None = None,
        seconds: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Type ansible-playbook."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE", "XDG", "LC_"))}
        environment = kept | {"HOME": str(self.home), "NO_COLOR": "1", "LANG": "C.UTF-8", **(variables or {})}
        command = ("ansible-playbook", str(playbook), *arguments)
        return subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=seconds
        )

    def inventory(self, text: str) -> str:
        """Write an inventory."""
        path = self.home / "hosts.yml"
        path.write_text(text)
        return str(path)


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(tmp_path)


def refused(done: subprocess.CompletedProcess[str], said: str) -> None:
    """See that nothing was done, and why."""
    text = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0, text
    assert said in text
    assert "Traceback" not in text
    assert "changed=1" not in text


@pytest.mark.parametrize("playbook", ["promote.yml", "deploy.yml"])
def test_a_playbook_finds_its_room_in_the_checkout(person: Person, playbook: str) -> None:
    refused(person.play(f"playbooks/{playbook}"), NO_ROOM)


@pytest.mark.parametrize(
    ("directory", "playbook"), [("/", "promote.yml"), ("playbooks", "status.yml"), ("/", "site.yml")]
)
def test_in_another_directory_it_says_what_to_type(person: Person, directory: str, playbook: str) -> None:
    refused(
        person.play(str(ROOT / "playbooks" / playbook), cwd=ROOT / directory), f"{NO_GROUPS}, such as -i {INVENTORY}"
    )


@pytest.mark.parametrize(
    "variables", [{"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}, {"ANSIBLE_INVENTORY": INVENTORY}], ids=str
)
def test_in_another_directory_it_works_when_ansible_is_told(person: Person, variables: dict[str, str]) -> None:
    refused(person.play(str(ROOT / "playbooks/promote.yml"), cwd=Path("/"), variables=variables), NO_ROOM)


def test_an_empty_configuration_is_no_success(person: Person) -> None:
    empty = person.home / "empty.cfg"
    empty.touch()
    refused(person.play("playbooks/promote.yml", variables={"ANSIBLE_CONFIG": str(empty)}), NO_GROUPS)


CONTROLLER = f"controller: {{hosts: {{localhost: {{{LOCAL}}}}}}}"
CONTROL_PLANE = "control_plane: {hosts: {control-plane: }}"


@pytest.mark.parametrize(
    ("children", "said"),
    [
        (CONTROL_PLANE, NO_GROUPS),
        (CONTROLLER, NO_GROUPS),
        (f"{CONTROLLER}\n    {CONTROL_PLANE}", "control-plane must be in the inventory's group nodes"),
        (
            f"{CONTROLLER}\n    nodes: {{children: {{{CONTROL_PLANE}}}, hosts: {{spare: }}}}",
            "spare must be in the inventory's group nodes, and there in control_plane or workers",
        ),
        (
            f"controller: {{hosts: {{localhost: }}}}\n    nodes: {{children: {{{CONTROL_PLANE}}}}}",
            "The inventory's group controller holds localhost, but must hold this machine alone",
        ),
        (
            f"controller: {{hosts: {{localhost: {{{LOCAL}}}, other: {{{LOCAL}}}}}}}\n"
            f"    nodes: {{children: {{{CONTROL_PLANE}}}}}",
            "The inventory's group controller holds localhost, other, but must hold this machine alone",
        ),
        (
            f"controller: {{hosts: {{}}}}\n    nodes: {{children: {{{CONTROL_PLANE}}}}}",
            "The inventory's group controller holds nothing, but must hold this machine alone",
        ),
    ],
)
def test_an_inventory_that_is_no_rooms_is_refused(person: Person, children: str, said: str) -> None:
    inventory = person.inventory(f"all:\n  children:\n    {children}\n")
    refused(person.play("playbooks/promote.yml", "-i", inventory), said)


def test_an_inventory_that_ansible_cannot_read_is_no_success(person: Person) -> None:
    refused(person.play("playbooks/promote.yml", "-i", person.inventory("all: [")), NO_GROUPS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--limit", "control-plane"], "--limit control-plane would leave out hosts"),
        (["--tags", "stage"], "--tags stage would do nothing"),
        (["--start-at-task", "Stage | Judge what was typed"], "would leave out what that task builds on"),
        (["--step"], "--step would leave out tasks"),
        (["-c", "local"], "-c local (or ANSIBLE_TRANSPORT) would make"),
        (
            ["-e", "ansible_connection=local"],
            "ansible_connection, given with -e, would hold for this machine and for every",
        ),
        (["-b"], NO_ROOM),
        (["-vvv"], NO_ROOM),
        (["--check", "--diff"], NO_ROOM),
    ],
    ids=" ".join,
)
def test_an_option_works_or_is_refused(person: Person, arguments: list[str], said: str) -> None:
    refused(person.play("playbooks/promote.yml", *arguments), said)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            "ANSIBLE_STRATEGY",
            "free",
            "Ansible's DEFAULT_STRATEGY is 'free' (env: ANSIBLE_STRATEGY), but must be 'linear'",
        ),
        ("ANSIBLE_HASH_BEHAVIOUR", "merge", "Ansible's DEFAULT_HASH_BEHAVIOUR is 'merge'"),
        ("ANSIBLE_TASK_TIMEOUT", "5", "Ansible's TASK_TIMEOUT is 5 (env: ANSIBLE_TASK_TIMEOUT), but must be 0"),
        ("ANSIBLE_RUN_TAGS", "stage", "--tags stage would do nothing"),
        ("ANSIBLE_TRANSPORT", "local", "-c local (or ANSIBLE_TRANSPORT) would make"),
        ("ANSIBLE_INVENTORY_ENABLED", "ini", NO_GROUPS),
        ("ANSIBLE_BECOME", "true", NO_ROOM),
        ("ANSIBLE_STDOUT_CALLBACK", "minimal", NO_ROOM),
        ("ANSIBLE_INJECT_FACT_VARS", "true", NO_ROOM),
        ("ANSIBLE_PYTHON_INTERPRETER", "/nonexistent/python", NO_ROOM),
        ("ANSIBLE_COLLECTIONS_PATH", "/nonexistent", NO_ROOM),
    ],
)
def test_a_variable_of_ansibles_works_or_is_refused(person: Person, name: str, value: str, said: str) -> None:
    refused(person.play("playbooks/promote.yml", variables={name: value}), said)


def copy_of_the_project(directory: Path) -> Path:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True, timeout=60,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, directory / name)
    return directory


def test_a_checkout_that_anybody_may_write_to_and_another_copy_are_refused(person: Person) -> None:
    checkout = copy_of_the_project(person.home / "a checkout")
    refused(
        person.play("playbooks/promote.yml", cwd=checkout),
        f"The playbook is in {checkout}, but Ansible would take its roles from {ROOT}",
    )
    collections = person.home / "collections/ansible_collections/istio_games"
    collections.mkdir(parents=True)
    (collections / "workshop").symlink_to(checkout)
    path = {"ANSIBLE_COLLECTIONS_PATH": str(person.home / "collections")}
    refused(person.play("playbooks/promote.yml", cwd=checkout, variables=path), NO_ROOM)
    checkout.chmod(0o777)  # Ansible takes no ansible.cfg from there
    refused(person.play("playbooks/promote.yml", cwd=checkout, variables=path), NO_GROUPS)


def test_variables_of_an_inventory_are_no_arguments(person: Person) -> None:
    """`version`, `service` and the like may be anybody's there; only -e gives ours."""
    foreign = "{version: 7, service: nginx, stage: production, weight: heavy, takeover: 1, measure: 2, purge: 3}"
    inventory = person.inventory(
        f"all:\n  vars: {foreign}\n  children:\n    {CONTROLLER}\n    nodes: {{children: {{{CONTROL_PLANE}}}}}\n"
    )
    files = [str(ROOT / "roles" / role / "defaults/main.yml") for role in ("traffic", "teardown")]
    names = [f"traffic_{name}" for name in ("stage", "service", "weight", "version", "takeover", "measure")]
    shown = ";".join(f"{{{{ {name} }}}}" for name in (*names, "teardown_purge"))
    play = person.home / "play.yml"
    play.write_text(
        f"- hosts: controller\n  gather_facts: false\n  vars_files: {files}\n"
        f"  tasks: [{{ansible.builtin.debug: {{msg: '<{shown}>'}}}}]\n"
    )
    done = person.play(str(play), "-i", inventory)
    assert "<;;;;False;True;False>" in done.stdout, done.stdout + done.stderr
    done = person.play(str(play), "-i", inventory, "-e", "service=aleph,beth weight=050 version=0.3")
    assert "<;aleph,beth;050;0.3;False;True;False>" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("registry_deletion=maybe", "registry_deletion is 'maybe', but must be true or false"),
        ("mesh_use_existing=", "mesh_use_existing is '', but must be true or false"),
        ('{"app_versions": 5}', "app_versions is 5, but must be a mapping"),
        (
            '{"workshop_apps": {"alephbeth": {}}}',
            "workshop_apps.alephbeth must have a namespace and a list of services",
        ),
    ],
)
def test_a_value_of_another_kind_is_refused_before_anything_is_made(person: Person, given: str, said: str) -> None:
    """Its role would find out after the bundle, the nodes and the cluster."""
    refused(person.play("site.yml", "-e", given), said)
    assert {path.name for path in person.home.iterdir()} <= {".ansible"}


def test_check_mode_goes_as_far_as_it_can_where_nothing_is_there(person: Person) -> None:
    ports = ["api_port=16999", *(f"{name}_node_port={31990 + number}" for number, name in enumerate(NODE_PORTS))]
    given = [part for each in ("name=checked", *ports) for part in ("-e", f"workshop_{each}")]
    done = person.play("site.yml", "--check", *given, seconds=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(person.home.rglob("istio-workshop")) == []
