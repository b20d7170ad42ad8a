# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a user may set, judged before anything is changed: one sentence for each mistake.

A sentence says what was given, what is allowed and what to type.
"""

from __future__ import annotations

import ipaddress
import itertools
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.container_images import PREFIX
from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.podman_room import ROOM_NAME
from ansible_collections.istio_games.workshop.plugins.plugin_utils.paths import expanded, is_file
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import certificates, origins
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.rooms import Purpose

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
HOST = re.compile(rf"{LABEL.pattern}(\.{LABEL.pattern})*", re.IGNORECASE)
DIRECTORY = re.compile(r"/[\w.+-]+(/[\w.+-]+)+/?", re.ASCII)
MIRROR = re.compile(r"(https?://[^\s\[\],/@]+|file://)/[^\s\[\],]*", re.ASCII)
# What means students where they are named (places.py).
OF_STUDENTS = re.compile("student-[0-9]+|all|expired", re.ASCII)
# Namespaces that belong to the cluster or to other parts of the workshop.
TAKEN_NAMESPACES = {
    *(
        "build",
        "default",
        "dockercoins",
        "istio-system",
        "kube-node-lease",
        "kube-public",
        "kube-system",
        "local-path-storage",
        "registry",
        "workshop-door",
    )
}
# What the workshop runs besides its own images, and the programs that it calls, of which an existing cluster has none.
IMAGES = {"busybox", "ferretdb", "install-cni", "kaniko", "pilot", "proxyv2", "python", "redis", "registry"}
# Those of them that Istio is installed from.
MESH_IMAGES = {"install-cni", "pilot", "proxyv2"}
# Proxies whose name says what they are: the bundle's is Envoy's plain release, Istio's own has more filters.
KNOWN_PROXY = re.compile(rf"{re.escape(PREFIX)}/|(.*/)?istio(-release|-testing)?/proxyv2[:@]")
TOOLS = ("istioctl", "kubectl")
SUBNETS = ("workshop_pod_subnet", "workshop_service_subnet")
# Files that are read only where something is made of them: one that a room remembers may be gone or expired by now, and
# that is no matter of a stage or a teardown.
MADE_OF = {"registry_config_file", "workshop_ca_bundle", "workshop_door_certificate", "workshop_door_key"}

# The least and the most of settings that are whole numbers, their unit, and an example.
WHOLE: dict[str, tuple[int, int, str, str]] = {
    "workshop_student_hours": (1, 720, "hours", "24"),
    "workshop_students_at_once": (1, 10, "places at a time", "3"),
    "workshop_max_pods": (20, 250, "pods a node", "250"),
    "workshop_pod_threads": (256, 16384, "threads a pod", "512"),
}

# What is allowed when a value is bad, None when it is good.
Check = Callable[[Any], str | None]


def problems(settings: Mapping[str, Any], apps: Collection[str], purpose: Purpose = "make") -> list[str]:
    """Give a sentence for each bad value among the `workshop_*` settings.

    Args:
        settings: values by variable name; one that is missing is not judged. `workshop_node_ports` holds those of the
            NodePorts by variable name.
        apps: the names that `workshop_app` may have.
        purpose: what is done with the room; files that it takes no part of are not judged.
    """
    if purpose in ("use", "remove"):
        settings = {name: value for name, value in settings.items() if name not in MADE_OF}
    node_ports = settings.get("workshop_node_ports", {})
    settings = {**settings, **node_ports}
    # By variable: its check, and an example to type.
    checks: dict[str, tuple[Check, str]] = {
        "workshop_name": (_room_name, "blue"),
        "workshop_supply": (lambda value: _one_of(value, origins.SUPPLIES), "auto"),
        "workshop_cache_dir": (_directory, "/var/tmp/workshop-cache"),
        "workshop_debian_mirror": (_mirrors, "https://mirror.example/debian,https://mirror.example/debian-security"),
        "workshop_state_dir": (_directory, "/var/tmp/workshop-state"),
        "workshop_kubeconfig": (_kubeconfig, "$HOME/.kube/config"),
        "workshop_listen_address": (_address, "127.0.0.1"),
        "workshop_node_address": (lambda value: _node_address(value, settings), "192.0.2.10"),
        "workshop_pod_subnet": (_subnet, "10.244.0.0/16"),
        "workshop_service_subnet": (_subnet, "10.96.0.0/16"),
        "workshop_api_port": (lambda value: _port(value, 1, 65535, "a free TCP port"), "6443"),
        **dict.fromkeys(node_ports, (lambda value: _port(value, 30000, 32767, "a NodePort"), "30123")),
        "workshop_app": (lambda value: _one_of(value, sorted(apps)), "alephbeth"),
        "workshop_namespace": (_namespace, "staging"),
        "workshop_load_rate": (_rate, "5"),
        "workshop_for_tests": (lambda value: _one_of(str(value).lower(), ["true", "false"]), "true"),
        "workshop_door_host": (lambda value: _door_host(value, settings), "door.example.org"),
        **{name: (partial(whole, name), bounds[-1]) for name, bounds in WHOLE.items()},
        "workshop_ca_bundle": (_ca_bundle, "/etc/ssl/certs/ca-certificates.crt"),
        "registry_config_file": (_registry_config, "/etc/docker-registry.yml"),
    }
    found = [
        f"{name} is {_shown(settings[name])}, but must be {allowed}: for example -e {name}={example}."
        for name, (check, example) in checks.items()
        if name in settings and (allowed := check(settings[name]))
    ]
    return found or [
        *origins.contradictions(settings),
        *_same_ports(settings),
        *_overlapping_subnets(settings),
        *_existing_cluster(settings),
        *_door(settings),
    ]


def _ports(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Give the ports of a room by variable name: the API server's, and the NodePorts."""
    api = {name: settings[name] for name in ("workshop_api_port",) if name in settings}
    return {**api, **settings.get("workshop_node_ports", {})}


