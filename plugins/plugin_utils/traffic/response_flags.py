# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a request failed, as the caller's proxy saw it: the response flags of Envoy's access log.

https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage (RESPONSE_FLAGS)
"""

from __future__ import annotations

import json
from collections.abc import Collection

MEANINGS = {
    "DC": "the caller closed the connection",
    "DF": "the endpoint's name could not be resolved",
    "DPE": "the caller broke the HTTP protocol",
    "DT": "the request or its connection took too long",
    "FI": "a fault was injected",
    "LR": "the connection was reset on this side",
    "NC": "the route leads to a cluster that is not there",
    "NFCF": "a filter's configuration did not arrive in time",
    "NR": "no route matches",
    "OM": "the proxy is overloaded",
    "SI": "nothing was sent for too long",
    "UC": "the connection to the endpoint ended early",
    "UF": "the endpoint could not be connected to",
    "UH": "the subset has no healthy endpoint",
    "UMSDR": "the endpoint took too long in all",
    "UO": "too many requests or connections at once",
    "UPE": "the endpoint broke the HTTP protocol",
    "UR": "the endpoint reset the connection",
    "URX": "every retry failed",
    "UT": "the endpoint did not answer in time",
}


def explanations(log: str, request_ids: Collection[str]) -> dict[str, str]:
    """Explain requests by what a proxy logged of them (one JSON object a line), by request id."""
    wanted = set(request_ids)
    result = {}
    for line in log.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # the proxy's own messages
        if isinstance(entry, dict) and entry.get("request_id") in wanted:
            result[str(entry["request_id"])] = _explained(entry)
    return result


def _explained(entry: dict[str, object]) -> str:
    flags = [flag for flag in str(entry.get("response_flags") or "-").split(",") if flag != "-"]
    cluster, details = entry.get("upstream_cluster"), entry.get("response_code_details")
    where = ", ".join([f"cluster {cluster}" if cluster else "no cluster", *([str(details)] if details else [])])
    if flags:
        meaning = ", ".join(f"{flag}: {MEANINGS.get(flag, 'see the documentation of Envoy')}" for flag in flags)
        return f"response flag {meaning} ({where})"
    return f"answered by the {'service' if details in (None, 'via_upstream') else 'proxy itself'} ({where})"
