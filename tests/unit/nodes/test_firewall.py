"""What Podman's network plugin leaves in the packet filter is told from what is others'."""

from __future__ import annotations

import shlex

import pytest

from ansible_collections.istio_games.workshop.plugins.module_utils.nodes import firewall

SAVED = """*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:NETAVARK_FORWARD - [0:0]
:MINE - [0:0]
-A INPUT -j MINE
-A FORWARD -m comment --comment "netavark firewall plugin rules" -j NETAVARK_FORWARD
-A NETAVARK_FORWARD -d 10.89.0.0/24 -j ACCEPT
COMMIT
*nat
:POSTROUTING ACCEPT [0:0]
:NETAVARK-HOSTPORT-MASQ - [0:0]
-A POSTROUTING -j NETAVARK-HOSTPORT-MASQ
COMMIT
"""


def test_podmans_chains_go_and_other_rules_stay() -> None:
    removals = [" ".join(words) for words in firewall.firewall_removals(SAVED, ["filter INPUT", "filter MINE"])]
    assert removals == [
        "-t filter -D FORWARD -m comment --comment netavark firewall plugin rules -j NETAVARK_FORWARD",
        "-t nat -D POSTROUTING -j NETAVARK-HOSTPORT-MASQ",
        "-t filter -F NETAVARK_FORWARD",
        "-t nat -F NETAVARK-HOSTPORT-MASQ",
        "-t filter -X NETAVARK_FORWARD",
        "-t nat -X NETAVARK-HOSTPORT-MASQ",
    ]


EMPTY = "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n"


@pytest.mark.parametrize(
    ("saved", "before", "empty"),
    [
        (EMPTY, [], ["filter", "nat"]),
        (EMPTY, ["filter INPUT"], ["nat"]),
        (SAVED, [], []),
        (EMPTY.replace("INPUT ACCEPT", "INPUT DROP"), [], ["nat"]),
        (EMPTY.replace("[0:0]\nCOMMIT", "[0:0]\n-A INPUT -j LOG\nCOMMIT", 1), [], ["nat"]),
    ],
)
def test_only_empty_tables_that_came_later_go(saved: str, before: list[str], empty: list[str]) -> None:
    assert firewall.empty_tables(saved, before) == empty


def test_chains_that_were_there_before_stay() -> None:
    before = sorted(firewall.declared_chains(SAVED))
    assert firewall.firewall_removals(SAVED, before) == []


JUMP = "-A FORWARD -j NETAVARK_ISOLATION_1\n"
# As netavark 1.4 leaves it when one of two isolated networks goes.
LOST = """*filter
:FORWARD ACCEPT [0:0]
:NETAVARK_FORWARD - [0:0]
:NETAVARK_ISOLATION_1 - [0:0]
:NETAVARK_ISOLATION_2 - [0:0]
-A FORWARD -m comment --comment "netavark firewall plugin rules" -j NETAVARK_FORWARD
-A NETAVARK_FORWARD -s 10.89.1.0/24 -j ACCEPT
-A NETAVARK_ISOLATION_1 -i podman2 ! -o podman2 -j NETAVARK_ISOLATION_2
-A NETAVARK_ISOLATION_2 -o podman2 -j DROP
COMMIT
"""


@pytest.mark.parametrize(
    ("saved", "commands"),
    [
        (LOST, ["-t filter -I FORWARD -j NETAVARK_ISOLATION_1"]),
        (LOST.replace("-A FORWARD -m", JUMP + "-A FORWARD -m"), []),
        ("\n".join(line for line in LOST.splitlines() if not line.startswith("-A NETAVARK_I")), []),
        ("", []),
    ],
)
def test_isolated_networks_that_are_left_stay_isolated(saved: str, commands: list[str]) -> None:
    assert [" ".join(arguments) for arguments in firewall.lost_isolation(saved)] == commands


