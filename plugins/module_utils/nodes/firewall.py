# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The packet filter's rules that Podman's network plugin makes, as iptables-save prints them."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
from collections.abc import Iterable, Iterator

from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.commands import run

# nft's names of their families.
NFT_FAMILIES = {"iptables": "ip", "ip6tables": "ip6"}
FIREWALLS = tuple(NFT_FAMILIES)
# Chains that Podman's network plugin makes, and does not remove with its last network.
CHAIN_PREFIX = "NETAVARK"
# Those that keep isolated networks apart; the first of them is reached from FORWARD.
ISOLATION_PREFIX = "NETAVARK_ISOLATION"


def saved_firewall(command: str) -> str:
    """What iptables-save (or ip6tables-save) prints now; nothing where there is none."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return run(f"{command}-save").stdout
    return ""


def netavark_table() -> str:
    """What newer versions of Podman's network plugin tell the kernel without iptables; nothing where there is none."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return run("nft", "list", "table", "inet", "netavark").stdout
    return ""


def rules(saved: str) -> Iterator[tuple[str, list[str]]]:
    """Give each rule with its table, as iptables' arguments after -A: the chain first."""
    table = ""
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith("-A "):
            yield table, shlex.split(line[3:])


def target(arguments: list[str]) -> str:
    """Where a rule jumps to (empty: nowhere)."""
    return arguments[arguments.index("-j") + 1] if "-j" in arguments else ""


def declared_chains(saved: str) -> set[str]:
    """Chains, as `table chain`."""
    found, table = set(), ""
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith(":"):
            found.add(f"{table} {line[1:].split()[0]}")
    return found


def firewall_removals(saved: str, before: Iterable[str]) -> list[list[str]]:
    """Arguments of iptables that remove Podman's chains.

    Args:
        saved: what iptables-save prints now.
        before: chains (`table chain`) that were there before the first room; they stay.
    """
    kept = set(before)
    ours = {chain for chain in declared_chains(saved) - kept if chain.split()[1].startswith(CHAIN_PREFIX)}
    jumps = [
        ["-t", table, "-D", *arguments]
        for table, arguments in rules(saved)
        if f"{table} {arguments[0]}" not in ours and f"{table} {target(arguments)}" in ours
    ]
    flush = [["-t", *chain.split()[:1], "-F", chain.split()[1]] for chain in sorted(ours)]
    delete = [["-t", *chain.split()[:1], "-X", chain.split()[1]] for chain in sorted(ours)]
    return jumps + flush + delete


def empty_tables(saved: str, before: Iterable[str]) -> list[str]:
    """Tables without a rule, a chain of their own or a policy, that were not there before the first room."""
    kept = {chain.split()[0] for chain in before}
    tables: dict[str, bool] = {}
    table = ""
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
            tables[table] = True
        elif line.startswith("-A ") or (line.startswith(":") and line.split()[1] != "ACCEPT"):
            tables[table] = False
    return sorted(name for name, empty in tables.items() if empty and name not in kept)


def table_removal(command: str, table: str) -> list[str]:
    """Give the command that removes a table, which iptables itself cannot; one that is not there is no error.

    >>> table_removal("iptables", "nat")
    ['nft', 'add table ip nat; delete table ip nat']
    """
    named = f"table {NFT_FAMILIES[command]} {table}"
    return ["nft", f"add {named}; delete {named}"]


def lost_isolation(saved: str) -> list[list[str]]:
    """Arguments of iptables that let FORWARD jump again to the chain that keeps isolated networks apart.

    netavark 1.4 takes the jump away with the first isolated network that goes, whatever others are left; the chain
    itself keeps their rules.
    """
    found = [arguments for table, arguments in rules(saved) if table == "filter"]
    filled = {arguments[0] for arguments in found if arguments[0].startswith(ISOLATION_PREFIX)}
    # The second of its chains is reached from the first: that rule is in `found` too.
    reached = {target(arguments) for arguments in found}
    return [["-t", "filter", "-I", "FORWARD", "-j", chain] for chain in sorted(filled - reached)]


