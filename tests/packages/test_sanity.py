"""ansible-test's own checks of the collection, as it is installed.

Those that install packages of their own (ansible-doc, import, pylint, runtime-metadata, validate-modules) are left out:
ansible-test fetches pip for them from a server that is no package registry. So is `no-assert`: ours tell mypy a type.
"""

from __future__ import annotations

import sys

import pytest
from tests.packages.collection import Installed

SANITY = [
    "action-plugin-docs",
    "compile",
    "empty-init",
    "ignores",
    "line-endings",
    "no-get-exception",
    "no-illegal-filenames",
    "no-smart-quotes",
    "replace-urlopen",
    "shebang",
    "symlinks",
    "use-argspec-type-path",
    "use-compat-six",
]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("sanity"))


@pytest.mark.parametrize("name", SANITY)
def test_sanity(installed: Installed, name: str) -> None:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    done = installed.run("ansible-test", "sanity", "--python", python, "--test", name, directory=installed.root)
    assert done.returncode == 0, done.stdout + done.stderr
