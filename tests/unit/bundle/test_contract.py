"""A bundle is byte for byte what its lock says; what differs is named, in one sentence."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from tests.unit.bundle.conftest import content

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import contract, how_far, lock_schema
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import BundleError

Damage = Callable[[Path], Any]


def blob(path: Path) -> Path:
    """The layer that both images have, or one of them has."""
    return next(file for file in sorted((path / "images/blobs/sha256").iterdir()) if file.read_bytes()[:1] != b"{")


def manifest(path: Path) -> Path:
    return path / "images/blobs/sha256" / contract.read(path).images["etcd"].digest.partition(":")[2]


def rewrite(file: Path, data: bytes) -> None:
    """Another file in its place: hard links to it stay as they are."""
    mode = file.stat().st_mode & 0o777
    file.unlink()
    file.write_bytes(data)
    file.chmod(mode)


def relock(path: Path, **changes: Any) -> None:
    """A lock that says what is there, and `changes`: not a damage, but somebody's doing."""
    files, links = contract.listing(path)
    lock = dataclasses.replace(contract.read(path), files=files, links=links, **changes)
    rewrite(path / "lock.json", lock.text.encode())


def other_manifest(path: Path, data: bytes) -> None:
    """An image whose manifest this is."""
    digest = hashlib.sha256(data).hexdigest()
    (path / "images/blobs/sha256" / digest).write_bytes(data)
    (path / "images/blobs/sha256" / digest).chmod(0o644)
    rewrite(path / "images/index.json", json.dumps({"manifests": [{"digest": f"sha256:{digest}"}]}).encode())
    relock(path, images={})


def set_lock(path: Path, *keys: str, value: Any) -> None:
    data = item = json.loads((path / "lock.json").read_text())
    for key in keys[:-1]:
        item = item[key]
    item[keys[-1]] = value
    rewrite(path / "lock.json", json.dumps(data).encode())


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    rewrite(file, bytes(data))


def without(file: Path, *damage: Damage) -> None:
    file.unlink()
    for other in damage:
        other(file)


def then(*steps: Damage) -> Damage:
    def damage(path: Path) -> None:
        for step in steps:
            step(path)

    return damage


def test_what_was_made_is_what_its_lock_says(bundle: Path) -> None:
    contract.verify(bundle)
    lock = contract.read(bundle)
    assert (lock.schema, lock.key, lock.architecture) == (2, bundle.name, platform.machine())
    assert (lock.proxy, lock.versions["kubernetes"]) == ("plain", "1.36.3")
    assert lock.files["bin/kubernetes"].size == len(content("kubernetes"))
    assert lock.files["bin/kubernetes"].mode == "0755"
    assert lock.links["bin/kubectl"] == "kubernetes"
    assert lock.images["etcd"].reference == "localhost/workshop/etcd:3.6.8-0"
    kubernetes = next(part for part in lock.parts if part.name == "go kubernetes")
    assert (kubernetes.source, kubernetes.licence) == ("k8s.io/kubernetes", "Apache-2.0")
    assert set(kubernetes.sha256) == {"kubernetes"}
    assert json.loads(lock.text) == json.loads((bundle / "lock.json").read_text())


