# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Base images that the registry itself serves: named by their digest, and whole."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import replace

from ansible_collections.istio_games.workshop.plugins.module_utils.registry.api import Registry, RegistryError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.kaniko.context import Build
from ansible_collections.istio_games.workshop.plugins.plugin_utils.kaniko.job_objects import BuildError


class BaseImageError(BuildError, RegistryError):
    """The registry lacks a build's base image."""


class Bases:
    """The bases of builds that push to one registry, at HOST:PORT."""

    def __init__(self, registry: Registry, push_address: str) -> None:
        self._registry = registry
        self._push_address = push_address
        # Digests of those that were read and are whole, by reference: many builds share one.
        self._whole: dict[str, str] = {}

    def pinned(self, build: Build, check_mode: bool) -> Build:
        """Name by its digest what our own registry serves as a base: its tag may stay while its contents change."""
        named = dict(build.build_args)
        for name, value in build.build_args.items():
            if value.startswith(self._push_address + "/") and "@" not in value:
                with suppress(RegistryError) if check_mode else nullcontext():  # there is no registry yet
                    named[name] = f"{value}@{self._digest(build, value)}"
        return replace(build, build_args=named)

    def _digest(self, build: Build, reference: str) -> str:
        if reference in self._whole:
            return self._whole[reference]
        name, _, tag = reference.removeprefix(self._push_address + "/").partition(":")
        tag = tag or "latest"
        damage = self._registry.damage(name, tag)
        digest = None if damage else self._registry.digest(name, tag)
        if digest is None:
            why = damage.sentence if damage else "there is no such tag"
            raise BaseImageError(
                f"{build.reference} cannot be built: its base image {name}:{tag} cannot be had from the registry "
                f"({why}). ansible-playbook playbooks/registry.yml pushes the room's own again."
            )
        self._whole[reference] = digest
        return digest
