"""Stand-ins for what the plugins talk to: an API server and a registry, in memory."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.module_utils.registry.api import Damage, UnansweredError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api, KubernetesError

# What is empty, instead of unknown, when there is none.
LISTS = {"pods", "jobs", "configmaps", "replicasets", "deployments", "leases", "events", "nodes", "persistentvolumes"}


def _selected(item: Mapping[str, Any], selector: list[tuple[str, str, str]]) -> bool:
    labels = item["metadata"].get("labels") or {}
    return all(key in labels and (not equals or labels[key] == value) for key, equals, value in selector)


def _merge(item: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        if value is None:
            item.pop(key, None)
        elif isinstance(value, Mapping):
            _merge(item.setdefault(key, {}), value)
        else:
            item[key] = value


class FakeApi(Api):
    """Keeps objects by path; logs by the path of their pod."""

    def __init__(self) -> None:
        self.server = "https://cluster.example:6443"
        self.objects: dict[str, dict[str, Any]] = {}
        self.logs: dict[str, str] = {}
        self.requests: list[tuple[str, str]] = []
        # The grace periods, in seconds, of what was deleted with one.
        self.graces: dict[str, int] = {}
        self._numbers = itertools.count(1)

    def put(self, path: str, **fields: Any) -> dict[str, Any]:
        """Set an object; its name is the path's last part."""
        name = path.rpartition("/")[2]
        metadata = {"name": name, "uid": f"uid-{name}", **fields.pop("metadata", {})}
        if (home := path.split("/namespaces/")[-1].split("/"))[1:]:
            metadata.setdefault("namespace", home[0])
        self.objects[path] = {"metadata": metadata, **fields}
        return self.objects[path]

    @contextmanager
    def until(self, deadline: float) -> Iterator[None]:
        yield

    def get(self, path: str, **query: str) -> dict[str, Any]:
        if path in self.objects:
            return copy.deepcopy(self.objects[path])
        found = [item for key, item in self.objects.items() if key.rpartition("/")[0] == path]
        if not found and path.rpartition("/")[2] not in LISTS:
            raise KubernetesError(f"{path} not found", 404)
        selector = [part.partition("=") for part in query.get("labelSelector", "").split(",") if part]
        return {"items": [copy.deepcopy(item) for item in found if _selected(item, selector)]}

    def create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        made = copy.deepcopy(dict(body))
        metadata = made["metadata"]
        metadata.setdefault("name", f"{metadata.get('generateName', '')}{next(self._numbers)}")
        metadata["uid"] = f"uid-{metadata['name']}"
        if path.endswith("/leases"):
            metadata["resourceVersion"] = "1"
        key = f"{path}/{metadata['name']}"
        if key in self.objects:
            raise KubernetesError(f"{key} exists", 409)
        self.requests.append(("create", key))
        self.objects[key] = made
        return copy.deepcopy(made)

    def merge(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        _merge(self.objects[path], body)
        return self.objects[path]

    def apply(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self.requests.append(("apply", path))
        before = self.objects.get(path) or {"metadata": {"uid": f"uid-{path.rpartition('/')[2]}"}}
        _merge(before, copy.deepcopy(dict(body)))
        self.objects[path] = before
        return copy.deepcopy(before)

    def replace(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self.requests.append(("replace", path))
        self.objects[path] = copy.deepcopy(dict(body))
        return copy.deepcopy(self.objects[path])

    def delete(self, path: str, grace_seconds: int | None = None) -> None:
        self.requests.append(("delete", path))
        if grace_seconds is not None:
            self.graces[path] = grace_seconds
        self.objects.pop(path, None)

    def text(self, path: str, **query: str) -> str:
        pod = path.removesuffix("/log")
        if pod not in self.logs:
            raise KubernetesError("the container has not started", 400)
        return self.logs[pod]


class FakeRegistry:
    """Holds digests by NAME:TAG, and what is wrong with some of them."""

    url = "http://registry.example:32000"

    def __init__(self) -> None:
        self.images: dict[str, str] = {}
        self.damaged: dict[str, Damage] = {}
        self.unreachable = False

    def digest(self, name: str, reference: str) -> str | None:
        if self.unreachable:
            raise UnansweredError("The registry cannot be reached.")
        if ":" in reference:
            there = any(key.startswith(f"{name}:") and value == reference for key, value in self.images.items())
            return reference if there else None
        return self.images.get(f"{name}:{reference}")

    def damage(self, name: str, reference: str, digest: str = "") -> Damage | None:
        found = self.digest(name, reference)
        if found is None:
            return Damage("there is no such tag")
        if digest and found != digest:
            return Damage(f"its tag names {found}")
        return self.damaged.get(f"{name}:{reference}")

    def tags(self, name: str) -> list[str]:
        return sorted(key.partition(":")[2] for key in self.images if key.partition(":")[0] == name)


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def registry() -> FakeRegistry:
    return FakeRegistry()
