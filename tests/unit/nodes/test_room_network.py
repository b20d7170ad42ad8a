"""A room's packets are let through again, whatever a firewall has left of Podman's rules."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.module_utils.nodes import firewall, room_network

SUBNET = "10.89.2.0/24"
CHAIN = "NETAVARK-1D18767B3119A"
JUMP, SPARED, MASQUERADED = (
    f"-A POSTROUTING -s {SUBNET} -j {CHAIN}",
    f"-A {CHAIN} -d {SUBNET} -j ACCEPT",
    f"-A {CHAIN} ! -d 224.0.0.0/4 -j MASQUERADE",
)
WHOLE = [JUMP, SPARED, MASQUERADED]


class Machine:
    """A packet filter with the rules of one worker's network, and a Podman that appends what is missing to it."""

    def __init__(self, left: list[str]) -> None:
        self.nat = list(left)
        self.ran: list[str] = []

    def saved(self, command: str) -> str:
        forwarded = ["-A FORWARD -j NETAVARK_FORWARD", f"-A NETAVARK_FORWARD -s {SUBNET} -j ACCEPT"]
        own = [" ".join(["-A", *rule[3:]]) for rule in firewall.allowances("", "blue", "podman3")]
        quoted = [line.replace("istio-workshop room blue", '"istio-workshop room blue"') for line in own]
        return "\n".join(["*filter", *forwarded, *quoted, "*nat", *self.nat])

    def run(self, *command: str) -> None:
        self.ran.append(" ".join(command))
        if command[0] == "iptables":
            self.nat = [rule for rule in self.nat if not rule.startswith(f"-A {CHAIN} ")]
        else:
            self.nat += [rule for rule in WHOLE if rule not in self.nat]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Machine:
    made = Machine(request.param)
    network = {"network_interface": "podman3", "subnets": [{"subnet": SUBNET}]}
    settings = {"Networks": {"blue": {"IPAddress": "10.89.2.11"}}, "Ports": {}}

    def inspected(*command: str) -> list[dict[str, Any]]:
        return [network] if command[1] == "network" else [{"NetworkSettings": settings}]

    monkeypatch.setattr(room_network, "strict_json_output", inspected)
    monkeypatch.setattr(room_network, "podman_strictly", lambda *_: [{"Names": ["blue-worker-1"]}])
    monkeypatch.setattr(room_network, "run", made.run)
    monkeypatch.setattr(firewall, "saved_firewall", made.saved)
    monkeypatch.setattr(firewall, "netavark_table", lambda: "")
    return made


@pytest.mark.parametrize(
    "machine",
    [[], [JUMP], [MASQUERADED], [SPARED], [JUMP, MASQUERADED], [JUMP, SPARED], [MASQUERADED, SPARED], WHOLE[1:]],
    indirect=True,
)
def test_whatever_is_left_one_run_puts_all_of_it_back(machine: Machine) -> None:
    assert room_network.mend("blue", "blue", dry_run=True)
    assert machine.ran == []
    assert room_network.mend("blue", "blue", dry_run=False) == machine.ran
    assert [rule for rule in machine.nat if rule != JUMP] == WHOLE[1:]
    assert JUMP in machine.nat
    assert room_network.mend("blue", "blue", dry_run=False) == []


@pytest.mark.parametrize("machine", [WHOLE], indirect=True)
def test_a_whole_one_is_left_alone(machine: Machine) -> None:
    assert room_network.mend("blue", "blue", dry_run=False) == []
    assert machine.ran == []
