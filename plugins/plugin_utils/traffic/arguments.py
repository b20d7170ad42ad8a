# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What somebody typed for a stage, judged before anything is looked at."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.terminal import short
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.records import STAGES
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import built_tags, staged_services


def problems(
    stage: Any, service: Any, weight: Any, version: Any, takeover: Any, services: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Judge what somebody typed; a sentence for each mistake.

    Args:
        stage: a name of STAGES.
        service: the services to change, as a list or text with commas; None for all.
        weight: percent for the new version, None when it was not given; only the stage `rollout` takes one.
        version: the new version's tag, instead of the data's `candidate`; None for that.
        takeover: whether routing that somebody else changed may be overwritten; true or false.
        services: an application's services; those with a `candidate` have stages.
    """
    staged = staged_services(services)
    if not staged:
        without = "" if service is None else ", or leave service out"
        return [
            "This application has no service with a `candidate`, so it has no stages: type -e workshop_app=alephbeth"
            f"{without}."
        ]
    found = []
    if stage not in STAGES:
        found.append(f"stage is {short(stage)}, but must be one of: {', '.join(STAGES)}: for example -e stage=mirror.")
    named = named_services(service)
    # Empty is a shell's variable that is not set, and not a wish for all of them.
    if set(named) - staged.keys() or (service is not None and not named):
        found.append(
            f"service is {short(','.join(named))}, but must be one or more of: {', '.join(staged)}: for example "
            f"-e service={next(iter(staged))} or -e service={','.join(staged)}; without it, all of them are meant."
        )
    if stage == "rollout":
        found += _weight_problems(weight)
    elif weight is not None and stage in STAGES:
        found.append(
            f"weight is {short(weight)}, but the stage {stage} takes none: leave it out, "
            f"or type ansible-playbook rollout.yml -e weight={50 if _weight_problems(weight) else weight}."
        )
    if str(takeover).lower() not in ("true", "false"):
        found.append(f"takeover is {short(str(takeover))}, but must be true or false: for example -e takeover=true.")
    if version is not None and set(named) <= staged.keys():
        for name in named or staged:
            found += _version_problems(version, staged[name])
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
            f"weight is {short(str(weight))}, but must be a whole number from 0 to 100 (percent): for example "
            "-e weight=50."
        ]
    return []


def _version_problems(version: Any, service: Mapping[str, Any]) -> list[str]:
    tags = built_tags(service)
    # A number forgets how it was written: 1.10 is 1.1.
    same = [tag for tag in tags if _is_number(tag) and isinstance(version, float) and float(tag) == version]
    if len(same) > 1:
        return [
            f"version is the number {version}, which may be any of {', '.join(same)} of {service['name']}: give it as "
            f"text, for example -e version={same[-1]}."
        ]
    if str(version) in tags:
        return []
    return [
        f"version is {short(str(version))}, but for {service['name']} must be one of: {', '.join(tags)}: "
        f"for example -e service={service['name']} -e version={tags[-1]}."
    ]


def _is_number(tag: str) -> bool:
    return re.fullmatch(r"[0-9]+(\.[0-9]+)?", tag) is not None
