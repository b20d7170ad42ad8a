# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is remembered of a service's stage: annotations on its own routing objects.

On the VirtualService, so that one write changes the routes and what they are for; the past also on the
DestinationRule, so that a VirtualService which somebody deletes does not take it along.

A record that is not `proved` was written by a stage that had not ended yet: the stable version is still the one of
before, and `before` says what to go back to.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import PREFIX

STAGES = ("baseline", "dark_launch", "mirror", "rollout", "promote", "rollback")


@dataclass(frozen=True)
class Record:
    """Where a service stands.

    Attributes:
        stage: a name of STAGES; after a rollback it is `baseline`.
        stable: the tag that users get, and go back to. After a promotion it is the promoted one.
        candidate: the tag that the stage leads to, None where there is none.
        previous: the stable tags of before, the last one last; what a rollback after a promotion goes back to.
        weight: percent of the requests for the candidate, in the stage `rollout`.
        proved: whether the stage has ended with a proof.
        before: the record that an unproved stage goes back to.
    """

    stage: str
    stable: str
    candidate: str | None = None
    previous: tuple[str, ...] = ()
    weight: int | None = None
    proved: bool = True
    before: Record | None = None

    @property
    def tags(self) -> tuple[str, ...]:
        """The versions that run."""
        both = (self.stable,) if self.candidate in (None, self.stable) else (self.stable, str(self.candidate))
        if self.stage in ("baseline", "promote") and self.proved:
            return (self.stable,)
        # What an unproved stage has left is still there, too.
        before = self.before.tags if self.before else ()
        return tuple(dict.fromkeys((*before, *both)))

    @property
    def past(self) -> dict[str, str]:
        """What a DestinationRule remembers, as annotations: with it, that a rollback has a promotion to take back."""
        return {
            **({PREFIX + "stage": self.stage} if self.stage == "promote" and self.proved else {}),
            PREFIX + "stable": self.stable,
            **_optional("previous", ",".join(self.previous)),
        }

    @property
    def annotations(self) -> dict[str, str]:
        """What a VirtualService remembers."""
        weight = "" if self.weight is None else str(self.weight)
        before = json.dumps(asdict(replace(self.before, before=None))) if self.before else ""
        return {
            **self.past,
            PREFIX + "stage": self.stage,
            **_optional("candidate", self.candidate or ""),
            **_optional("weight", weight),
            PREFIX + "proved": str(self.proved).lower(),
            **_optional("before", before),
        }


def _optional(name: str, value: str) -> dict[str, str]:
    return {PREFIX + name: value} if value else {}


def read_record(item: Mapping[str, Any] | None) -> Record | None:
    """Read a VirtualService's record; None where nobody asked this project, or somebody spoilt it.

    >>> read_record({"metadata": {"annotations": Record("promote", "0.3", None, ("0.1",)).annotations}}).previous
    ('0.1',)
    """
    annotations = {
        key.removeprefix(PREFIX): str(value)
        for key, value in ((item or {}).get("metadata", {}).get("annotations") or {}).items()
        if key.startswith(PREFIX)
    }
    # Rooms of before the record had a past name the versions alone.
    versions = [tag for tag in annotations.get("versions", "").split(",") if tag]
    stable = annotations.get("stable") or (versions[0] if versions else "")
    if annotations.get("stage") not in STAGES or not stable:
        return None
    return Record(
        stage=annotations["stage"],
        stable=stable,
        candidate=annotations.get("candidate") or (versions[-1] if len(versions) > 1 else None),
        previous=_previous(annotations.get("previous", "")),
        weight=_percent(annotations.get("weight", "")),
        proved=annotations.get("proved", "true") == "true",
        before=_before(annotations.get("before", "")),
    )


def read_past(item: Mapping[str, Any] | None, known: Collection[str]) -> Record | None:
    """Read what a DestinationRule remembers; None where it remembers no version that is `known`.

    >>> read_past({"metadata": {"annotations": Record("rollout", "0.1", "0.3", weight=50).past}}, ["0.1"]).stage
    'baseline'
    """
    annotations = (item or {}).get("metadata", {}).get("annotations") or {}
    stable = str(annotations.get(PREFIX + "stable", ""))
    stage = "promote" if annotations.get(PREFIX + "stage") == "promote" else "baseline"
    previous = _previous(str(annotations.get(PREFIX + "previous", "")))
    return Record(stage, stable, previous=previous) if stable in known else None


def _previous(text: str) -> tuple[str, ...]:
    return tuple(tag for tag in text.split(",") if tag)


def _percent(text: str) -> int | None:
    return int(text) if text.isdecimal() and int(text) <= 100 else None


def _before(text: str) -> Record | None:
    """Read what to go back to; None where it is not as we write it: it would become routes."""
    try:
        fields = json.loads(text)
        record = Record(**{**fields, "previous": tuple(fields["previous"]), "before": None})
    except (ValueError, TypeError, KeyError):
        return None
    tags = (record.stable, *record.previous, *([] if record.candidate is None else [record.candidate]))
    weight = record.weight is None or _percent(str(record.weight)) == record.weight
    good = record.stage in STAGES and all(isinstance(tag, str) and tag for tag in tags) and weight
    return record if good and isinstance(record.proved, bool) else None
