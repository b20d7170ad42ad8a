"""Kits: from a real registry, and on clean machines that have no network."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from tests import kit_bill
from tests.acceptance.kit_machine import clean_machine
from tests.acceptance.kit_registry import BreakingOff, Registry, registry, write_login
from tests.acceptance.room import ROOT
from tests.small_kit import SmallKit

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import kit_push
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit import KitError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_reader import unpack

NAME = "workshop/bundle"


@pytest.fixture
def kit(tmp_path: Path) -> SmallKit:
    (tmp_path / "kit").mkdir()
    return SmallKit.make(tmp_path / "kit")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Registry]:
    (tmp_path / "registry").mkdir()
    with registry(tmp_path / "registry") as running:
        yield running


@pytest.fixture
def pushed(kit: SmallKit, served: Registry, monkeypatch: pytest.MonkeyPatch) -> str:
    """The kit in the registry, in ten pieces, signed."""
    monkeypatch.setattr(kit_push, "_PIECE", kit.file.stat().st_size // 10 + 1)
    kit.sign()
    return kit_push.push(
        kit.file, kit.manifest, f"{served.host}/{NAME}", kit.directory, print, str(served.login), str(served.ca)
    )


def refused(kit: SmallKit, said: str, what: str, key: str = "", login: str = "", ca: str = "") -> None:
    """It is refused in one sentence that says this, and nothing but pieces of the kit is there."""
    with pytest.raises(KitError, match=said) as error:
        kit.take(what, key, login, ca)
    assert "\n" not in str(error.value)
    assert [path for path in kit.state() if not path.startswith("cache/kits")] == []


def test_a_kit_goes_into_a_registry_and_comes_back(kit: SmallKit, served: Registry, pushed: str) -> None:
    key = str(kit.directory / "good.pub")
    taken = kit.take(pushed, key, str(served.login), str(served.ca))
    assert taken.changed
    done = subprocess.run(["diff", "-r", "--no-dereference", kit.tops["bundle"], taken.bundle], check=False)
    assert done.returncode == 0
    assert not kit.take(pushed, key, str(served.login), str(served.ca)).changed


def test_what_a_registry_does_not_give_is_one_sentence(kit: SmallKit, served: Registry, pushed: str) -> None:
    login, ca = str(served.login), str(served.ca)
    wrong = str(write_login(served.directory / "wrong.json", served.host, password="wrong"))
    digest = pushed.partition("@")[2]
    refused(kit, "gives nothing without a login", pushed, ca=ca)
    refused(kit, "gives nothing with the login", pushed, login=wrong, ca=ca)
    refused(kit, "is by no CA that is known here", pushed, login=login)
    refused(kit, "workshop_kit_ca is .* but must be a file of CA certificates", pushed, login=login, ca=login)
    refused(kit, "workshop_kit_login is .* but must be a file of logins", pushed, login=ca, ca=ca)
    refused(kit, r"has no workshop/bundle@sha256:0000", f"{served.host}/{NAME}@sha256:{'0' * 64}", login=login, ca=ca)
    refused(kit, r"has no workshop/other@", f"{served.host}/workshop/other@{digest}", login=login, ca=ca)
    refused(kit, "a tag may be another kit tomorrow", f"{served.host}/{NAME}:0.1.0", login=login, ca=ca)
    refused(kit, "cannot be asked over HTTPS", f"127.0.0.1:1/{NAME}@{digest}", login=login, ca=ca)
    assert kit.state() == []


def test_what_a_registry_has_changed_is_refused(kit: SmallKit, served: Registry, pushed: str) -> None:
    blobs = sorted(
        served.directory.glob("data/docker/registry/v2/blobs/sha256/*/*/data"), key=lambda path: path.stat().st_size
    )
    data = bytearray(blobs[-1].read_bytes())
    data[100] ^= 1
    blobs[-1].write_bytes(data)
    refused(kit, "sent something else than sha256:", pushed, login=str(served.login), ca=str(served.ca))
    manifest = next(path for path in blobs if path.parent.name == pushed.rpartition(":")[2])
    manifest.write_bytes(manifest.read_bytes().replace(b"0.1", b"0.2"))
    refused(kit, "another digest|answers 5|answers 4|has no", pushed, login=str(served.login), ca=str(served.ca))


def test_a_registry_that_breaks_off_is_asked_for_the_rest_alone(kit: SmallKit, served: Registry, pushed: str) -> None:
    size = kit.file.stat().st_size
    breaking = BreakingOff(served.port, limit=size // 3)
    host = f"127.0.0.1:{breaking.port}"
    login, ca = str(write_login(served.directory / "both.json", served.host, host)), str(served.ca)
    through = pushed.replace(served.host, host)
    # Everything breaks off before a piece is whole: it gives up, and what came stays.
    breaking.limit = 12_000
    refused(kit, "broke off after .* MB .*goes on from there", through, login=login, ca=ca)
    # A part of the way, then again from there.
    breaking.limit = size // 3
    kit.take(through, login=login, ca=ca)
    assert breaking.carried < size * 1.3
    breaking.close()


def test_a_kit_without_its_signature_is_refused_when_a_key_is_given(
    kit: SmallKit, served: Registry, pushed: str
) -> None:
    login, ca = str(served.login), str(served.ca)
    refused(kit, "was signed by another key", pushed, kit.sign("other"), login, ca)
    kit.file.with_name("small.kit.minisig").unlink()
    unsigned = kit_push.push(kit.file, kit.manifest, f"{served.host}/{NAME}", kit.directory, print, login, ca)
    refused(kit, "is not signed", unsigned, str(kit.directory / "good.pub"), login, ca)


def test_a_cache_without_space_is_said(kit: SmallKit, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small], check=True)
    try:
        done = subprocess.run(
            [ROOT / "scripts/use_kit", "-e", f"workshop_kit={kit.file} workshop_cache_dir={small}/cache"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (1, "")
        assert "No space for what" in done.stderr
        assert list(small.rglob("*")) == []
    finally:
        subprocess.run(["umount", small], check=True)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A kit of this checkout, signed, and the public key beside it."""
    directory = tmp_path_factory.mktemp("exported")
    subprocess.run(
        ["minisign", "-G", "-W", "-p", directory / "kit.pub", "-s", directory / "kit.key"],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    command = ["ansible-playbook", "playbooks/export_kit.yml", "-e", f"kit_file={directory}/workshop.kit"]
    subprocess.run(
        [*command, "-e", f"kit_sign_key={directory}/kit.key", "-e", "workshop_name=kit"], cwd=ROOT, check=True
    )
    yield directory
    shutil.rmtree(directory)


def test_nothing_in_a_kit_is_left_out_of_its_bill_of_materials(exported: Path, tmp_path: Path) -> None:
    tops = ("wheels", "debian", "collection", "sbom")
    unpack(exported / "workshop.kit", {top: tmp_path / top for top in tops}, print)
    text = (tmp_path / "sbom/kit.cdx.json").read_text()
    bill = json.loads(text)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert kit_bill.left_out(tmp_path, bill) == []
    assert kit_bill.without_licence(bill) == []
    for kind in ("wheels/", "debian/bookworm/", "debian/trixie/", "collection/"):
        taken = next(item for item in bill["components"] if item["bom-ref"].startswith(kind))
        less = {**bill, "components": [item for item in bill["components"] if item is not taken]}
        assert kit_bill.left_out(tmp_path, less) == [taken["bom-ref"]]


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_a_clean_machine_makes_a_room_without_a_network(exported: Path, suite: str, tmp_path: Path) -> None:
    with clean_machine(suite, exported, tmp_path) as machine:
        key = "-e workshop_kit_key=/media/kit.pub"
        machine.make("up", f"-e workshop_kit=/media/workshop.kit {key}")
        assert [shown["error"] for shown in machine.front("/backends")["backends"]] == [None, None]
        # Nobody asked anybody outside, not for a name either.
        assert machine.attempts() == []
        assert "changed=0" in machine.make("up", f"-e workshop_kit=/media/workshop.kit {key}")
        assert machine.attempts() == []
        machine.make("down")
