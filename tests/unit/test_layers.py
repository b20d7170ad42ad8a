"""The layers of plugins/ (docs/architecture.md): an upper one may import a lower one, never the other way."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "plugins"
PACKAGE = "ansible_collections.istio_games.workshop.plugins."
ARCHITECTURE = Path(__file__).resolve().parents[2] / "docs" / "architecture.md"


def picture() -> tuple[tuple[str, ...], ...]:
    """Read the layers from the page for people, from the top; the wings of a line do not know each other."""
    (drawn,) = re.findall(r"```layers\n(.*?)```", ARCHITECTURE.read_text(), re.DOTALL)
    return tuple(tuple(line.split()) for line in drawn.splitlines())


LAYERS = picture()
LEVEL = {wing: level for level, wings in enumerate(LAYERS) for wing in wings}
# Modules run where there is no controller: they know what runs on a node alone.
BELOW = {"module_utils/nodes", "module_utils/registry", "module_utils"}
ON_NODES = dict.fromkeys(("modules", *BELOW), BELOW)


def wing_of(path: str) -> str:
    """Name the wing that a file of plugins/, or a package below it, belongs to."""
    return max((wing for wing in LEVEL if path == wing or path.startswith(wing + "/")), key=len)


def imports(source: str) -> Iterator[str]:
    """Give the files of plugins/ that some code imports, as paths without the ending."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(PACKAGE):
            package = str(node.module).removeprefix(PACKAGE).replace(".", "/")
            for name in node.names:
                inside = f"{package}/{name.name}"
                yield inside if (ROOT / f"{inside}.py").is_file() else package


def violations(path: str, source: str) -> list[str]:
    """Say what of a file's imports goes up, or sideways."""
    own = wing_of(path)
    found = []
    for target in imports(source):
        other = wing_of(target)
        allowed = ON_NODES.get(own, set(LEVEL))
        if other not in allowed or (other != own and LEVEL[other] <= LEVEL[own]):
            found.append(f"{path} imports {target}")
    return found


def test_every_directory_of_plugins_is_in_the_picture_and_explained() -> None:
    there = {str(path.parent.relative_to(ROOT)) for path in ROOT.rglob("*.py")} - {"doc_fragments"}
    assert {wing for layer in LAYERS for wing in layer} == there
    explained = re.findall(r"^\| `([\w/]+)` \|", ARCHITECTURE.read_text(), re.MULTILINE)
    assert explained == [wing for layer in LAYERS for wing in layer]


CLIENTS = re.compile(r"^\s*(?:from|import) (?:kubernetes|openshift)\b", re.MULTILINE)


def test_the_kubernetes_client_is_reached_in_one_place() -> None:
    users = {wing_of(str(path.relative_to(ROOT))) for path in ROOT.rglob("*.py") if CLIENTS.search(path.read_text())}
    assert users == {"plugin_utils/k8s"}


@pytest.mark.parametrize("path", sorted(str(path.relative_to(ROOT)) for path in ROOT.rglob("*.py")))
def test_nothing_is_imported_from_above(path: str) -> None:
    if not path.startswith("doc_fragments/"):
        assert violations(path, (ROOT / path).read_text()) == []


@pytest.mark.parametrize(
    ("path", "imported"),
    [
        ("plugin_utils/k8s/pods.py", "plugin_utils.traffic.proxies"),
        ("plugin_utils/kaniko/job.py", "plugin_utils.traffic.routes"),
        ("plugin_utils/room/settings.py", "plugin_utils.k8s.api"),
        ("module_utils/nodes/files.py", "plugin_utils.room.room"),
        ("modules/files.py", "plugin_utils.k8s.api"),
        ("plugin_utils/traffic/plan.py", "filter.traffic"),
        ("plugin_utils/k8s/api.py", "plugin_utils.actions.base"),
        ("module_utils/errors.py", "module_utils.nodes.files"),
    ],
)
def test_an_import_from_above_is_found(path: str, imported: str) -> None:
    assert violations(path, f"from {PACKAGE}{imported} import name\n")
