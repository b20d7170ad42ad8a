"""What tests of students share."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def expiry() -> Any:
    """The program of the room's own Job that puts places to sleep."""
    path = Path(__file__).resolve().parents[4] / "roles" / "student" / "files" / "expiry.py"
    spec = importlib.util.spec_from_file_location("expiry", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["expiry"] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module
