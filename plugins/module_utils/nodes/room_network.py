# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What this machine's packet filter must let through for a room's container nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.nodes import firewall
from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.commands import run
from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.host_reader import (
    LABEL,
    podman_strictly,
    strict_json_output,
)


def mend(room: str, network: str, *, dry_run: bool) -> list[str]:
    """Put back what a firewall that was reloaded has taken away, and allow what FORWARD would drop.

    Args:
        room: its nodes bear its label.
        network: the name of its Podman network.

    Returns:
        What was done, for people.
    """
    (found,) = strict_json_output("podman", "network", "inspect", network)
    bridge, subnet = str(found["network_interface"]), str(found["subnets"][0]["subnet"])
    done = _mend_podmans(room, network, subnet, dry_run=dry_run)
    if done and not dry_run:
        # Podman appends to what was left of a chain, which only then shows whose it is.
        done += _mend_podmans(room, network, subnet, dry_run=False)
    for arguments in firewall.allowances(firewall.saved_firewall("iptables"), room, bridge):
        done.append(f"iptables {' '.join(arguments)}")
        if not dry_run:
            run("iptables", "-w", *arguments)
    return done + firewall.keep_rooms_apart(dry_run=dry_run)


def _mend_podmans(room: str, network: str, subnet: str, *, dry_run: bool) -> list[str]:
    """Put Podman's own rules back."""
    saved = firewall.saved_firewall("iptables")
    lacking = list(_without_rules(room, network, subnet, saved))
    # Only what Podman then fills again is emptied.
    wrong = firewall.wrong_ways_out(saved, subnet) if lacking else []
    commands = [
        *(["iptables", "-w", *arguments] for arguments in wrong),
        *(["podman", "network", "reload", name] for name in lacking),
    ]
    if not dry_run:
        for command in commands:
            run(*command)
    return [" ".join(command) for command in commands]


def _without_rules(room: str, network: str, subnet: str, saved: str) -> Iterator[str]:
    """Name the room's running containers that the packet filter has nothing for."""
    running = podman_strictly("ps", "--filter", f"label={LABEL}={room}", "--filter", "status=running")
    names = [str(container["Names"][0]) for container in running]
    if not names:
        return
    tables = firewall.netavark_table()
    inspected: list[dict[str, Any]] = strict_json_output("podman", "container", "inspect", *names)
    for name, container in zip(names, inspected, strict=True):
        settings = container["NetworkSettings"]
        address = settings["Networks"].get(network, {}).get("IPAddress")
        publishes = any((settings["Ports"] or {}).values())
        there = firewall.has_rules(saved, address or "", subnet, publishes=publishes)
        if address and not there and (address if publishes else subnet) not in tables:
            yield name
