"""What tests/conftest.py makes of tests that are skipped."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SKIPS = {
    "with a reason": "import pytest\n\ndef test_it():\n    pytest.skip('no redis')\n",
    "by a mark with a reason": "import pytest\n\n@pytest.mark.skip(reason='no redis')\ndef test_it():\n    pass\n",
    "a whole module": "import pytest\npytest.skip('no redis', allow_module_level=True)\n",
    "a missing import": "import pytest\npytest.importorskip('no_such_module')\n\ndef test_it():\n    pass\n",
    "without a reason": "import pytest\n\ndef test_it():\n    pytest.skip()\n",
    "by a mark without a reason": "import pytest\n\n@pytest.mark.skip\ndef test_it():\n    pass\n",
}


def run(tests: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-c", "/dev/null", "-p", "no:cacheprovider", str(tests)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("how", SKIPS)
def test_a_skip_is_a_failure_in_ci_and_everywhere_without_a_reason(tmp_path: Path, how: str) -> None:
    shutil.copy(ROOT / "tests/conftest.py", tmp_path)
    (tmp_path / "test_it.py").write_text(SKIPS[how])
    here, ci = run(tmp_path, {}), run(tmp_path, {"CI": "1"})
    assert ci.returncode != 0, ci.stdout
    if "without" in how:
        assert "without a reason" in ci.stdout
        assert here.returncode != 0, here.stdout
        assert "say why" in here.stdout
    else:
        assert "which CI does not allow: " in ci.stdout, ci.stdout
        assert here.returncode in (0, 5), here.stdout  # 5: nothing was run


def test_what_passes_passes(tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests/conftest.py", tmp_path)
    (tmp_path / "test_it.py").write_text("def test_it():\n    pass\n")
    assert run(tmp_path, {"CI": "1"}).returncode == 0
