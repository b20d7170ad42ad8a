"""What tests of students share."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

FILES = Path(__file__).resolve().parents[4] / "roles" / "student" / "files"


def _program(name: str) -> Any:
    """Load a program of the room's own that runs in the cluster."""
    spec = importlib.util.spec_from_file_location(name, FILES / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def expiry() -> Any:
    """What puts places to sleep whose time is over."""
    return _program("expiry")


@pytest.fixture(scope="module")
def throttle() -> Any:
    """What throttles places that take the processors from the others."""
    return _program("throttle")
