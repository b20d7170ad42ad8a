"""Debian packages come from this machine's own sources, or from mirrors that are named; passwords go no further."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import debian_archive
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import BundleError

SUPPLY = Path(__file__).parents[3] / "supply"


def targets(*rows: str, source: str = "") -> str:
    """What `apt-get indextargets` prints for rows of "URL release component origin"."""
    paragraphs = []
    for row in rows:
        url, release, component, *origin = row.split()
        lines = [f"Repo-URI: {url}", f"Release: {release}", f"Component: {component}", f"Sourcesentry: {source}"]
        paragraphs.append("\n".join(lines + [f"Origin: {name}" for name in origin]))
    return "\n\n".join(paragraphs)


@pytest.mark.parametrize(
    ("rows", "is_debian", "lines"),
    [
        (  # the node's own suite
            ("http://a/debian/ bookworm main Debian", "http://a/debian-security/ bookworm-security main Debian"),
            True,
            ["deb http://a/debian/ bookworm main", "deb http://a/debian-security/ bookworm-security main"],
        ),
        (  # a newer Debian: the same archives are asked for the node's suite
            ("http://a/debian/ trixie main Debian", "http://a/debian/ trixie-updates main Debian"),
            True,
            ["deb http://a/debian/ bookworm main", "deb http://a/debian/ bookworm-updates main"],
        ),
        # Sections, backports and others' archives are not asked.
        (("http://a/debian/ bookworm contrib Debian", "http://a/debian/ bookworm-backports main Debian"), True, []),
        (("http://packages.example/ bookworm main Example",), True, []),
        # Never read lists name no origin.
        (("http://mirror.example/d/ stable main",), True, ["deb http://mirror.example/d/ bookworm main"]),
        (("http://mirror.example/ubuntu/ noble main",), False, []),
        (("http://a/ubuntu/ noble main Ubuntu",), False, []),
    ],
)
def test_sources_are_this_machines(rows: tuple[str, ...], is_debian: bool, lines: list[str]) -> None:
    assert debian_archive.from_index_targets(targets(*rows), "bookworm", is_debian) == lines


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("debian.sources", "# a comment\nTypes: deb\nURIs: http://other\n\nTypes: deb\nSigned-By: /keys/mine.gpg\n"),
        (
            "sources.list",
            "deb http://other bookworm main\ndeb [arch=amd64 signed-by=/keys/mine.gpg] http://a bookworm main\n",
        ),
    ],
)
def test_the_keyring_of_an_entry_is_used(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    listing = targets("http://a/ bookworm main Debian", source=f"{tmp_path / name}:2")
    assert debian_archive.from_index_targets(listing, "bookworm", True) == [
        "deb [signed-by=/keys/mine.gpg] http://a/ bookworm main"
    ]


def test_mirrors_that_are_named_are_used_instead() -> None:
    assert debian_archive.sources("bookworm", "http://a/debian,http://a/debian-security/") == [
        "deb http://a/debian bookworm main",
        "deb http://a/debian bookworm-updates main",
        "deb http://a/debian-security/ bookworm-security main",
    ]


@pytest.mark.parametrize("listing", ["", targets("http://a/ubuntu/ noble main Ubuntu")])
def test_a_machine_without_an_archive_of_debian_is_told_what_to_type(
    listing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian_archive, "_index_targets", lambda: listing)
    with pytest.raises(BundleError, match=r"no archive of Debian: .*-e workshop_debian_mirror=http"):
        debian_archive.sources("bookworm", "")


def test_the_way_to_the_archive_is_apts_own_and_signatures_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    dump = (
        'Acquire "";\nAcquire::http::Proxy "http://u:p@proxy:3128";\nAcquire::https::CaInfo "/ca.pem";\n'
        'Acquire::AllowInsecureRepositories "1";\nAPT::Install-Recommends "1";\nAcquire::Check-Valid-Until "false";\n'
    )
    monkeypatch.setattr(debian_archive, "_output", lambda command: dump)
    monkeypatch.setattr(debian_archive, "_CREDENTIALS", {})
    assert debian_archive.apt_settings().splitlines() == [
        'Acquire::http::Proxy "http://u:p@proxy:3128";',
        'Acquire::https::CaInfo "/ca.pem";',
        'Acquire::Check-Valid-Until "false";',
    ]


def test_pins_name_no_mirror() -> None:
    text = "".join((SUPPLY / name).read_text() for name in ("pins.yml", "recipes.yml"))
    assert "://" not in text
