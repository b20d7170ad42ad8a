# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A room's shape: its nodes' addresses, and the kubeconfig that people use."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

# The control plane's place in the room's network; worker-N has the N-th address after it.
FIRST_HOST = 10
WORKER = re.compile(r"(?:.*\D)?(\d+)$")


def node_addresses(subnet: str, control_plane: Sequence[str], workers: Sequence[str]) -> dict[str, str]:
    """Fixed addresses by node: they depend on a node's name alone, so that a further worker moves nobody.

    >>> node_addresses("10.89.0.0/24", ["control-plane"], ["worker-1"])
    {'control-plane': '10.89.0.10', 'worker-1': '10.89.0.11'}
    """
    if len(control_plane) != 1:
        raise ValueError(f"The group control_plane must hold exactly one node, it holds {len(control_plane)}.")
    network = ipaddress.ip_network(subnet)
    addresses = {control_plane[0]: network[FIRST_HOST]}
    for worker in workers:
        match = WORKER.match(worker)
        number = int(match[1]) if match else 0
        if number < 1 or FIRST_HOST + number >= network.num_addresses - 1:
            highest = network.num_addresses - 2 - FIRST_HOST
            raise ValueError(f"The worker {worker!r} must end in a number from 1 to {highest}, like worker-1.")
        address = network[FIRST_HOST + number]
        for other, taken in addresses.items():
            if taken == address:
                raise ValueError(
                    f"The workers {other!r} and {worker!r} end in the same number: give one of them another."
                )
        addresses[worker] = address
    return {name: str(address) for name, address in addresses.items()}


def node_problems(control_plane: Sequence[str], workers: Sequence[str]) -> list[str]:
    """A sentence if these cannot be a room's nodes; none if they can.

    >>> node_problems(["control-plane"], ["worker"])
    ["The worker 'worker' must end in a number from 1 to 244, like worker-1."]
    """
    try:
        node_addresses("192.0.2.0/24", control_plane, workers)  # of the size of Podman's networks
    except ValueError as error:
        return [str(error)]
    return []


def content_digest(paths: Iterable[str], values: Sequence[Any] = ()) -> str:
    """A short digest of files, of all files below directories, and of values."""
    digest = hashlib.sha256(json.dumps(list(values), sort_keys=True, default=str).encode())
    for path in paths:
        root = Path(path)
        files = sorted(item for item in root.rglob("*") if item.is_file()) if root.is_dir() else [root]
        for file in files:
            digest.update(str(file.relative_to(root)).encode() + b"\0")
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def room_kubeconfig(admin: Mapping[str, Any], room: str, server: str) -> dict[str, Any]:
    """The kubeconfig that kubeadm wrote, with a room's names and this machine's URL (empty: the one in it)."""
    cluster = dict(admin["clusters"][0]["cluster"])
    if server:
        cluster["server"] = server
        # The certificate has the address that the room had at first, and this name in any case.
        cluster["tls-server-name"] = "localhost"
    user = admin["users"][0]["user"]
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": room,
        "clusters": [{"name": room, "cluster": cluster}],
        "users": [{"name": room, "user": user}],
        "contexts": [{"name": room, "context": {"cluster": room, "user": room}}],
    }


def join_ticket(command: str, cluster_info: str) -> dict[str, str]:
    """What a worker needs to join: endpoint, token and hash of the CA.

    Args:
        command: what `kubeadm token create --print-join-command` prints. Its endpoint is the caller's own.
        cluster_info: the kubeconfig in the ConfigMap `cluster-info`. Its endpoint is the control plane's.
    """
    token = re.search(r"--token (\S+)\s+--discovery-token-ca-cert-hash (\S+)", command)
    endpoint = re.search(r"server: https://(\S+)", cluster_info)
    if not token or not endpoint:
        raise ValueError("kubeadm printed no join command, or the cluster has no public description.")
    return {"endpoint": endpoint[1], "token": token[1], "ca_hash": token[2]}


def published_ports(address: str, api_port: int | str, node_ports: Iterable[int | str]) -> list[str]:
    """What the control plane publishes, as Podman writes it: a NodePort is the same number inside.

    >>> published_ports("127.0.0.1", 7443, [32000])
    ['127.0.0.1:7443:6443/tcp', '127.0.0.1:32000:32000/tcp']
    """
    pairs = [(api_port, 6443), *((port, port) for port in node_ports)]
    return [f"{address}:{outside}:{inside}/tcp" for outside, inside in pairs]


def kubeconfig_address(listen_address: str) -> str:
    """Where a client on this machine finds a port that is published on `listen_address`."""
    return "127.0.0.1" if listen_address == "0.0.0.0" else listen_address