DAMAGES: dict[str, tuple[Damage, str]] = {
    "nothing there": (shutil.rmtree, "There is no bundle "),
    "empty directory": (then(shutil.rmtree, Path.mkdir), "is an empty directory."),
    "no lock": (lambda path: (path / "lock.json").unlink(), "has no lock.json."),
    "cut lock": (lambda path: rewrite(path / "lock.json", (path / "lock.json").read_bytes()[:99]), "it is no JSON"),
    "deep lock": (lambda path: rewrite(path / "lock.json", b"[" * 100_000), "it is no JSON"),
    "a pipe for a lock": (
        then(lambda path: (path / "lock.json").unlink(), lambda path: os.mkfifo(path / "lock.json")),
        "lock.json is no file",
    ),
    "a lock elsewhere": (
        then(
            lambda path: (path / "lock.json").rename(path.parent / "lock.json"),
            lambda path: (path / "lock.json").symlink_to("../lock.json"),
        ),
        "lock.json is no file",
    ),
    "a lock that leads nowhere": (
        lambda path: without(path / "lock.json", lambda file: file.symlink_to("/none")),
        "lock.json is no file",
    ),
    "empty lock": (lambda path: rewrite(path / "lock.json", b""), "it is no JSON"),
    "binary lock": (lambda path: rewrite(path / "lock.json", b"\xff\xfe"), "it is no JSON"),
    "a list": (lambda path: rewrite(path / "lock.json", b"[]"), "names no schema, but this version"),
    "older schema": (
        lambda path: set_lock(path, "schema", value=1),
        "is of schema 1, but this version",
    ),
    "newer schema": (lambda path: set_lock(path, "schema", value=3), "is of schema 3, but"),
    "architecture": (lambda path: set_lock(path, "architecture", value="s390x"), "is for s390x, but this machine is"),
    "out of it": (
        lambda path: set_lock(path, "files", "../x", value={"sha256": "0" * 64, "size": 1, "mode": "0644"}),
        'a name is "../x"',
    ),
    "empty program": (lambda path: rewrite(path / "bin/kubernetes", b""), "bin/kubernetes is empty: 0 bytes instead"),
    "cut program": (lambda path: rewrite(path / "bin/kubernetes", b"this"), "bin/kubernetes is cut: 4 bytes instead"),
    "longer": (lambda path: rewrite(path / "cni/cni", b"x" * 999), "cni/cni is changed: 999 bytes instead"),
    "one bit": (lambda path: flip(path / "bin/kubernetes"), "bin/kubernetes was changed: its sha256 is not"),
    "replaced": (
        lambda path: without(path / "bin/kubectl", lambda file: file.write_text("x")),
        "bin/kubectl is no link",
    ),
    "led away": (
        lambda path: without(path / "bin/kubectl", lambda file: file.symlink_to("/bin/sh")),
        "bin/kubectl leads to /bin/sh, not to kubernetes",
    ),
    "link": (lambda path: without(path / "cni/cni", lambda file: file.symlink_to("/bin/sh")), "cni/cni is no file"),
    "directory": (
        lambda path: without(path / "cni/cni", then(Path.mkdir, lambda file: (file / "x").touch())),
        "cni/cni is missing",
    ),
    "pipe": (lambda path: without(path / "cni/cni", os.mkfifo), "cni/cni is no file"),
    "missing wheel": (lambda path: (path / "wheels/flask-3.whl").unlink(), "wheels/flask-3.whl is missing"),
    "missing link": (lambda path: (path / "bin/kubelet").unlink(), "bin/kubelet is missing"),
    "permissions": (lambda path: (path / "cni/cni").chmod(0o777), "cni/cni has the permissions 0777 instead of 0755"),
    "not executable": (lambda path: (path / "cni/cni").chmod(0o644), "permissions 0644 instead of 0755"),
    "a guest": (lambda path: (path / "bin/guest").write_text("x"), "bin/guest is not listed in its lock.json"),
    "a directory more": (lambda path: (path / "bin/more").mkdir(), "bin/more/ is not listed"),
    "a link to a directory": (lambda path: (path / "bin/more").symlink_to("/etc"), "bin/more is not listed"),
    "cut blob": (lambda path: rewrite(blob(path), b"th"), " is cut: 2 bytes"),
    "missing blob": (lambda path: blob(path).unlink(), " is missing"),
    "flipped blob": (lambda path: flip(blob(path)), " was changed"),
    "cut index": (lambda path: rewrite(path / "images/index.json", b"{"), "images/index.json is cut"),
}
# The lock is right, but what it lists is no bundle.
WRONG: dict[str, tuple[Damage, str]] = {
    "blob not listed": (then(lambda path: blob(path).unlink(), relock), "is missing, which an image is made of"),
    "manifest not there": (then(lambda path: manifest(path).unlink(), relock), "is missing, which an image is made"),
    "blob of another name": (
        then(lambda path: rewrite(blob(path), b"x"), relock),
        "not the digest in its name",
    ),
    "a blob of no image": (
        then(lambda path: (path / "images/blobs/sha256" / ("0" * 64)).write_text("x"), relock),
        "belongs to no image",
    ),
    "no index": (then(lambda path: (path / "images/index.json").unlink(), relock), "images/ is no OCI layout"),
    "strange index": (
        then(lambda path: rewrite(path / "images/index.json", b'{"manifests": 3}'), relock),
        "images/ is no OCI layout",
    ),
    "strange manifest": (lambda path: other_manifest(path, b"[]"), "images/ is no OCI layout"),
    "deep manifest": (lambda path: other_manifest(path, b"[" * 100_000), "images/ is no OCI layout"),
    "image not in the index": (
        lambda path: relock(path, images={"guest": contract.Image("localhost/guest:1", "sha256:" + "0" * 64)}),
        "images/index.json has no image guest",
    ),
}


