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
    lacking = list(_without_rules(room, network, subnet))
    done = []
    # Only where Podman then fills them again.
    for arguments in firewall.wrong_ways_out(firewall.saved_firewall("iptables"), subnet) if lacking else []:
        done.append(f"iptables {' '.join(arguments)}")
        if not dry_run:
            run("iptables", "-w", *arguments)
    for name in lacking:
        done.append(f"podman network reload {name}")
        if not dry_run:
            run("podman", "network", "reload", name)
    for arguments in firewall.allowances(firewall.saved_firewall("iptables"), room, bridge):
        done.append(f"iptables {' '.join(arguments)}")
        if not dry_run:
            run("iptables", "-w", *arguments)
    return done + firewall.keep_rooms_apart(dry_run=dry_run)


def _without_rules(room: str, network: str, subnet: str) -> Iterator[str]:
    """Name the room's running containers that the packet filter has nothing for."""
    running = podman_strictly("ps", "--filter", f"label={LABEL}={room}", "--filter", "status=running")
    names = [str(container["Names"][0]) for container in running]
    if not names:
        return
    saved, tables = firewall.saved_firewall("iptables"), firewall.netavark_table()
    inspected: list[dict[str, Any]] = strict_json_output("podman", "container", "inspect", *names)
    for name, container in zip(names, inspected, strict=True):
        settings = container["NetworkSettings"]
        address = settings["Networks"].get(network, {}).get("IPAddress")
        publishes = any((settings["Ports"] or {}).values())
        there = firewall.has_rules(saved, address or "", subnet, publishes=publishes)
        if address and not there and (address if publishes else subnet) not in tables:
            yield name
