"""What Podman's network plugin leaves in the packet filter is told from what is others'."""

from __future__ import annotations

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
