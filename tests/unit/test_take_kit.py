"""What names a kit is read before Ansible is there, as Ansible reads it later; nothing is made that it would refuse."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from tests.unit.scripts import load

from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import settings as room_settings

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = load(ROOT / "scripts/take_kit.py")
# No file that is there is a kit of this name, and nobody's home is in it.
KIT = "workshop_kit=/none/a.kit"


def use_kit(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """What make asks, of a user whose directory this is, in it."""
    return subprocess.run(
        [ROOT / "scripts/use_kit", *words],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"}, cwd=home, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["-e", "workshop_kit=a b=c"], {"workshop_kit": "a"}),
        (["-e", "workshop_kit='a b'"], {"workshop_kit": "a b"}),
        (["-eworkshop_kit=a"], {"workshop_kit": "a"}),
        (["--extra-vars=workshop_kit=a", "-e", "workshop_kit=b"], {"workshop_kit": "b"}),
        (["-e", '{"workshop_kit": "a b", "other": 1}'], {"workshop_kit": "a b"}),
        (["-e", '["workshop_kit=a"]'], {}),
        (["-e", '{"workshop_kit": null}'], {"workshop_kit": ""}),
        (["-e", "{workshop_name: a}"], {}),
        (["-e", "5"], {}),
        (["-e", "[" * 100_000], {}),
        (["--check", "-v"], {}),
    ],
)
def test_settings_are_read_as_ansible_reads_them(given: list[str], found: dict[str, str]) -> None:
    assert SCRIPT.settings(given) == found


def test_a_file_of_settings_is_read(tmp_path: Path) -> None:
    file = tmp_path / "settings.yml"
    file.write_text("---\nworkshop_kit: \"/a b.kit\" # a stick\n'workshop_cache_dir': /var/tmp/c\n")
    assert SCRIPT.settings(["-e", f"@{file}"]) == {"workshop_kit": "/a b.kit", "workshop_cache_dir": "/var/tmp/c"}


@pytest.mark.parametrize(
    "text",
    [
        "workshop_kit:\nworkshop_supply: auto\n",
        "workshop_cache_dir:\nworkshop_kit: /a.kit\n",
        "workshop_kit: # none\n",
        "workshop_kit: null\n",
        "workshop_kit: ~\n",
        "workshop_kit: '~'\n",
        "workshop_kit: '/it''s a.kit' # a stick\n",
        'workshop_kit: "/it\'s #1.kit"\n',
        "workshop_kit: '/say \"a\".kit'\n",
        "workshop_kit : /a.kit\n",
        "'workshop_kit': /a.kit\n",
        "workshop_kit: /a#b.kit   # a stick\n",
        "workshop_kit: /a b's.kit\r\n",
        "# workshop_kit: /a.kit\nworkshop_kit: /b.kit\n",
        "workshop_apps:\n  workshop_kit: /a.kit\n",
        "workshop_apps: {front: &x [1]}\nworkshop_kit: /a.kit\n",
        '{"workshop_kit": "/a.kit",\n "workshop_supply": null}',
    ],
)
def test_a_file_is_read_as_yaml_is(text: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.yml"
    file.write_text(text)
    read = {name: value or "" for name, value in yaml.safe_load(text).items() if name in SCRIPT.NEEDED}
    assert SCRIPT.settings(["-e", f"@{file}"]) == read


@pytest.mark.parametrize(
    "text",
    [
        "{workshop_kit: /a.kit}",
        "workshop_kit: >-\n  /a.kit\n",
        'workshop_kit: "/a\\x20b.kit"\n',
        "workshop_kit: &stick /a.kit\n",
        "workshop_kit: !!str /a.kit\n",
    ],
)
def test_what_ansible_alone_could_read_is_refused_and_not_passed_over(text: str, tmp_path: Path) -> None:
    """The packages would come from a network that is not there."""
    file = tmp_path / "settings.yml"
    file.write_text(text)
    assert yaml.safe_load(text)["workshop_kit"]
    done = use_kit(tmp_path, "-e", f"@{file}")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "What was given with -e cannot be used" in done.stderr


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("workshop_kit=a", True),
        ('{"workshop_kit" : "a"}', True),
        ("{workshop_kit: a}", True),
        ("workshop_kit_key=a", False),
        ("workshop_name=a", False),
        ("@~/settings.yml", True),
        ("@settings.yml", True),
        ("@single.yml", True),
        ("@flow.yml", True),
        ("@other.yml", False),
        ("@none.yml", False),
    ],
)
def test_make_sees_whether_a_kit_is_named(given: str, named: bool, tmp_path: Path) -> None:
    (tmp_path / "settings.yml").write_text("workshop_name: a\nworkshop_kit: /a.kit\n")
    (tmp_path / "single.yml").write_text("'workshop_kit' : /a.kit\n")
    (tmp_path / "flow.yml").write_text("{workshop_name: a, workshop_kit: /a.kit}\n")
    (tmp_path / "other.yml").write_text("# workshop_kit: /a.kit\nworkshop_kit_key: a\n")
    done = use_kit(tmp_path, "--named", "-e", given)
    assert (done.returncode, done.stdout, done.stderr) == (0 if named else 1, "", "")


def test_what_a_registry_sends_tells_a_terminal_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    SCRIPT.say("the registry broke off (\x1b]0;x\x07\x1b[2J\r\n)")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isprintable()


def test_a_cache_is_judged_by_the_rooms_own_rule() -> None:
    assert SCRIPT.DIRECTORY == room_settings.DIRECTORY


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (f"{KIT} workshop_cache_dir=~/c", "workshop_cache_dir is '~/c', but must be the absolute path of a directory"),
        (f"{KIT} workshop_cache_dir=c", "workshop_cache_dir is 'c', but must be"),
        (f"{KIT} workshop_cache_dir=/var/tmp/../../c", "workshop_cache_dir is '/var/tmp/../../c', but must be"),
        (f"{KIT} workshop_cache_dir='{{{{ lookup(1) }}}}/c'", "workshop_cache_dir is '{{ lookup(1) }}/c', but must be"),
        (f"{KIT} workshop_supply=packages", "workshop_supply is 'packages', but workshop_kit names '/none/a.kit'"),
        (f"{KIT} workshop_supply=cache", "workshop_supply is 'cache', but workshop_kit names '/none/a.kit'"),
        ("workshop_kit= workshop_supply=kit", "workshop_supply is 'kit', but no kit is named"),
        ("workshop_kit='a", "No closing quotation"),
        ("@/none/workshop_kit=a", "No such file or directory"),
        (KIT, "The kit /none/a.kit cannot be read (No such file or directory)"),
        ("workshop_kit=~nobodyx/a.kit", "The kit ~nobodyx/a.kit cannot be read"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_makes_nothing(given: str, said: str, tmp_path: Path) -> None:
    done = use_kit(tmp_path, "-e", given)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"HOME": ""}, "HOME is empty, and rooms and the bundle's cache are below it: unset it, or type HOME=/root"),
        # What a user has told Python, Go, pip, uv or tar is for other programs than this one.
        (
            {"PYTHONHOME": "/none", "PYTHONPATH": "/none", "LC_ALL": "de_DE.UTF-8", "LANGUAGE": "de"},
            "The kit /none/a.kit",
        ),
        ({"GOENV": "/none", "GOFLAGS": "-mod=bad", "PIP_INDEX_URL": "x", "UV_INDEX_URL": "x"}, "The kit /none/a.kit"),
        ({"TAR_OPTIONS": "--none", "ZSTD_CLEVEL": "x", "TMPDIR": "/none"}, "The kit /none/a.kit cannot be read"),
        ({}, "The kit /none/a.kit cannot be read"),  # no HOME at all
    ],
)
def test_a_users_own_environment_is_no_obstacle_or_one_sentence(environment: dict[str, str], said: str) -> None:
    done = subprocess.run(
        [ROOT / "scripts/use_kit", "-e", KIT],
        env={"PATH": "/usr/bin:/bin", **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    sentences = [line for line in done.stderr.splitlines() if "setlocale" not in line]
    assert len(sentences) == 1
    assert sentences[0].startswith(said)


def test_caches_and_rooms_are_below_one_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where HOME is not set, as of cron: the user's own, in both."""
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    defaults = yaml.safe_load((ROOT / "roles/room/defaults/main/workshop.yml").read_text())
    home = pwd.getpwuid(os.geteuid()).pw_dir
    for name, place in (("workshop_cache_dir", ".cache"), ("workshop_state_dir", ".local/state")):
        templar = Templar(loader=DataLoader(), variables={"workshop_name": "blue"})
        given = templar.template(trust_as_template(defaults[name]))
        assert given.removesuffix("/blue") == f"{home}/{place}/istio-workshop"
    assert str(SCRIPT.cache_of({})) == f"{home}/.cache/istio-workshop"


def test_a_python_that_is_too_old_is_said(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.10.4\nexit 1\n')
    old.chmod(0o755)
    done = subprocess.run(
        [ROOT / "scripts/use_kit", "-e", KIT],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("python3 is Python 3.10.4; Python 3.11 or newer is needed")
