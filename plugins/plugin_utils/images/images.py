# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which image a tag means: the one that was built under it, whatever the registry's tag says by now."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.module_utils.registry.api import Registry
from ansible_collections.istio_games.workshop.plugins.plugin_utils.images.records import Records


class MissingImageError(WorkshopError):
    """An image is not in the registry. The message says which tags are."""


class Images:
    """The images that a Deployment may be made of."""

    def __init__(self, records: Records, registry: Registry) -> None:
        self._records = records
        self._registry = registry

    def digest(self, name: str, tag: str) -> str:
        """Give the digest that NAME:TAG was built with; of one that was not built here, the registry's.

        Raises:
            MissingImageError: the registry does not have it.
        """
        record = self._records.find(name, tag)
        digest = self._registry.digest(name, record.digest if record else tag)
        if digest is None:
            raise MissingImageError(self._missing(name, tag, record.digest if record else ""))
        return digest

    def digests(self, references: Sequence[str]) -> dict[str, str]:
        """Give each NAME:TAG's digest; raise MissingImageError for the first that is not there."""
        return {reference: self.digest(*reference.rsplit(":", 1)) for reference in references}

    def _missing(self, name: str, tag: str, built: str) -> str:
        tags = self._registry.tags(name)
        there = (
            f"what was built, {built}, is gone"
            if built
            else f"it has {name} with the tags {', '.join(tags)}"
            if tags
            else f"it has no {name} at all"
        )
        return (
            f"{name}:{tag} is not in the registry at {self._registry.url}: {there}. Build it (ansible-playbook "
            "playbooks/build.yml), or name a tag that exists in workshop_apps or with -e app_versions."
        )
