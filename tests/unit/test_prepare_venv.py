"""Python's packages from a kit come from it alone; two commands take turns; no password is an argument."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What stands for uv: it writes down what it was given, and what is to be there afterwards.
UV = """
import json, os, sys, sysconfig
def main():
    if not os.path.exists("uv.json"):
        json.dump({"arguments": sys.argv, "environment": dict(os.environ)}, open("uv.json", "w"))
    os.makedirs(sysconfig.get_path("purelib") + "/ansible_collections", exist_ok=True)
"""
# What a user may have told pip and uv, which here leads to no package.
OWN = {
    "PIP_INDEX_URL": "https://me:secret@127.0.0.1:1/simple", "PIP_FIND_LINKS": "https://127.0.0.1:1/",
    "PIP_RETRIES": "0", "UV_INDEX": "https://127.0.0.1:1/simple", "UV_FIND_LINKS": "https://127.0.0.1:1/",
    "PYTHONPATH": "/none",
}  # fmt: skip


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The scripts, and requirements that a kit beside them has."""
    made = tmp_path / "checkout"
    shutil.copytree(ROOT / "scripts", made / "scripts")
    (made / "requirements").mkdir()
    wheels = tmp_path / "kit/wheels"
    wheels.mkdir(parents=True)
    with zipfile.ZipFile(wheels / "uv-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("uv.py", UV)
        information = {
            "METADATA": "Metadata-Version: 2.1\nName: uv\nVersion: 1\n",
            "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "entry_points.txt": "[console_scripts]\nuv = uv:main\n",
            "RECORD": "",
        }
        for name, text in information.items():
            wheel.writestr(f"uv-1.dist-info/{name}", text)
    digest = hashlib.sha256((wheels / "uv-1-py3-none-any.whl").read_bytes()).hexdigest()
    pins = f"uv==1 --hash=sha256:{digest}\n"
    version = subprocess.run(
        ["/usr/bin/python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    for file in (made / "requirements/run.txt", wheels / f"requirements-{version}.txt"):
        file.write_text(pins)
    return made


def prepare(checkout: Path, **variables: str) -> subprocess.Popen[str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    return subprocess.Popen(
        [checkout / "scripts/prepare_venv", "run"], env=plain | variables, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def test_a_kit_s_packages_come_from_it_whatever_pip_and_uv_were_told(checkout: Path) -> None:
    """Also where uv would take the directory's name for several."""
    odd = checkout.with_name("my check,out #1")
    odd.mkdir()
    checkout.with_name("kit").rename(odd / "kit")
    checkout = checkout.rename(odd / "checkout")
    process = prepare(checkout, KIT_PACKAGES=str(checkout.parent / "kit"), **OWN)
    said = process.communicate()[0]
    assert process.returncode == 0, said
    seen: dict[str, Any] = json.loads((checkout / "uv.json").read_text())
    own = {name: value for name, value in seen["environment"].items() if name.startswith(("UV_", "PIP_"))}
    assert {name: own[name] for name in ("UV_OFFLINE", "UV_NO_CONFIG", "PIP_CONFIG_FILE")} == {
        "UV_OFFLINE": "true", "UV_NO_CONFIG": "true", "PIP_CONFIG_FILE": "/dev/null",
    }  # fmt: skip
    assert not [value for value in own.values() if "127.0.0.1" in value]
    assert "--no-index" in seen["arguments"]
    assert seen["arguments"][seen["arguments"].index("--find-links") + 1] == "../kit/wheels"
    assert "PYTHONPATH" not in seen["environment"]


def test_without_a_kit_they_pass_but_not_as_arguments(checkout: Path) -> None:
    """pip finds uv where the user says that packages are, and uv is told the same."""
    wheels = checkout.parent / "kit/wheels"
    process = prepare(checkout, **{**OWN, "PIP_FIND_LINKS": str(wheels), "PIP_NO_INDEX": "true"})
    said = process.communicate()[0]
    assert process.returncode == 0, said
    seen = json.loads((checkout / "uv.json").read_text())
    assert seen["environment"]["UV_DEFAULT_INDEX"] == OWN["PIP_INDEX_URL"]
    assert not any("secret" in argument for argument in seen["arguments"])
    assert "attempt env" not in (checkout / "scripts/prepare_venv").read_text()


# What would be installed instead, or somewhere else, or not at all: each of them alone made it fail.
ELSEWHERE = {
    "PIP_USER": "1", "PIP_TARGET": "/none/a", "PIP_PREFIX": "/none/b", "PIP_ROOT": "/none/c", "PIP_DRY_RUN": "1",
    "PIP_REQUIREMENT": "/none/d", "PIP_CONSTRAINT": "/none/e", "PIP_EDITABLE": "/none/f", "PIP_NO_BINARY": ":all:",
    "PIP_PLATFORM": "other", "PIP_PROGRESS_BAR": "other", "PIP_PYTHON": "/none/g",
    "UV_CONSTRAINT": "/none/h", "UV_BUILD_CONSTRAINT": "/none/i", "UV_EXCLUDE_NEWER": "2015-01-01",
    "UV_WORKING_DIR": "/none/j",
    "PYTHONHOME": "/none/k", "PYTHONPLATLIBDIR": "none", "PYTHONEXECUTABLE": "/none/l",
}  # fmt: skip


def test_what_is_installed_and_where_a_user_has_not_told_pip_or_uv(checkout: Path) -> None:
    (checkout.parent / "pip.conf").write_text("[install]\nuser = true\ntarget = /none\n[global]\nretries = 1\n")
    wheels = str(checkout.parent / "kit/wheels")
    way = {"PIP_CONFIG_FILE": str(checkout.parent / "pip.conf"), "PIP_FIND_LINKS": wheels, "PIP_NO_INDEX": "true"}
    process = prepare(checkout, **ELSEWHERE, **way)
    said = process.communicate()[0]
    assert process.returncode == 0, said
    environment = json.loads((checkout / "uv.json").read_text())["environment"]
    assert not environment.keys() & ELSEWHERE.keys()
    assert (environment["UV_HTTP_RETRIES"], environment["UV_FIND_LINKS"]) == ("1", wheels)


@pytest.fixture
def busy(checkout: Path) -> Iterator[None]:
    """Another command installs packages."""
    with (checkout / "scripts/prepare_venv").open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        yield


def test_two_commands_take_turns(checkout: Path, busy: None) -> None:
    process = prepare(checkout, KIT_PACKAGES=str(checkout.parent / "kit"))
    assert process.stdout
    assert process.stdout.readline() == "Waiting for another command that installs the Python packages here.\n"
    assert process.poll() is None
    assert not (checkout / ".venv").exists()
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
