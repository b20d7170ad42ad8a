# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A bill of materials as CycloneDX has it; the same content makes the same bytes."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime

from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component
from cyclonedx.model.dependency import Dependency
from cyclonedx.output.json import JsonV1Dot6

SUFFIX = ".cdx.json"


class Tree:
    """Components, and what each is made of."""

    def __init__(self) -> None:
        self._components: dict[str, Component] = {}
        self._parts: dict[str, set[str]] = {}

    def add(self, whole: Component, parts: Iterable[Component] = ()) -> None:
        """Note a component, and what it is made of, besides what was noted already."""
        listed = list(parts)
        for found in (whole, *listed):
            self._components.setdefault(_ref(found), found)
            self._parts.setdefault(_ref(found), set())
        self._parts[_ref(whole)].update(_ref(part) for part in listed)

    def document(self, root: Component, epoch: int) -> str:
        """Write what `root` is made of, directly and further down.

        Args:
            epoch: the time that the document bears (seconds since 1970).
        """
        refs = {_ref(root)}
        further = set(refs)
        while further:
            further = {part for ref in further for part in self._parts[ref]} - refs
            refs |= further
        bom = Bom(
            components=[self._components[ref] for ref in refs if ref != _ref(root)],
            dependencies=[
                Dependency(
                    self._components[ref].bom_ref,
                    [Dependency(self._components[part].bom_ref) for part in self._parts[ref]],
                )
                for ref in refs
            ],
            metadata=BomMetaData(component=root, timestamp=datetime.fromtimestamp(epoch, UTC)),
        )
        written = JsonV1Dot6(bom)
        # A number of its own, but by what stands in it.
        bom.serial_number = uuid.UUID(int=0)
        bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, written.output_as_string())
        return JsonV1Dot6(bom).output_as_string(indent=1) + "\n"


def _ref(component: Component) -> str:
    return str(component.bom_ref.value)
