# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What became of a stage, as data: which of its ends it has come to, why, and what was measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# Ends of a stage: it is reached and proved; it is, but what it has no use for is still there; it was not begun, or
# ended before a user's request had another answer; its routes were written, and those of before again; its routes
# stand, without a proof.
PROVEN, UNFINISHED, REFUSED, TAKEN_BACK, NOT_PROVEN = "proven", "unfinished", "refused", "taken back", "not proven"


@dataclass
class Verdict:
    """What became of a stage (docs/status.md describes its fields).

    Attributes:
        reasons: why it is not proven, or unfinished; a sentence each.
        told: what else people should know.
        did: what was done, in order.
        trial: what versions answered that no user had reached, as `LoadClient.measure` gives it.
        checks: measured splits, likewise.
        copies: requests and failed ones that each service's mirrored version received.
        load: what became of the load client's steady requests; None when it could not tell.
        changed: the objects that were written or deleted.
        exposed_seconds: where it was taken back, how long its routes were written before those of before were in force
            again.
    """

    verdict: str = PROVEN
    reasons: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    did: list[str] = field(default_factory=list)
    trial: list[dict[str, Any]] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    copies: dict[str, dict[str, int]] = field(default_factory=dict)
    load: dict[str, Any] | None = None
    changed: list[str] = field(default_factory=list)
    exposed_seconds: float | None = None

    @property
    def lost(self) -> int:
        """How many of the load client's requests failed."""
        return sum(int(target["failed"]) for target in (self.load or {}).get("targets", {}).values())