def test_how_far_a_comparison_is_is_said(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(how_far, "_SAY_EVERY", -1.0)
    said: list[str] = []
    contract.verify(bundle, said.append)
    begun, *compared = said
    size = sum(file.size for file in contract.read(bundle).files.values())
    assert f"{size / 1e6:.0f} MB" in begun
    assert len(compared) == len(contract.read(bundle).files)
    assert compared[-1] == f"compared: {size / 1e6:.0f} of {size / 1e6:.0f} MB"


@pytest.mark.parametrize("name", [*DAMAGES, *WRONG])
def test_what_is_wrong_is_named(name: str, bundle: Path) -> None:
    damage, said = {**DAMAGES, **WRONG}[name]
    damage(bundle)
    with pytest.raises(BundleError) as raised:
        contract.verify(bundle)
    assert said in str(raised.value)
    assert str(bundle) in str(raised.value)
    assert str(raised.value).endswith(".")
    assert "\n" not in str(raised.value)


def test_whatever_bit_is_flipped_and_wherever_a_file_is_cut(bundle: Path) -> None:
    for file in sorted(path for path in bundle.rglob("*") if path.is_file() and not path.is_symlink()):
        good, mode = file.read_bytes(), file.stat().st_mode & 0o777
        for bad in (good[:-1], good[: len(good) // 2], good + b" ", bytes([good[0] ^ 1]) + good[1:]):
            if file.name == "lock.json" and json_alike(bad, good):
                continue
            rewrite(file, bad)
            with pytest.raises(BundleError):
                contract.verify(bundle)
            rewrite(file, good)
            file.chmod(mode)
    contract.verify(bundle)


def json_alike(one: bytes, other: bytes) -> bool:
    """A blank more at the end of the lock changes nothing that it says."""
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return False


STRANGE: dict[str, tuple[tuple[str, ...], Any]] = {
    "key": (("key",), "../../etc"),
    "upper case": (("key",), "ABCDEF0123456789"),
    "proxy": (("proxy",), "nginx"),
    "supply": (("supply",), "1234"),
    "truth": (("supply",), True),
    "number": (("versions", "etcd"), 3),
    "no versions": (("versions",), {}),
    "versions": (("versions",), None),
    "parts": (("parts",), {}),
    "part": (("parts",), [{"name": "go x"}]),
    "size": (("files", "bin/kubernetes", "size"), "12"),
    "size true": (("files", "bin/kubernetes", "size"), True),
    "mode": (("files", "bin/kubernetes", "mode"), "4755"),
    "extra": (("files", "bin/kubernetes", "owner"), "root"),
    "absolute": (("files", "/etc/passwd"), {"sha256": "0" * 64, "size": 1, "mode": "0644"}),
    "dots inside": (("files", "bin/../../x"), {"sha256": "0" * 64, "size": 1, "mode": "0644"}),
    "dot": (("links", "bin/."), "x"),
    "doubled": (("links", "bin//x"), "x"),
    "far link": (("links", "bin/kubectl"), "../../x"),
    "no link": (("links", "bin/kubectl"), ".."),
    "digest": (("images", "etcd", "digest"), "md5:1"),
    "old image": (("images", "etcd"), "localhost/workshop/etcd:3"),
    "guest": (("guest",), 1),
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_lock_is_refused_as_the_schema_has_it(name: str, bundle: Path) -> None:
    keys, value = STRANGE[name]
    set_lock(bundle, *keys, value=value)
    data = json.loads((bundle / "lock.json").read_text())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(json.loads(lock_schema.SCHEMA_FILE.read_text())).validate(data)
    with pytest.raises(BundleError, match=r"lock\.json is changed: "):
        contract.read(bundle)


def test_the_schema_is_one_and_holds_for_what_is_made(bundle: Path) -> None:
    schema = json.loads(lock_schema.SCHEMA_FILE.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads((bundle / "lock.json").read_text()), schema)
    assert schema["properties"]["schema"]["enum"] == [contract.SCHEMA]
    assert sorted(schema["required"]) == sorted(field.name for field in dataclasses.fields(contract.Lock))
    words = {"$schema", "$ref", "$defs", "title", "description", "type", "enum", "pattern", "required", "items"}
    words |= {"properties", "additionalProperties", "propertyNames"}
    assert keywords(schema) <= words, "lock_schema.py knows no others"


def keywords(schema: Any) -> set[str]:
    found = set(schema)
    for name in ("properties", "$defs"):
        for child in schema.get(name, {}).values():
            found |= keywords(child)
    for name in ("items", "propertyNames", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            found |= keywords(schema[name])
    return found
