"""Where Ansible could not write, make says it in one sentence before Ansible ends in a page of Python."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534


def check(environment: dict[str, str]) -> tuple[int, str, str]:
    """How the script ends for a user who may not write everywhere, and what it prints."""
    done = subprocess.run(
        ["bash", "-s"],  # nobody else may be allowed to read this checkout
        input=(ROOT / "scripts/check_home").read_text(), env={"PATH": "/usr/bin:/bin", **environment}, cwd="/",
        user=NOBODY if os.geteuid() == 0 else None, extra_groups=[] if os.geteuid() == 0 else None,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({"HOME": "/usr"}, "/usr"),
        ({"HOME": "/usr/none/yet"}, "/usr"),
        ({"HOME": "/none"}, "/"),
        ({"HOME": "/etc/passwd"}, "/etc/passwd"),
        ({"HOME": "/var/tmp", "ANSIBLE_HOME": "/usr/my ansible"}, "/usr"),
        ({"HOME": "/var/tmp", "ANSIBLE_LOCAL_TEMP": "/usr/a"}, "/usr"),
        ({"HOME": "/usr", "ANSIBLE_HOME": "~/ansible"}, "/usr"),
        ({"HOME": "/var/tmp"}, None),
        ({"HOME": "/var/tmp/none/yet"}, None),
        ({"HOME": "/usr", "ANSIBLE_HOME": "/var/tmp/ansible"}, None),
        ({"HOME": "/usr", "ANSIBLE_LOCAL_TEMP": "/var/tmp"}, None),
    ],
    ids=str,
)
def test_what_cannot_be_written_is_one_sentence(environment: dict[str, str], place: str | None) -> None:
    status, shown, said = check(environment)
    assert shown == ""
    if place is None:
        assert (status, said) == (0, "")
    else:
        assert status == 1
        assert said.startswith(
            f"{place} cannot be written, and Ansible's own files, rooms and the bundle's cache are below HOME"
        )
        assert said.count("\n") == 1


def test_make_asks_before_it_installs_anything() -> None:
    recipe = (ROOT / "Makefile").read_text().partition("\n.prepared-run:\n")[2].partition("\n.prepared-test:")[0]
    assert recipe.index("scripts/check_home") < recipe.index("scripts/use_kit") < recipe.index("install_debian")
