"""make: whatever the terminal is set to, Ansible finds a locale, its configuration and the administrators' commands."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def made(command: str, target: str = "show", **variables: str) -> str:
    """What a command prints that a target of the Makefile runs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "MAKE"))}
    done = subprocess.run(
        ["make", "--no-print-directory", "--silent", f"--eval={target}: ; @{command}", target],
        cwd=ROOT, env=kept | variables, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"LANG": "C.UTF-8"},
        {"LANG": "POSIX"},
        {"LC_ALL": "C"},
        {"LC_ALL": "de_DE.UTF-8"},
        {"LC_ALL": "tlh_AA.UTF-8"},
        {"LANG": "C.UTF-8", "LC_TIME": "tlh_AA.UTF-8"},
    ],
    ids=str,
)
def test_any_locale_is_one_that_ansible_takes(variables: dict[str, str]) -> None:
    # As Ansible does it, which ends when one of these fails.
    asked = "import locale; locale.setlocale(locale.LC_ALL, str()); print(locale.getlocale()[1])"
    assert made(f"python3 -c '{asked}'", **variables) == "UTF-8"


def test_a_locale_that_is_good_stays() -> None:
    assert made("echo $$LANG $$LC_ALL", LANG="C.UTF-8") == "C.UTF-8"


@pytest.mark.parametrize(
    ("user", "said"), [("1000", "Rooms need root and sudo is not here: run make as root"), ("0", "")]
)
def test_without_sudo_and_root_make_says_so_first(user: str, said: str, tmp_path: Path) -> None:
    """In a room's own words, and not in the shell's; nothing is installed before."""
    for name in ("bash", "locale", "env"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    (tmp_path / "id").write_text(f"#!/bin/sh\necho {user}\n")
    (tmp_path / "id").chmod(0o755)
    done = subprocess.run(
        ["/usr/bin/make", "--no-print-directory", "--dry-run", ".prepared-run", f"PATH={tmp_path}"],
        cwd=ROOT, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, *_ = done.stdout.splitlines()
    assert (said in first) if said else ("sudo" not in done.stdout), done.stdout
    if said:
        ended = subprocess.run(
            ["/bin/bash", "-c", first], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
        )
        assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
        assert ended.stderr.startswith(said)


def test_administrators_commands_are_found() -> None:
    path = made("echo $$PATH", PATH="/usr/bin:/bin").split(":")
    assert path[0] == f"{ROOT}/.venv/bin"
    assert {"/usr/bin", "/usr/sbin", "/sbin"} <= set(path)
