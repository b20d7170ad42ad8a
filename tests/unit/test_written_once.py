"""What several roles and plugins must agree on is written in one place each."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from ansible_collections.istio_games.workshop.plugins.module_utils.nodes import host_reader
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import MANAGER

ROOT = Path(__file__).resolve().parents[2]
CODE = sorted(
    path
    for directory in ("inventory", "playbooks", "plugins", "roles")
    for path in (ROOT / directory).rglob("*")
    if path.suffix in (".py", ".yml", ".j2") and not any(part.is_symlink() for part in (path, *path.parents))
)
SETTING = re.compile(r"^(workshop_\w+_node_port):", re.MULTILINE)


def files_with(pattern: str) -> list[str]:
    """Give the files in which a line matches; comments and examples of documentation are left out."""
    found = re.compile(pattern)
    return [
        str(path.relative_to(ROOT))
        for path in CODE
        if any(found.search(line) and not line.lstrip().startswith(("#", ">>>")) for line in body(path).splitlines())
    ]


def body(path: Path) -> str:
    """Give a file's text without its documentation (of modules, argument specs and docstrings)."""
    text = path.read_text()
    return re.sub(r'r?"""(?s:.*?)"""', "", text) if path.suffix == ".py" else text


def test_every_node_port_is_in_the_room_s_list() -> None:
    (listed,) = [path for path in CODE if "\nworkshop_node_ports:" in path.read_text()]
    settings = {name for path in CODE for name in SETTING.findall(path.read_text())}
    assert set(yaml.safe_load(listed.read_text())["workshop_node_ports"]) == settings


def test_roles_take_node_ports_from_the_list() -> None:
    # A role says in its defaults which one it is about; the room's own have the list.
    users = [path for path in files_with(r"workshop_\w+_node_port\b") if path.startswith(("roles/", "plugins/"))]
    assert [path for path in users if not path.startswith("roles/room/")] == [
        "roles/app/defaults/main.yml",
        "roles/app/meta/argument_specs.yml",
        "roles/door/defaults/main.yml",
        "roles/door/meta/argument_specs.yml",
        "roles/registry/defaults/main.yml",
        "roles/registry/meta/argument_specs.yml",
        "roles/student/defaults/main.yml",
        "roles/student/meta/argument_specs.yml",
    ]


def test_image_names_begin_alike() -> None:
    # mesh asks by it whether an image is the bundle's.
    assert files_with("localhost/workshop") == [
        "plugins/module_utils/nodes/container_images.py",
        "roles/mesh/defaults/main.yml",
    ]


def test_objects_are_labelled_in_one_place() -> None:
    assert files_with("managed-by") == ["plugins/plugin_utils/k8s/ownership.py"]
    assert files_with(f"""["']{MANAGER}["']""") == [
        "plugins/module_utils/nodes/host_reader.py",  # Podman's label
        "plugins/plugin_utils/k8s/ownership.py",
    ]


def test_what_yaml_cannot_import_is_the_same() -> None:
    roles = ROOT / "roles"
    assert variable(roles / "node_containers", "__node_containers_label") == host_reader.LABEL


def variable(role: Path, name: str) -> str:
    return str(yaml.safe_load((role / "vars" / "main.yml").read_text())[name])
