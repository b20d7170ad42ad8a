# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Deletes a table of the kernel's packet filter.

iptables makes tables and cannot delete them; nft can, but Podman does not need it, so that it is often missing.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct

FAMILIES = {"iptables": socket.AF_INET, "ip6tables": socket.AF_INET6}
NETLINK_NETFILTER = 12
SUBSYSTEM_NFTABLES = 10
BATCH_BEGIN, BATCH_END = 0x10, 0x11
DELETE_TABLE = SUBSYSTEM_NFTABLES << 8 | 2
REQUEST, ACKNOWLEDGE = 1, 4
TABLE_NAME = 1
ERROR = 2


def _message(kind: int, flags: int, sequence: int, family: int, resource: int, attributes: bytes = b"") -> bytes:
    body = struct.pack("!BBH", family, 0, resource) + attributes
    return struct.pack("=IHHII", 16 + len(body), kind, flags, sequence, 0) + body


def _attribute(kind: int, text: str) -> bytes:
    value = text.encode() + b"\0"
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def request(family: int, table: str) -> bytes:
    """The batch of messages that deletes `table`."""
    return (
        _message(BATCH_BEGIN, REQUEST, 1, socket.AF_UNSPEC, SUBSYSTEM_NFTABLES)
        + _message(DELETE_TABLE, REQUEST | ACKNOWLEDGE, 2, family, 0, _attribute(TABLE_NAME, table))
        + _message(BATCH_END, REQUEST, 3, socket.AF_UNSPEC, SUBSYSTEM_NFTABLES)
    )


def delete_table(command: str, table: str) -> None:
    """Delete `table` of the family that `command` (iptables, ip6tables) works on; one that is not there is no error."""
    with contextlib.closing(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)) as netlink:
        netlink.settimeout(5)
        netlink.bind((0, 0))
        netlink.send(request(FAMILIES[command], table))
        answer = netlink.recv(8192)
    kind = struct.unpack_from("=H", answer, 4)[0]
    code = -struct.unpack_from("=i", answer, 16)[0] if kind == ERROR else 0
    if code not in (0, errno.ENOENT):  # iptables-legacy has its tables elsewhere
        raise OSError(code, f"the table {table} of {command}: {os.strerror(code)}")
