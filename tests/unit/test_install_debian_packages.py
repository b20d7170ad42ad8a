"""Debian packages of a kit come from it, whatever the directory is called that it lies in."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INDEX = "Package: podman\nVersion: 1\nArchitecture: all\nFilename: ./podman_1_all.deb\nSize: 1\nDescription: x\n"
# The real apt reads the kit's archive; nothing is installed.
APT_GET = """#!/bin/sh
case " $* " in
  *" update "*) exec /usr/bin/apt-get -o Dir::Cache="$CACHE" "$@" ;;
  *" install "*) echo "$@" >"$CACHE/install" ;;
esac
"""

pytestmark = pytest.mark.skipif(not shutil.which("apt-get"), reason="apt is Debian's")


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """What is found before the machine's own: nothing is installed here, and nobody has to be root."""
    directory = tmp_path / "programs"
    directory.mkdir()
    for name, text in {
        "apt-get": APT_GET,
        "dpkg-query": "#!/bin/sh\nexit 1\n",
        "sudo": '#!/bin/sh\nexec "$@"\n',
    }.items():
        (directory / name).write_text(text)
        (directory / name).chmod(0o755)
    return directory


@pytest.mark.parametrize(
    "name", ["kit", "my kit", "50%41", "a%20b", "#1", "[a]", 'a"b', "Übung", "a'b", "a?b&c=d", "a$b`c"]
)
def test_a_kit_may_lie_in_a_directory_of_any_name(name: str, programs: Path, tmp_path: Path) -> None:
    suite = platform.freedesktop_os_release().get("VERSION_CODENAME", "unknown")
    archive = tmp_path / name / "debian" / suite
    archive.mkdir(parents=True)
    (archive / "Packages").write_text(INDEX)
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "CACHE": str(tmp_path),
        "KIT_PACKAGES": str(tmp_path / name),
    }
    done = subprocess.run(
        [ROOT / "scripts/install_debian_packages"],
        env=os.environ | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "podman" in (tmp_path / "install").read_text()
