"""A kit that somebody has made to harm is one sentence, at once, in check mode alike, and nothing was written."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from typing import Any

import pytest
from tests.small_kit import SmallKit
from tests.unit.bundle.test_kit_cache import packed, unpacked

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import kit_pull
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit import MANIFEST, MOST, KitError

ENTRY = "bundle/lock.json"
EMPTY = hashlib.sha256(b"").hexdigest()
Entry = tuple[tarfile.TarInfo, bytes]


@pytest.fixture
def bench(tmp_path: Any) -> SmallKit:
    return SmallKit.make(tmp_path)


def of_type(kind: bytes, link: str = "") -> Callable[[tarfile.TarInfo, bytes], list[Entry]]:
    """Another kind of entry instead of a file."""

    def change(entry: tarfile.TarInfo, content: bytes) -> list[Entry]:
        entry.type, entry.linkname, entry.size = kind, link, 0
        return [(entry, b"")]

    return change


def with_header(empty: bool = False, **headers: str) -> Callable[[tarfile.TarInfo, bytes], list[Entry]]:
    """A file of which an extended header says something else."""

    def change(entry: tarfile.TarInfo, content: bytes) -> list[Entry]:
        entry.pax_headers = {
            name.replace("_", "."): text.replace("SIZE", str(len(content))) for name, text in headers.items()
        }
        entry.size = 0 if empty else entry.size
        return [(entry, b"" if empty else content)]

    return change


def twice(entry: tarfile.TarInfo, content: bytes) -> list[Entry]:
    return [(entry, content), (entry, content)]


def renamed(name: str) -> Callable[[tarfile.TarInfo, bytes], list[Entry]]:
    def change(entry: tarfile.TarInfo, content: bytes) -> list[Entry]:
        entry.name = name
        return [(entry, content)]

    return change


HOLES = {"GNU_sparse_major": "0", "GNU_sparse_minor": "1", "GNU_sparse_name": ENTRY, "GNU_sparse_size": "SIZE"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (of_type(tarfile.SYMTYPE, "/etc/passwd"), "cannot extract (sym)link"),
        (of_type(tarfile.LNKTYPE, MANIFEST), "cannot extract (sym)link"),
        (of_type(tarfile.CHRTYPE), f"instead of {ENTRY}"),
        (of_type(tarfile.BLKTYPE), f"instead of {ENTRY}"),
        (of_type(tarfile.FIFOTYPE), f"instead of {ENTRY}"),
        (of_type(tarfile.DIRTYPE), f"instead of {ENTRY}"),
        (renamed("/etc/cron.d/x"), "/etc/cron.d/x instead of"),
        (renamed("bundle/../../x"), "bundle/../../x instead of"),
        (with_header(path="../../x"), "../../x instead of"),
        (with_header(size=str(10**18)), f"instead of {ENTRY}"),
        (with_header(empty=True, GNU_sparse_map="SIZE,0", **HOLES), f"{ENTRY} has holes"),
        (twice, f"{ENTRY} instead of"),
    ],
)
def test_an_entry_that_is_no_file_of_the_manifest_is_refused(
    bench: SmallKit, change: Callable[[tarfile.TarInfo, bytes], list[Entry]], said: str
) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(unpacked(bench.file))) as old, tarfile.open(fileobj=made, mode="w") as new:
        for member in old:
            stream = old.extractfile(member)
            assert stream
            entry, content = tarfile.TarInfo(member.name), stream.read()
            entry.size = len(content)
            for changed, data in change(entry, content) if entry.name == ENTRY else [(entry, content)]:
                new.addfile(changed, io.BytesIO(data))
    packed(bench.file, made.getvalue())
    refused(bench, said)


def refused(bench: SmallKit, said: str) -> None:
    for check_mode in (True, False):
        with pytest.raises(KitError) as error:
            bench.take(bench.file, check_mode=check_mode)
        assert said in str(error.value)
        assert str(error.value).endswith("Copy or download it again; nothing was changed.")
        assert str(error.value).isprintable()
        assert bench.state() == []


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([{"name": "bundle/a\0b", "sha256": EMPTY}], "that no file can be called"),
        ([{"name": f"bundle/{'a' * 256}", "sha256": EMPTY}], "that no file can be called"),
        ([{"name": f"bundle/{'é' * 128}", "sha256": EMPTY}], "that no file can be called"),
        ([{"name": "bundle/\ud800", "sha256": EMPTY}], "its manifest cannot be read"),
        ([{"name": 5, "sha256": EMPTY}], "its manifest cannot be read"),
        ([{"name": "bundle/l", "link": "a\0b"}], "that no file can be called"),
        ([{"name": "bundle/l", "link": "a" * 256}], "that no file can be called"),
        ([{"name": "bundle/l", "link": 5}], "its manifest cannot be read"),
        ([{"name": "bundle/a", "sha256": EMPTY, "executable": "no"}], "neither executable nor not"),
        ([{"name": "bundle/bin/kubernetes/a", "sha256": EMPTY}], "below bundle/bin/kubernetes, which is no directory"),
        ([{"name": "bundle/l", "link": "bin"}, {"name": "bundle/l/a", "sha256": EMPTY}], "below bundle/l, which is no"),
        ([{"name": "bundle/.", "sha256": EMPTY}], "a member called 'bundle/.'"),
        ([{"name": ENTRY, "sha256": EMPTY}], f"{ENTRY} twice"),
        # Of a few bytes that are compressed, days of reading, or numbers that nothing can calculate with.
        ([{"name": "collection/a", "sha256": EMPTY, "size": MOST}], "more than 64 GiB in it"),
        ([{"name": "bundle/a", "sha256": EMPTY, "size": 10**400}], "more than 64 GiB in it"),
    ],
)
def test_a_manifest_that_no_kit_can_have_is_refused(
    bench: SmallKit, members: list[dict[str, object]], said: str
) -> None:
    data = json.loads(bench.manifest.dump())
    data["members"] += members
    rewritten(bench, data)
    refused(bench, said)


def test_a_suite_has_a_python(bench: SmallKit) -> None:
    rewritten(bench, {**json.loads(bench.manifest.dump()), "suites": {"bookworm": ["3.11"]}})
    refused(bench, "a suite without a Python")


def rewritten(bench: SmallKit, manifest: dict[str, object]) -> None:
    """Give the kit another manifest."""
    text, made = json.dumps(manifest).encode(), io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as new:
        entry = tarfile.TarInfo(MANIFEST)
        entry.size = len(text)
        new.addfile(entry, io.BytesIO(text))
    packed(bench.file, made.getvalue())


@pytest.mark.parametrize("size", [MOST + 1, 10**400, True, -1, "9", 1.5])
def test_a_registrys_manifest_counts_in_bytes(size: object) -> None:
    layer = {"mediaType": kit_pull.PIECE_TYPE, "digest": f"sha256:{EMPTY}", "size": size}
    with pytest.raises(ValueError, match="no "):
        kit_pull._layers(json.dumps({"layers": [layer]}).encode())