# A room of two nodes, of which the first publishes its ports.
ROOM = """*filter
:FORWARD DROP [0:0]
:NETAVARK_FORWARD - [0:0]
-A FORWARD -m comment --comment "netavark firewall plugin rules" -j NETAVARK_FORWARD
-A NETAVARK_FORWARD -d 10.89.2.0/24 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A NETAVARK_FORWARD -s 10.89.2.0/24 -j ACCEPT
COMMIT
*nat
:NETAVARK-1D18767B3119A - [0:0]
:NETAVARK-DN-1D18767B3119A - [0:0]
:NETAVARK-HOSTPORT-DNAT - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j NETAVARK-HOSTPORT-DNAT
-A POSTROUTING -s 10.89.2.0/24 -j NETAVARK-1D18767B3119A
-A NETAVARK-1D18767B3119A -d 10.89.2.0/24 -j ACCEPT
-A NETAVARK-1D18767B3119A ! -d 224.0.0.0/4 -j MASQUERADE
-A NETAVARK-DN-1D18767B3119A -d 127.0.0.1/32 -p tcp -m tcp --dport 32600 -j DNAT --to-destination 10.89.2.10:32600
-A NETAVARK-HOSTPORT-DNAT -d 127.0.0.1/32 -p tcp -m comment --comment "dnat" -j NETAVARK-DN-1D18767B3119A
COMMIT
"""


def without(words: str) -> str:
    return "\n".join(line for line in ROOM.splitlines() if words not in line)


SPARED, MASQUERADED = (line for line in ROOM.splitlines() if line.startswith("-A NETAVARK-1D18767B3119A"))
# As Podman leaves it when the first of the two was missing.
OTHER_WAY_ROUND = without(SPARED).replace(MASQUERADED, f"{MASQUERADED}\n{SPARED}")
EMPTIED = [["-t", "nat", "-F", "NETAVARK-1D18767B3119A"]]


@pytest.mark.parametrize(
    ("saved", "emptied"),
    [
        (ROOM, []),
        ("", []),
        (without("-A POSTROUTING"), []),
        (ROOM.replace("10.89.2.0/24", "10.89.3.0/24"), []),
        (OTHER_WAY_ROUND, EMPTIED),
        (without(SPARED), EMPTIED),
        (without(MASQUERADED), EMPTIED),
    ],
)
def test_nodes_see_each_other_with_their_own_addresses(saved: str, emptied: list[list[str]]) -> None:
    assert firewall.wrong_ways_out(saved, "10.89.2.0/24") == emptied


@pytest.mark.parametrize(
    ("saved", "control_plane", "worker"),
    [
        (ROOM, True, True),
        ("", False, False),
        (without("DNAT --to"), False, True),
        (without("-j NETAVARK-DN"), False, True),
        (without("-A POSTROUTING"), False, False),
        (without("-A FORWARD"), False, False),
        (without("-A NETAVARK_FORWARD -s"), False, False),
        (without("-A NETAVARK-1D18767B3119A -d"), False, False),
        (without("MASQUERADE"), False, False),
        (without("-A NETAVARK-1D18767B3119A"), False, False),
        (OTHER_WAY_ROUND, False, False),
    ],
)
def test_rules_that_a_reloaded_firewall_took_away_are_missed(saved: str, control_plane: bool, worker: bool) -> None:
    assert firewall.has_rules(saved, "10.89.2.10", "10.89.2.0/24", publishes=True) == control_plane
    assert firewall.has_rules(saved, "10.89.2.11", "10.89.2.0/24", publishes=False) == worker


def test_a_rooms_own_rules_are_appended_once_and_go_with_it() -> None:
    wanted = firewall.allowances(ROOM, "blue", "podman3")
    assert [" ".join(arguments) for arguments in wanted] == [
        "-t filter -A FORWARD -i podman3 -o podman3 -m comment --comment istio-workshop room blue -j ACCEPT",
        "-t filter -A FORWARD -o podman3 -m conntrack --ctstate DNAT -m comment --comment istio-workshop room blue "
        "-j ACCEPT",
    ]
    written = [shlex.join(arguments[2:]).replace("'", '"') for arguments in wanted]
    saved = ROOM.replace("COMMIT", "\n".join([*written, "COMMIT"]), 1)
    assert firewall.allowances(saved, "blue", "podman3") == []
    assert firewall.allowance_removals(saved, "green") == []
    assert [arguments[:4] for arguments in firewall.allowance_removals(saved, "blue")] == [
        ["-t", "filter", "-D", "FORWARD"]
    ] * 2
