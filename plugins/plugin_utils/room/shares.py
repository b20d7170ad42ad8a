# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one place of a class may have of the nodes: requests of CPU, which limit a class first."""

from __future__ import annotations

import math

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError

# A place's pods (front, aleph, beth, load, mongo), each with a proxy and a container that prepares the proxy's network.
PODS = 5
# What one of them asks for where there is plenty, in thousandths of a core: the application, and its proxy, twice (once
# for what prepares it).
CONTAINER, PROXY, PROXIES = 20, 10, 2
# What the cluster's own pods, Istio, the registry and the room's own application ask for.
TAKEN = 1000
# Left for what comes and goes: versions side by side during a stage, pods that are being replaced.
USED = 0.8
RATE = 5
# Requests a second of all load clients to all backends (two each), and readiness probes a second, for a core to bear.
REQUESTS_A_CORE, BACKENDS = 50, 2
PROBES_A_CORE = 15
LEAST_PROBE_SECONDS, MOST_PROBE_SECONDS = 2, 10


class ShareError(WorkshopError, ValueError):
    """So many students do not fit. The message is one sentence for people."""


def class_shares(students: int, cores: int, rate: int = RATE, taken: int = TAKEN) -> dict[str, int | str]:
    """Give what each student's place asks for, and how busy it is by itself.

    Args:
        students: how many there are, 1 or more.
        cores: of all nodes together.
        rate: requests a second of the load client to each backend where there is plenty (0: none at all).
        taken: thousandths of a core that everything else asks for.

    Returns:
        `cpu` and `proxy_cpu`, a container's and its proxy's requests as Kubernetes writes them; `load_rate`, requests a
        second to each backend; `probe_seconds`, between two readiness probes.

    Raises:
        ShareError: not even the least requests fit.

    >>> class_shares(1, 2)
    {'cpu': '20m', 'proxy_cpu': '10m', 'load_rate': 5, 'probe_seconds': 2}
    >>> class_shares(30, 2)
    {'cpu': '3m', 'proxy_cpu': '1m', 'load_rate': 1, 'probe_seconds': 5}
    """
    if students < 1 or cores < 1:
        raise ShareError(f"{students} students on {cores} cores are no class: both must be 1 or more.")
    free = max(0, cores * 1000 - taken) * USED
    share = math.floor(free / (students * PODS))
    if share < 1 + PROXIES:
        most = math.floor(free / (PODS * (1 + PROXIES)))
        raise ShareError(
            f"{students} students do not fit on {cores} cores, of which {taken} thousandths of a core are taken: "
            f"at most {most} do."
        )
    # The application has as much as its proxy twice.
    proxy = min(PROXY, max(1, share // (2 * PROXIES)))
    return {
        "cpu": f"{min(CONTAINER, share - PROXIES * proxy)}m",
        "proxy_cpu": f"{proxy}m",
        "load_rate": min(rate, max(1, cores * REQUESTS_A_CORE // (students * BACKENDS))),
        "probe_seconds": min(
            MOST_PROBE_SECONDS, max(LEAST_PROBE_SECONDS, math.ceil(students * PODS / (cores * PROBES_A_CORE)))
        ),
    }
