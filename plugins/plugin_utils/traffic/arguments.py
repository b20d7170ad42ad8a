# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What somebody typed for a stage, judged before anything is looked at."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.records import STAGES
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import built_tags, staged_services


def problems(
    stage: Any, service: Any, weight: Any, version: Any, takeover: Any, services: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Judge what somebody typed; a sentence for each mistake.

    Args:
        stage: a name of STAGES.
        service: the services to change, as a list or text with commas; empty or None for all.
        weight: percent for the new version, None when it was not given; only the stage `rollout` takes one.
        version: the new version's tag, instead of the data's `candidate`; empty or None for that.
        takeover: whether routing that somebody else changed may be overwritten; true or false.
        services: an application's services; those with a `candidate` have stages.
    """
    staged = staged_services(services)
    if not staged:
        return [
            "This application has no service with a `candidate`, so it has no stages: type -e workshop_app=alephbeth."
        ]
    found = []
    if stage not in STAGES:
        found.append(f"stage is {stage!r}, but must be one of: {', '.join(STAGES)}: for example -e stage=mirror.")
    named = named_services(service)
    if set(named) - staged.keys():
        found.append(
            f"service is {','.join(named)!r}, but must be one or more of: {', '.join(staged)}: "
            f"for example -e service={next(iter(staged))} or -e service={','.join(staged)}."
        )
    if stage == "rollout":
        found += _weight_problems(weight)
    elif weight is not None:
        found.append(
            f"weight is {weight!r}, but the stage {stage} takes none: leave it out, "
            f"or type ansible-playbook rollout.yml -e weight={weight}."
        )
    if str(takeover).lower() not in ("true", "false"):
        found.append(f"takeover is {str(takeover)!r}, but must be true or false: for example -e takeover=true.")
    if version and set(named) <= staged.keys():
        for name in named or staged:
            found += _version_problems(str(version), staged[name])
    return found


def named_services(service: Any) -> tuple[str, ...]:
    """Give the services that were typed, each once; none for all.

    >>> named_services("beth, aleph")
    ('beth', 'aleph')
    >>> named_services(["aleph", "aleph"])
    ('aleph',)
    """
    if service in (None, ""):
        return ()
    typed = service if isinstance(service, (list, tuple)) else str(service).split(",")
    return tuple(dict.fromkeys(str(each).strip() for each in typed))


def _weight_problems(weight: Any) -> list[str]:
    if weight is None:
        return ["weight is missing: type -e weight=50 to send half of the requests to the new version (0 to 100)."]
    if isinstance(weight, bool) or not re.fullmatch(r"0|[1-9][0-9]{0,2}", str(weight)) or int(weight) > 100:
        return [
            f"weight is {str(weight)!r}, but must be a whole number from 0 to 100 (percent): for example -e weight=50."
        ]
    return []


def _version_problems(version: str, service: Mapping[str, Any]) -> list[str]:
    tags = built_tags(service)
    if version in tags:
        return []
    return [
        f"version is {version!r}, but for {service['name']} must be one of: {', '.join(tags)}: "
        f"for example -e service={service['name']} -e version={tags[-1]}."
    ]
