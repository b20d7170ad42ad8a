"""Layers come out the same whenever they are made, and hold what an image needs only."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.debian_part import installed
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.layers import (
    Layer,
    normalize_root_filesystem,
)

EPOCH = 1_700_000_000


def write_layer(path: Path, program: Path) -> bytes:
    with Layer(path, EPOCH) as layer:
        layer.directory("/data", 0o700, uid=65532)
        layer.file("/usr/local/bin/program", program)
        layer.link("/bin/program", "/usr/local/bin/program")
    return path.read_bytes()


def test_a_layer_does_not_show_when_or_by_whom_it_was_made(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    first = write_layer(tmp_path / "first.tar", program)
    os.utime(program, (1, 1))
    os.chown(program, 1234, 1234)
    assert write_layer(tmp_path / "second.tar", program) == first


def test_a_layer_has_its_entries_and_their_parents(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    write_layer(tmp_path / "layer.tar", program)
    with tarfile.open(tmp_path / "layer.tar") as layer:
        entries = {entry.name: entry for entry in layer}
    assert list(entries) == ["data", "usr", "usr/local", "usr/local/bin", "usr/local/bin/program", "bin", "bin/program"]
    assert (entries["data"].uid, entries["data"].mode) == (65532, 0o700)
    assert (entries["usr/local/bin/program"].uid, entries["usr/local/bin/program"].mode) == (0, 0o755)
    assert entries["bin/program"].linkname == "/usr/local/bin/program"


def debian_system(path: Path, files: dict[str, bytes], mtime: int) -> None:
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size, entry.mtime, entry.uname = len(content), mtime, "builder"
            archive.addfile(entry, io.BytesIO(content))


def test_a_root_file_system_loses_documentation_but_licences_and_traces_of_its_machine(tmp_path: Path) -> None:
    files = {
        "usr/bin/tool": b"tool",
        "usr/share/doc/tool/README": b"read me",
        "usr/share/doc/tool/copyright": b"GPL",
        "usr/share/doc/tool/copyright.old": b"GPL",
        "etc/resolv.conf": b"nameserver 192.0.2.1",
        "etc/hostname": b"builder",
        "var/lib/apt/lists/deb": b"list",
        "var/lib/dpkg/status": b"Package: tool",
    }
    debian_system(tmp_path / "raw.tar", files, mtime=EPOCH + 100)
    normalize_root_filesystem(tmp_path / "raw.tar", tmp_path / "layer.tar", EPOCH)
    with tarfile.open(tmp_path / "layer.tar") as layer:
        entries = list(layer)
    assert [entry.name for entry in entries] == [
        *("usr/bin/tool", "usr/share/doc/tool/copyright", "var/lib/dpkg/status")
    ]
    assert {(entry.mtime, entry.uname) for entry in entries} == {(EPOCH, "")}


def test_installed_packages_are_read_from_dpkgs_own_database(tmp_path: Path) -> None:
    status = (
        "Package: tool\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2.0-1\nDescription: a\n b\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 1\n"
    )
    debian_system(tmp_path / "raw.tar", {"var/lib/dpkg/status": status.encode()}, mtime=EPOCH)
    normalize_root_filesystem(tmp_path / "raw.tar", tmp_path / "layer.tar", EPOCH)
    assert installed(tmp_path / "layer.tar") == "tool\t1:2.0-1\tamd64\n"


def test_certificates_that_were_only_unpacked_become_a_ca_bundle(tmp_path: Path) -> None:
    folder = "usr/share/ca-certificates/mozilla"
    debian_system(tmp_path / "raw.tar", {f"{folder}/B.crt": b"B\n", f"{folder}/A.crt": b"A\n"}, mtime=EPOCH)
    normalize_root_filesystem(tmp_path / "raw.tar", tmp_path / "layer.tar", EPOCH)
    with tarfile.open(tmp_path / "layer.tar") as layer:
        bundle = layer.extractfile("etc/ssl/certs/ca-certificates.crt")
        assert bundle is not None
        assert bundle.read() == b"A\nB\n"
