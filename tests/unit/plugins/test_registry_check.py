"""The registry of a node that has only just started is waited for as long as its role says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.action import registry_check
from ansible_collections.istio_games.workshop.plugins.module_utils.registry.api import RESTART_SECONDS, UnansweredError


class Registry:
    """One whose pod takes so many seconds to come back."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.now = seconds, 0.0

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def damages(self) -> dict[str, Any]:
        if self.now < self.seconds:
            raise UnansweredError("The registry cannot be reached.")
        return {}


def act(monkeypatch: pytest.MonkeyPatch, registry: Registry, check_mode: bool = False) -> Any:
    monkeypatch.setattr(registry_check.ActionModule, "registry", registry)
    action = object.__new__(registry_check.ActionModule)
    action._task, action.result = SimpleNamespace(check_mode=check_mode), {}
    return action.act({"namespace": "registry", "timeout": 180.0})


def test_it_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert act(monkeypatch, Registry(3 * RESTART_SECONDS))["damaged"] == {}
    with pytest.raises(UnansweredError):
        act(monkeypatch, Registry(1000))


def test_nothing_is_waited_for_in_check_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry(1000)
    assert act(monkeypatch, registry, check_mode=True) == {"damaged": {}}
    assert registry.now == 0