def _shown(value: Any) -> str:
    text = repr(str(value)) if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _room_name(value: Any) -> str | None:
    if isinstance(value, str) and ROOM_NAME.fullmatch(value):
        return None
    allowed = "1 to 20 lower-case letters, digits and hyphens that begin and end with a letter or digit"
    return allowed if isinstance(value, str) else f"text (in a file in quotes): {allowed}"


def _one_of(value: Any, allowed: list[str]) -> str | None:
    return None if value in allowed else f"one of: {', '.join(allowed)}"


def _directory(value: Any) -> str | None:
    if isinstance(value, str) and DIRECTORY.fullmatch(value) and ".." not in value:
        return None
    return "the absolute path of a directory, two or more levels deep, of letters, digits and . _ + - alone"


def _mirrors(value: Any) -> str | None:
    if isinstance(value, str) and (value == "" or all(MIRROR.fullmatch(url) for url in value.split(","))):
        return None
    return (
        "URLs of Debian mirrors (http, https or file; a password belongs into /etc/apt/auth.conf.d) with commas "
        "between, or empty for this machine's own apt sources"
    )


def _subnet(value: Any) -> str | None:
    try:
        network = ipaddress.IPv4Network(value if isinstance(value, str) else "")
    except ValueError:
        network = None
    if network and 8 <= network.prefixlen <= 22:
        return None
    return "an IPv4 network with a prefix from /8 to /22"


def _kubeconfig(value: Any) -> str | None:
    if value == "" or (isinstance(value, str) and is_file(expanded(value))):
        return None
    return "a kubeconfig file that exists, or empty to make a cluster of its own"


def _ca_bundle(value: Any) -> str | None:
    if value == "":
        return None
    try:
        if b"-----BEGIN CERTIFICATE-----" in expanded(str(value)).read_bytes():
            return None
    except (OSError, ValueError):
        pass
    return "a file of CA certificates in PEM form, or empty for this machine's own trust store"


def _registry_config(value: Any) -> str | None:
    if value == "":
        return None
    try:
        config = yaml.safe_load(Path(str(value)).read_text())
        if str(config["http"]["addr"]).endswith(":5000"):
            return None
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
        pass
    return "the absolute path of a configuration file for registry:2 (YAML) whose http.addr is :5000, or empty"


def _address(value: Any) -> str | None:
    try:
        ipaddress.IPv4Address(value if isinstance(value, str) else "")
    except ValueError:
        return "an IPv4 address of this machine (0.0.0.0 means all)"
    return None


def _node_address(value: Any, settings: Mapping[str, Any]) -> str | None:
    if _is_host(value):
        return None
    if settings.get("workshop_kubeconfig"):
        return "the IPv4 address (or name) of a node of the cluster that workshop_kubeconfig names"
    return "the IPv4 address (or name) of a node as this machine reaches it"


def _is_host(value: Any) -> bool:
    """Tell whether a value is a host's name, or an IPv4 address as those are written."""
    if not isinstance(value, str) or len(value) > 253 or not HOST.fullmatch(value):
        return False
    return not re.fullmatch("[0-9.]+", value) or _address(value) is None


