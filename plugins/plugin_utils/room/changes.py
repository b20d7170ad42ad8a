# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a playbook was given, beside what its room remembers: what differs, what of that is refused, what is kept."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.paths import expanded
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.rooms import Purpose, Record

# A cluster is made with these once and for all.
FIXED = ("workshop_state_dir", "workshop_kubeconfig", "workshop_pod_subnet", "workshop_service_subnet")
# The node that is up publishes its NodePorts and these: `make up` makes it anew.
PUBLISHED = ("workshop_api_port", "workshop_listen_address")
# Which room, which of its applications, what Ansible finds out by itself, and where the bundle was taken from: that may
# be gone or older next time, and does not matter to a room that has it.
NOT_REMEMBERED = {
    *("workshop_name", "workshop_app", "workshop_own_nodes", "workshop_container_nodes", "workshop_cni_conf_dir"),
    *("workshop_cluster_kubeconfig", "workshop_node_ports"),
    *("bundle_update_lock", "bundle_keep_go_caches", "bundle_prune"),
    *("workshop_supply", "workshop_kit", "workshop_kit_key", "workshop_kit_login", "workshop_kit_ca"),
}
# What these roles take belongs to one application or one run.
PASSING_ROLES = ("app", "preflight", "teardown", "traffic")
PATHS = ("workshop_kubeconfig", "workshop_ca_bundle", "workshop_door_certificate", "workshop_door_key")
INVENTORY = "inventory"
FOR_TESTS = "workshop_for_tests"
_NOTHING = object()
SECRET_NAME = re.compile(r"password|passwd|secret|token", re.IGNORECASE)
# A password, or a token in the place of a user's name.
CREDENTIALS_IN_URL = re.compile(r"://[^/@\s]+@")


@dataclass(frozen=True)
class Change:
    """A setting that is another one than before."""

    name: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.name} {_shown(self.old)} -> {_shown(self.new)}"


def remembered_names(settings: Collection[str], options: Collection[str]) -> set[str]:
    """Name what a room remembers: its settings, and what the roles that make it take besides."""
    passing = tuple(f"{role}_" for role in PASSING_ROLES)
    return {name for name in (*settings, *options) if name not in NOT_REMEMBERED and not name.startswith(passing)}


def to_remember(
    given: Mapping[str, Any], names: Collection[str], paths: Collection[str] = ()
) -> tuple[dict[str, Any], list[str]]:
    """Give what of the given variables a room is to remember, and the names of those that hold a secret.

    A path (PATHS, and `paths`) is made absolute: the next command may be typed in another directory.
    """
    kept: dict[str, Any] = {}
    secret = []
    for name in sorted(set(names) & given.keys()):
        value = given[name]
        if _holds_secret(name, value):
            secret.append(name)
        else:
            kept[name] = _absolute(value) if name in (*PATHS, *paths) else value
    return kept, secret


def _holds_secret(name: str, value: Any) -> bool:
    """Tell whether a variable is a secret by its name, or a part of its value is."""
    if SECRET_NAME.search(name):
        return True
    if isinstance(value, Mapping):
        return any(_holds_secret(str(key), item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return any(_holds_secret("", item) for item in value)
    return bool(CREDENTIALS_IN_URL.search(str(value)))


def _absolute(path: Any) -> Any:
    return str(expanded(path).absolute()) if isinstance(path, str) and path and "{{" not in path else path


def kept(record: Record, inventory: Mapping[str, Any]) -> dict[str, Any]:
    """Give what was given against the inventory, as far as that still says what it said then."""
    return {
        name: value
        for name, value in record.settings.items()
        if name in inventory and name in record.overridden and same(record.overridden[name], inventory[name])
    }


def changes(
    given: Mapping[str, Any],
    record: Record,
    defaults: Mapping[str, Any],
    inventory: Mapping[str, Any] | None = None,
) -> list[Change]:
    """Give the settings that differ from what the room has had until now.

    What the inventory says counts where nothing was given against it, or where it says something else since.
    """
    own = inventory or {}
    before = {**defaults, **own, **record.settings}
    now = {**{name: value for name, value in own.items() if name in record.settings}, **kept(record, own), **given}
    return [
        Change(name, before.get(name), value)
        for name, value in now.items()
        if not same(value, before.get(name)) and not (name not in before and value in ("", None))
    ]


def moved(before: tuple[str, ...], now: tuple[str, ...]) -> list[Change]:
    """Give the change of a room's inventory, if it is one (and not a file that was put somewhere else)."""
    gone = any("," not in source and not Path(source).exists() for source in before)
    own = "the collection's own"
    return [] if now == before or gone else [Change(INVENTORY, ",".join(before) or own, ",".join(now) or own)]


def same(one: Any, other: Any) -> bool:
    """Whether two values mean the same: -e NAME=VALUE gives text for numbers.

    >>> same("30080", 30080)
    True
    """
    if isinstance(one, (Mapping, list)) or isinstance(other, (Mapping, list)):
        return bool(one == other)
    return str(one) == str(other)


def refusals(
    found: Iterable[Change], purpose: Purpose, room: str, node_ports: Collection[str] = (), begun: bool = True
) -> list[str]:
    """Give a sentence for each change that this playbook cannot make, or that would make it look for another room.

    Args:
        found: the changes.
        purpose: what the playbook does with the room.
        room: its name.
        node_ports: the settings that are NodePorts.
        begun: whether there is more of the room than its bundle.
    """
    sentences = []
    for change in found:
        said = f"{change.name} is {_shown(change.new)}, but the room {room} has {_shown(change.old)}"
        again = f'-e workshop_name={room} -e {change.name}={change.new}"'
        if change.name == INVENTORY:
            if purpose == "remove":
                sentences.append(
                    f"The room {room} was made with the inventory {change.old}, not with {change.new}: leave -i out, "
                    "so that all of its nodes are taken down."
                )
        elif change.name in FIXED and begun:
            sentences.append(
                f"{said} and keeps it for as long as it is up: leave it out, or type "
                f'`make down ARGS="-e workshop_name={room}"` and then `make up ARGS="{again}`.'
            )
        elif change.name in (*PUBLISHED, *node_ports) and purpose != "make":
            sentences.append(f'{said}: leave it out, or change the room first with `make up ARGS="{again}`.')
    return sentences


def updated(
    record: Record,
    given: Mapping[str, Any],
    defaults: Mapping[str, Any],
    sources: tuple[str, ...] | None,
    inventory: Mapping[str, Any] | None = None,
    begun: bool = True,
) -> Record:
    """Give what a room remembers from now on: what differs from the defaults, or from the inventory.

    Args:
        record: what it has remembered until now.
        given: what it is to remember now.
        defaults: the settings' defaults, as they are written.
        sources: the inventory's sources, None for those of before.
        inventory: the settings in the inventory.
        begun: whether more of the room than its bundle is made now, or was before.
    """
    own = inventory or {}
    # Where the inventory has come to say something else, that counts from now on.
    before = {name: value for name, value in record.settings.items() if name not in own} | kept(record, own)
    settings = {
        name: value
        for name, value in {**before, **given}.items()
        if not same(value, own.get(name, defaults.get(name, _NOTHING)))
    }
    overridden = {name: own[name] for name in settings if name in own}
    for_tests = str({**defaults, **own, **settings}.get(FOR_TESTS)).lower() == "true"
    return Record(settings, record.inventory if sources is None else sources, overridden, for_tests, begun)


def _shown(value: Any) -> str:
    text = "nothing" if value in ("", None) else "the default" if "{{" in str(value) else str(value)
    return text if len(text) <= 120 else text[:117] + "..."