def keep_rooms_apart(*, dry_run: bool = False) -> list[str]:
    """Put the jumps back that another network's end has taken away. Returns what was done."""
    done = []
    for command in FIREWALLS:
        for arguments in lost_isolation(saved_firewall(command)):
            done.append(f"{command} {' '.join(arguments)}")
            if not dry_run:
                run(command, "-w", *arguments)
    return done


def allowances(saved: str, room: str, bridge: str) -> list[list[str]]:
    """Arguments of iptables that let a room's traffic through where FORWARD drops what nobody allows (Docker, ufw).

    Podman allows what its network's own addresses send. Packets between pods of two nodes have the pods' addresses, and
    those to a published port another machine's. Appended: what others refuse by a rule of theirs stays refused.
    """
    mark = ["-m", "comment", "--comment", room_mark(room)]
    wanted = (
        ["-i", bridge, "-o", bridge, *mark, "-j", "ACCEPT"],
        ["-o", bridge, "-m", "conntrack", "--ctstate", "DNAT", *mark, "-j", "ACCEPT"],
    )
    there = [arguments for table, arguments in rules(saved) if table == "filter"]
    return [["-t", "filter", "-A", "FORWARD", *rule] for rule in wanted if ["FORWARD", *rule] not in there]


def room_mark(room: str) -> str:
    """The comment of a room's own rules."""
    return f"istio-workshop room {room}"


def allowance_removals(saved: str, room: str) -> list[list[str]]:
    """Arguments of iptables that remove a room's own rules."""
    return [["-t", table, "-D", *arguments] for table, arguments in rules(saved) if room_mark(room) in arguments]


def has_rules(saved: str, address: str, subnet: str, *, publishes: bool) -> bool:
    """Tell whether Podman's rules for a running container are there; a firewall that is reloaded takes them away.

    Args:
        saved: what iptables-save prints.
        address: the container's.
        subnet: its network's.
        publishes: whether it has ports on this machine.
    """
    found = list(rules(saved))
    jumps = {target(arguments) for _, arguments in found}
    translated = [arguments for table, arguments in found if table == "nat" and target(arguments) == "DNAT"]
    reached = {
        arguments[-1].partition(":")[0] for arguments in translated if arguments[0] in jumps
    }  # `--to-destination ADDRESS:PORT` comes last
    forwarded = any(
        table == "filter" and arguments[:3] == ["NETAVARK_FORWARD", "-s", subnet] and "NETAVARK_FORWARD" in jumps
        for table, arguments in found
    )
    leaves = bool(_leaving(found, subnet)) and not wrong_ways_out(saved, subnet)
    return forwarded and leaves and (address in reached or not publishes)


def wrong_ways_out(saved: str, subnet: str) -> list[list[str]]:
    """Arguments of iptables that empty a network's chain for what leaves it, where that is not as Podman makes it.

    First it accepts what stays in the network, then it masquerades the rest. Podman appends what is missing: the other
    way round, nodes see each other with the bridge's address, and their routers refuse each other.
    """
    found = list(rules(saved))
    wrong = []
    for chain in _leaving(found, subnet):
        ways = [arguments[1:] for table, arguments in found if table == "nat" and arguments[0] == chain]
        if ways[:1] != [["-d", subnet, "-j", "ACCEPT"]] or "MASQUERADE" not in map(target, ways):
            wrong.append(["-t", "nat", "-F", chain])
    return wrong


def _leaving(found: Iterable[tuple[str, list[str]]], subnet: str) -> list[str]:
    """Name the chains that a network's packets go through when they leave it."""
    return sorted(
        {target(arguments) for table, arguments in found
         if table == "nat" and arguments[:3] == ["POSTROUTING", "-s", subnet]}
    )  # fmt: skip
