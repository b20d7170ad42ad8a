# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where each service stands: what was asked for, configured, is in the proxies and was measured, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.columns import ruled
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.objects import (
    label,
    last_written,
    named,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.app_services import version_label
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import arrival, foreign, routes, stages
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.expectation import View
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.live import Live, deployed_tags, is_edited
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.records import read_record
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import (
    recorded_goal,
    virtual_service,
)

SCHEMA = "istio-workshop/status/1"
HEADINGS = ("service", "stage", "version", "pods", "asked", "configured", "in proxies", "measured")


def service_status(
    service: str,
    namespace: str,
    live: Live,
    views: Mapping[str, Mapping[str, View]],
    checks: Sequence[Mapping[str, Any]],
    silent: Sequence[str] = (),
    caller_labels: Sequence[Mapping[str, str]] = (),
) -> dict[str, Any]:
    """Describe one service, as docs/status.md says.

    Args:
        views: what each calling pod's proxy holds, by pod and service.
        checks: results of `LoadClient.measure`; those of other services are left out.
        silent: a sentence for each proxy that could not be asked.
        caller_labels: labels of the pods that call it.
    """
    item = named(live.virtual_services, namespace, service)
    rule = named(live.destination_rules, namespace, service)
    goal = recorded_goal(item) if item else None
    measured = [check for check in checks if check["service"] == service]
    held = {pod: seen[service] for pod, seen in sorted(views.items()) if service in seen}
    configured = routes.of_virtual_service(item, service) if item else None
    versions = _versions(service, live, goal, configured, held, measured)
    subsets = {version["subset"] for version in versions}
    record = read_record(item)
    return {
        "service": service,
        "namespace": namespace,
        "stage": goal.recorded_stage if goal else None,
        "weight": goal.weight if goal else None,
        "stable": record.stable if record else None,
        "previous": list(record.previous) if record else [],
        "candidate": record.candidate if record else None,
        "proved": record.proved if record else None,
        "last_change": max(filter(None, map(last_written, filter(None, (item, rule)))), default=None),
        "versions": versions,
        "rules": [
            _rule(route)
            for route in configured or []
            if route.is_special or not {place for place, _ in route.shares} <= subsets
        ],
        "others": [
            {"object": label(each.item), "counts": each.counts, "sentence": each.sentence}
            for each in foreign.rules(service, namespace, live, caller_labels)
        ],
        "warnings": [
            *(arrival.losses(service, held, rule) if item else []),
            *(f"{foreign.changed(each)}." for each in (item, rule) if each and is_edited(each)),
        ],
        "silent": list(silent),
        "checks": measured,
    }


def faults(services: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say what keeps services from being where their stage has led them, a sentence each.

    Args:
        services: what `service_status` says of each.
    """
    found = []
    for each in services:
        name = each["service"]
        # Before the first stage there is nothing of it.
        if each["stage"] is None and each["last_change"] is not None:
            found.append(f"{name} is at no stage: its routes are missing, or are not the workshop's.")
        found += [f"{name}: {sentence}" for sentence in (*each["warnings"], *each["silent"])]
        found += [f"{name}: {other['sentence']}" for other in each["others"] if other["counts"]]
        found += [sentence for version in each["versions"] for sentence in _version_faults(each, version)]
    return found


def _version_faults(service: Mapping[str, Any], version: Mapping[str, Any]) -> list[str]:
    what, asked = f"{service['service']} {version['version']}", version["asked"]
    found = []
    # What only gets copies may break: that is what mirroring is for.
    if (asked or service["stage"] != "mirror") and not 0 < version["ready"] >= version["pods"]:
        found.append(f"{what} has {version['ready']} of {version['pods']} pods ready.")
    if asked is not None:
        part = f"{what} is to get {_shown(asked)} of the requests"
        if version["configured"] != asked:
            found.append(f"{part}, and its routes give it {_shown(version['configured'])}.")
        found += [
            f"{part}, and from {pod} {_shown(share)} arrive."
            for pod, share in version["arrives"].items()
            if share != asked
        ]
    return found


def _versions(
    service: str,
    live: Live,
    goal: stages.Goal | None,
    configured: Sequence[routes.Route] | None,
    held: Mapping[str, View],
    measured: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Put the shares of everybody's requests side by side, for each version that runs, is asked for or answered."""
    running = deployed_tags(service, live.deployments)
    everybody = next((check for check in measured if not check["headers"]), None)
    asked = arrival.for_everybody(routes.of_virtual_service(virtual_service(goal))) if goal else {}
    written = arrival.for_everybody(configured)
    promised = {pod: arrival.for_everybody(view.routes) for pod, view in held.items()}
    arriving = {pod: arrival.arriving(view) for pod, view in held.items()}
    result = []
    for tag in sorted({*running, *(goal.tags if goal else ()), *(everybody or {}).get("answered", {})}):
        subset = version_label(tag)
        state = (running[tag].get("status") or {}) if tag in running else {}
        routed = configured is not None
        result.append(
            {
                "version": tag,
                "subset": subset,
                "pods": int(running[tag]["spec"].get("replicas", 1)) if tag in running else 0,
                "ready": int(state.get("readyReplicas") or 0),
                "asked": asked.get(subset, 0) if goal else None,
                "configured": written.get(subset, 0) if routed else None,
                "proxies": {pod: shares.get(subset, 0) for pod, shares in promised.items()} if routed else {},
                "arrives": {pod: shares.get(subset, 0) for pod, shares in arriving.items()} if routed else {},
                "measured": _percent(everybody, tag),
            }
        )
    return result


def _rule(route: routes.Route) -> dict[str, Any]:
    return {
        "match": dict(route.match),
        "to": dict(route.shares),
        "mirror": dict(route.mirror),
        "instead": route.instead or None,
        "besides": list(route.besides),
        "sentence": str(route),
    }


def _percent(check: Mapping[str, Any] | None, tag: str) -> float | None:
    if not check or not check["requests"]:
        return None
    return round(100 * int(check["answered"].get(tag, 0)) / int(check["requests"]), 1)


def table(services: Sequence[Mapping[str, Any]]) -> list[str]:
    """Show services as lines of a table for people."""
    rows: list[tuple[str, ...]] = [HEADINGS]
    for each in services:
        stage = "no stage yet" if each["stage"] is None else each["stage"].replace("_", " ")
        for number, version in enumerate(each["versions"] or [None]):
            rows.append(_row(each["service"] if number == 0 else "", stage if number == 0 else "", version))
    return ruled(rows)


def _row(service: str, stage: str, version: Mapping[str, Any] | None) -> tuple[str, ...]:
    if version is None:
        return (service, stage, "none runs", *[""] * 5)
    held = sorted(set(version["arrives"].values()))
    in_proxies = ", ".join(map(_shown, held)) + (f" ({len(version['arrives'])})" if held else "")
    return (
        service,
        stage,
        version["version"],
        f"{version['ready']}/{version['pods']}",
        _shown(version["asked"]),
        _shown(version["configured"]),
        in_proxies or "-",
        _shown(version["measured"]),
    )


def _shown(percent: float | None) -> str:
    return "-" if percent is None else f"{percent:g} %"


def rules(services: Sequence[Mapping[str, Any]]) -> list[str]:
    """Put the rules for some requests, what others do to them, and what is wrong into sentences."""
    lines = []
    for each in services:
        said = [found["sentence"] for kind in ("rules", "others") for found in each[kind]]
        lines += [f"{each['service']}: {sentence}" for sentence in (*said, *each["warnings"])]
    # One proxy is that of several services' caller.
    return [*lines, *dict.fromkeys(sentence for each in services for sentence in each["silent"])]


def checks(services: Sequence[Mapping[str, Any]], live: Live) -> list[dict[str, Any]]:
    """Say what to measure, for the services that have a stage."""
    items = [named(live.virtual_services, each["namespace"], each["service"]) for each in services]
    goals = [recorded_goal(item) for item in items if item]
    return [check for goal in goals if goal for check in stages.checks(goal)]


def proof(
    measured: Sequence[Mapping[str, Any]],
    proxies: Mapping[str, float],
    copies: Mapping[str, Mapping[str, int]],
    targets: Mapping[str, Mapping[str, Any]],
) -> list[str]:
    """Put into sentences what a stage was proved by.

    Args:
        measured: results of `LoadClient.measure`.
        proxies: seconds after which each pod's proxy held what was written.
        copies: requests and failed ones that each service's mirrored version received.
        targets: what became of the load client's steady requests, by target.
    """
    lines = [str(check["sentence"]) for check in measured]
    for service, count in copies.items():
        share = 100 * count["failed"] / count["requests"] if count["requests"] else 0
        lines.append(
            f"{service}: its mirrored version received {count['requests']} copies and answered "
            f"{count['failed']} of them with an error ({share:.1f} %); nobody sees these answers."
        )
    if proxies:
        lines.append(
            f"All {len(proxies)} calling proxies held it {1000 * max(proxies.values()):.0f} ms after the last write."
        )
    if targets:
        sent, failed = (sum(int(each[what]) for each in targets.values()) for what in ("sent", "failed"))
        lines.append(f"The load client sent {sent} requests meanwhile: {failed or 'none'} failed.")
    return lines


# Steps of the weight that the workshop takes.
WEIGHTS = (1, 20, 40, 60, 80, 100)


def options(service: str | None = None, version: str | None = None) -> str:
    """Give what the next command keeps of the last one.

    >>> options("aleph", "0.2")
    ' -e service=aleph -e version=0.2'
    """
    kept = {"service": service, "version": version}
    return "".join(f" -e {name}={value}" for name, value in kept.items() if value)


def next_command(services: Sequence[Mapping[str, Any]], options: str, copies: Mapping[str, Mapping[str, int]]) -> str:
    """Give the one command that comes next in the workshop's order, for the first of these services.

    Args:
        options: what `options` gives.
        copies: requests and failed ones that mirrored versions received: a version that fails does not go on.
    """
    stage, weight = services[0]["stage"], services[0]["weight"]
    if any(count["failed"] for count in copies.values()):
        return f"ansible-playbook playbooks/rollback.yml{options}"
    if stage == "rollout":
        step = next((each for each in WEIGHTS if each > (weight or 0)), None)
        if step is not None:
            return f"ansible-playbook rollout.yml -e weight={step}{options}"
    following = {
        "baseline": "playbooks/dark_launch.yml",
        "dark_launch": "playbooks/mirror.yml",
        "mirror": f"rollout.yml -e weight={WEIGHTS[0]}",
        "rollout": "playbooks/promote.yml",
        "promote": "playbooks/rollback.yml",
    }
    return f"ansible-playbook {following.get(stage, 'playbooks/baseline.yml')}{options}"