def _host(value: Any) -> str | None:
    if _is_host(value):
        return None
    return "the one host name or IPv4 address that people type into their browsers, without https:// and port"


def _door_host(value: Any, settings: Mapping[str, Any]) -> str | None:
    """Judge it, but where it is the node's address by default: that one is judged by itself."""
    if "workshop_node_address" in settings and value == settings["workshop_node_address"] and not _is_host(value):
        return None
    return _host(value)


def _port(value: Any, low: int, high: int, kind: str) -> str | None:
    number = _integer(value)
    if number is not None and low <= number <= high:
        return None
    return f"a whole number from {low} to {high} ({kind})"


def whole(setting: str, value: Any) -> str | None:
    """Say what is allowed when a value is none of WHOLE; None when it is good."""
    low, high, unit, _ = WHOLE[setting]
    number = _integer(value)
    return None if number is not None and low <= number <= high else f"a whole number from {low} to {high} ({unit})"


def _rate(value: Any) -> str | None:
    number = _integer(value)
    return None if number is not None and number <= 500 else "a whole number from 0 to 500 (requests a second)"


def _integer(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    text = str(value)
    return int(text) if re.fullmatch(r"0|[1-9][0-9]{0,8}", text) else None


def _namespace(value: Any) -> str | None:
    if not isinstance(value, str) or not LABEL.fullmatch(value):
        return "1 to 63 lower-case letters, digits and hyphens that begin and end with a letter or digit"
    if value in TAKEN_NAMESPACES:
        return f"the application's alone ({', '.join(sorted(TAKEN_NAMESPACES))} have other uses)"
    if OF_STUDENTS.fullmatch(value):
        return "a name that means no student (such as student-07, all and expired)"
    return None


def _same_ports(settings: Mapping[str, Any]) -> list[str]:
    seen: dict[int, str] = {}
    found = []
    for name, port in _ports(settings).items():
        number = _integer(port)
        if number is None or (name == "workshop_api_port" and settings.get("workshop_kubeconfig")):
            continue
        if number in seen:
            found.append(
                f"{seen[number]} and {name} are both {number}, but must differ: choose another port with -e {name}=..."
            )
        seen.setdefault(number, name)
    return found


def _door(settings: Mapping[str, Any]) -> list[str]:
    names = ("workshop_door_certificate", "workshop_door_key", "workshop_door_host")
    certificate, key, host = (str(settings.get(name) or "") for name in names)
    sentence = certificates.fault(certificate, key, host)
    return [sentence] if sentence else []


def _existing_cluster(settings: Mapping[str, Any]) -> Iterable[str]:
    if not settings.get("workshop_kubeconfig"):
        return
    uses_existing = str(settings.get("mesh_use_existing", "")).lower() in {"true", "yes", "1"}
    images = settings.get("workshop_images", dict.fromkeys(IMAGES, ""))
    lacking = sorted(IMAGES - set(images) - (MESH_IMAGES if uses_existing else set()))
    if lacking:
        yield (
            f"workshop_images has no {', '.join(lacking)}, but with workshop_kubeconfig must name every image as that "
            "cluster pulls it: give it in a file with -e @existing.yml (docs/nodes.md)."
        )
    proxy = str(images.get("proxyv2", ""))
    if proxy and not uses_existing and settings.get("mesh_plain_envoy") == "" and not KNOWN_PROXY.match(proxy):
        yield (
            f"workshop_images.proxyv2 is {_shown(proxy)}, whose name does not say what it is: it needs -e "
            "mesh_plain_envoy=true for Envoy's plain release (as in the bundle), or -e mesh_plain_envoy=false for "
            "Istio's own build."
        )
    directory = settings.get("mesh_bin_dir")
    missing = [name for name in TOOLS if directory and not os.access(Path(directory) / name, os.X_OK)]
    if missing:
        yield (
            f"mesh_bin_dir is {_shown(directory)}, where {' and '.join(missing)} cannot be run, but with "
            "workshop_kubeconfig must be a directory with istioctl and kubectl: for example "
            "-e mesh_bin_dir=/usr/local/bin."
        )


def _overlapping_subnets(settings: Mapping[str, Any]) -> list[str]:
    values = [(name, settings.get(name)) for name in SUBNETS]
    networks = [(name, ipaddress.IPv4Network(value)) for name, value in values if value]
    return [
        f"{one} ({first}) and {other} ({second}) overlap, but must not: choose another network with -e {other}=..."
        for (one, first), (other, second) in itertools.combinations(networks, 2)
        if first.overlaps(second)
    ]
