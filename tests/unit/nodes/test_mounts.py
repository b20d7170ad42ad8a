"""Nothing is removed while something of somebody's is mounted in it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ansible_collections.istio_games.workshop.plugins.module_utils.nodes import mounts
from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.mounts import Mount, MountError

PATHS = ["/var/lib/kubelet", "/var/lib/etcd"]
POD = "/var/lib/kubelet/pods/1/volumes"


def line(place: str, kind: str, source: str, root: str = "/") -> str:
    return f"36 35 98:0 {root} {place} rw,noatime shared:1 - {kind} {source} rw"


def test_mountinfo_is_read_with_spaces_in_names() -> None:
    text = line("/mnt/a\\040b", "nfs4", "server:/share") + "\n" + line("/", "overlay", "overlay")
    assert mounts.parse(text) == [
        Mount("/mnt/a b", "/", "nfs4", "server:/share"),
        Mount("/", "/", "overlay", "overlay"),
    ]


@pytest.mark.parametrize(
    ("mounted", "refused"),
    [
        (line(f"{POD}/kubernetes.io~projected/token", "tmpfs", "tmpfs"), ""),
        (line(f"{POD}/kubernetes.io~secret/key", "tmpfs", "tmpfs"), ""),
        (line("/var/lib/kubelet/x", "overlay", "overlay"), ""),
        (line("/var/lib/kubelet/pods/1/volume-subpaths/a", "ext4", "/dev/sda1", "/var/lib/kubelet/pods/1/a"), ""),
        (line(f"{POD}/kubernetes.io~nfs/share", "nfs4", "server:/share"), "is a mount of server:/share (nfs4)"),
        (line("/var/lib/etcd", "ext4", "/dev/sdb1"), "is a mount of /dev/sdb1 (ext4)"),
        (line(f"{POD}/bound", "ext4", "/dev/sda1", "/home/me"), "umount " + POD + "/bound"),
        (line("/var/lib/kubelet-of-others", "nfs4", "server:/share"), ""),
        (line("/var/lib", "ext4", "/dev/sdb1"), ""),
    ],
)
def test_a_share_or_a_disk_is_named_and_stays(monkeypatch: pytest.MonkeyPatch, mounted: str, refused: str) -> None:
    commands: list[tuple[str, ...]] = []
    monkeypatch.setattr(mounts, "run", lambda *command: commands.append(command))
    pods = line("/var/lib/kubelet/pods", "tmpfs", "tmpfs")
    monkeypatch.setattr(Path, "read_text", lambda self: f"{pods}\n{mounted}\n")
    if not refused:
        found = mounts.unmount(PATHS, dry_run=False)
        assert found[-1] == "/var/lib/kubelet/pods"  # what is in it goes first
        assert commands == [("umount", place) for place in found]
        return
    for dry_run in (True, False):
        with pytest.raises(MountError) as error:
            mounts.unmount(PATHS, dry_run=dry_run)
        assert refused in str(error.value)
    assert commands == []


def test_a_mount_that_is_in_use_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*command: str) -> None:
        raise subprocess.CalledProcessError(32, command, stderr="umount: target is busy.\n")

    monkeypatch.setattr(mounts, "run", busy)
    monkeypatch.setattr(Path, "read_text", lambda self: line(f"{POD}/token", "tmpfs", "tmpfs"))
    with pytest.raises(MountError, match=r"token cannot be unmounted .umount: target is busy.*fuser -vm"):
        mounts.unmount(PATHS, dry_run=False)
    assert mounts.unmount(PATHS, dry_run=True) == [f"{POD}/token"]
