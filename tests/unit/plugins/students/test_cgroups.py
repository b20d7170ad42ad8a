"""What pods have used of a node is read from its cgroups, whichever version and driver it has."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.cgroups import Cgroups, Since, readings

UID, OTHER = "0a1b2c3d-1111-2222-3333-444455556666", "9a1b2c3d-1111-2222-3333-444455556666"
UNIT = UID.replace("-", "_")
ID = "ab" * 32
SCOPE = f"cri-containerd-{ID}.scope"
# Version of cgroups, the pods' top, and within it the pod and its container.
LAYOUTS = {
    "version 1": (1, "kubepods", f"burstable/pod{UID}", ID),
    "version 1, guaranteed": (1, "kubepods", f"pod{UID}", ID),
    "version 2": (2, "kubepods", f"besteffort/pod{UID}", ID),
    "version 2, kind": (2, "kubelet/kubepods", f"burstable/pod{UID}", ID),
    "systemd": (2, "kubepods.slice", f"kubepods-burstable.slice/kubepods-burstable-pod{UNIT}.slice", SCOPE),
    "systemd, guaranteed": (2, "kubepods.slice", f"kubepods-pod{UNIT}.slice", SCOPE),
    "systemd, version 1": (1, "kubepods.slice", f"kubepods-pod{UNIT}.slice", f"crio-{ID}.scope"),
    "systemd, kind": (
        2, "kubelet.slice/kubelet-kubepods.slice", f"kubelet-kubepods-pod{UNIT}.slice", SCOPE,
    ),
}  # fmt: skip


def put(root: Path, version: int, group: str, used: float, waited: float) -> None:
    if version == 2:
        (root / "cgroup.controllers").touch()
        (root / group).mkdir(parents=True, exist_ok=True)
        text = f"usage_usec {used * 1e6:.0f}\nuser_usec 1\nthrottled_usec {waited * 1e6:.0f}\n"
        (root / group / "cpu.stat").write_text(text)
    else:
        for hierarchy in ("cpuacct", "cpu"):
            (root / hierarchy / group).mkdir(parents=True, exist_ok=True)
        (root / "cpuacct" / group / "cpuacct.usage").write_text(f"{used * 1e9:.0f}\n")
        (root / "cpu" / group / "cpu.stat").write_text(f"nr_periods 7\nthrottled_time {waited * 1e9:.0f}\n")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pods_and_containers_are_found(tmp_path: Path, layout: str) -> None:
    version, top, pod, container = LAYOUTS[layout]
    put(tmp_path, version, f"{top}/{pod}", 3.5, 0.0)
    put(tmp_path, version, f"{top}/{pod}/{container}", 2.5, 1.25)
    groups = Cgroups(tmp_path)
    pods = groups.pods()
    assert readings(groups.used, pods) == {UID: 3.5}
    containers = groups.containers(pods[UID])
    assert readings(groups.used, containers) == {ID: 2.5}
    assert readings(groups.waited, containers) == {ID: 1.25}


def test_a_node_without_pods_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"no pods are seen below .*: looked for kubepods"):
        Cgroups(tmp_path)


def test_what_has_ended_meanwhile_is_left_out(tmp_path: Path) -> None:
    put(tmp_path, 2, f"kubepods/pod{UID}", 1, 0)
    put(tmp_path, 2, f"kubepods/pod{OTHER}", 2, 0)
    groups = Cgroups(tmp_path)
    pods = groups.pods()
    (pods[UID] / "cpu.stat").unlink()
    assert readings(groups.used, pods) == {OTHER: 2}
    assert groups.containers(tmp_path / "gone") == {}


def test_what_watches_a_container_is_none(tmp_path: Path) -> None:
    put(tmp_path, 2, f"kubepods.slice/kubepods-pod{UNIT}.slice/crio-{ID}.scope", 1, 2)
    put(tmp_path, 2, f"kubepods.slice/kubepods-pod{UNIT}.slice/crio-conmon-{ID}.scope", 3, 0)
    groups = Cgroups(tmp_path)
    assert readings(groups.waited, groups.containers(groups.pods()[UID])) == {ID: 2}


def test_only_what_has_grown_is_told() -> None:
    since = Since()
    assert since.grown({"a": 5.0}) == {}
    assert since.grown({"a": 7.0, "b": 3.0}, begin=0.0) == {"a": 2.0, "b": 3.0}
    assert since.grown({"b": 1.0}) == {"b": 0.0}
    assert since.grown({"a": 7.5, "b": 1.0}, begin=0.0) == {"a": 7.5, "b": 0.0}
    assert since.grown({"b": 1.0}, begin=0.0, listed=("a", "b")) == {"b": 0.0}
    assert since.grown({"a": 8.0}, begin=0.0) == {"a": 0.5}
