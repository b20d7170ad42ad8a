"""What the documentation's site has besides docs/: README.md as its first page, and reference pages.

mkdocs calls this (mkdocs.yml). The reference is written from what ansible-doc knows of roles and plugins.
"""

from __future__ import annotations

import json
import posixpath
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from antsibull_docs_parser.md import to_md
from antsibull_docs_parser.parser import Context, parse
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#:]+)(#[^)]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add pages that stand in no file of docs/."""
    known = documented()
    pages = {
        "index.md": (ROOT / "README.md").read_text(),
        "reference/roles.md": "\n".join(["# Roles\n", *roles(known["role"])]),
        "reference/modules.md": "\n".join(["# Modules and actions\n", *plugins(known["module"])]),
        "reference/filters.md": "\n".join(["# Filters\n", *plugins(known["filter"])]),
        "reference/lookups.md": "\n".join(
            ["# Lookups and the inventory\n", *plugins(known["lookup"] | known["inventory"])]
        ),
    }
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to the site's pages; of one to another file its words stay: the repository has no public address."""
    here = posixpath.dirname(page.file.src_uri)
    source = "" if page.file.src_uri == "index.md" else posixpath.join("docs", here)

    def lead(found: re.Match[str]) -> str:
        image, words, target, anchor = found.groups(default="")
        path = posixpath.normpath(posixpath.join(source, target))
        for known in (path.removeprefix("docs/"), f"{path.removeprefix('docs/')}/README.md"):
            if path.startswith("docs/") and known in files.src_uris:
                return f"{image}[{words}]({posixpath.relpath(known, here or '.')}{anchor})"
        if (ROOT / path).exists():
            return words if words.startswith("`") else f"`{words}`"
        return found[0]  # mkdocs says that it is broken

    return LINK.sub(lead, markdown)


def documented() -> dict[str, dict[str, Any]]:
    """What ansible-doc knows of the collection, by kind of plugin and full name."""
    command = [str(Path(sys.executable).with_name("ansible-doc")), "--metadata-dump", "istio_games.workshop"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)["all"]
    return found


def roles(found: Mapping[str, Any]) -> Iterator[str]:
    """A section for each role, with its entry points and what they take."""
    for name, role in sorted(found.items()):
        points = role["entry_points"]
        yield f"## {name.rpartition('.')[2]}\n"
        yield from (f"- `{entry}`: {text(point['short_description'])}" for entry, point in points.items())
        yield ""
        yield from options(next(iter(points.values())).get("options") or {})


def plugins(found: Mapping[str, Any]) -> Iterator[str]:
    """A section for each plugin: what it does, what it takes, an example, what it returns."""
    for name, plugin in sorted(found.items()):
        about = plugin["doc"]
        yield f"## {name.rpartition('.')[2]}\n"
        yield f"{text(about['short_description'])}.\n"
        yield from (f"{each}\n" for each in texts(about.get("description")))
        yield from options(about.get("options") or {})
        if plugin.get("examples"):
            yield f"```yaml\n{plugin['examples'].strip()}\n```\n"
        if plugin.get("return"):
            yield "Returns:\n"
            yield from options(plugin["return"])


def options(given: Mapping[str, Any]) -> Iterator[str]:
    """A table of options or returned values; nothing when there are none."""
    if not given:
        return
    yield "| name | type | meaning |\n| --- | --- | --- |"
    for name, option in given.items():
        said = " ".join(texts(option.get("description")))
        kind = " of ".join(filter(None, (option.get("type", "str"), option.get("elements"))))
        notes = []
        if option.get("required"):
            notes.append("Required.")
        if "choices" in option:
            notes.append(f"One of {', '.join(f'`{each}`' for each in option['choices'])}.")
        if option.get("default") not in (None, ""):
            notes.append(f"Default: `{option['default']}`.")
        yield f"| `{name}` | {kind} | {' '.join([said, *notes])} |".replace("\n", " ")
    yield ""


def texts(description: Any) -> list[str]:
    """Paragraphs of Ansible's markup as Markdown."""
    listed = description if isinstance(description, list) else [description or ""]
    return [text(str(each)) for each in listed]


def text(marked: str) -> str:
    """Ansible's markup as Markdown."""
    return to_md(parse(marked, Context())).replace("|", "\\|")
