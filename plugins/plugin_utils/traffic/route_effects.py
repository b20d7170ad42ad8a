# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a route does beside choosing a version: a VirtualService's and an Envoy's in the same words.

(https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPRoute; what istiod makes of it:
pilot/pkg/networking/core/route/route.go.)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# Denominators of Envoy's FractionalPercent.
FRACTIONS = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}
# Of Go's durations, in seconds.
UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
REDIRECTS = {
    "MOVED_PERMANENTLY": 301,
    "FOUND": 302,
    "SEE_OTHER": 303,
    "TEMPORARY_REDIRECT": 307,
    "PERMANENT_REDIRECT": 308,
}
FAULT, CORS = "envoy.filters.http.fault", "envoy.filters.http.cors"
# Headers that a stage sets to show its work change nothing of a request.
OWN_HEADERS = "x-workshop-"


def instead_of_istio(route: Mapping[str, Any], namespace: str) -> str:
    """Say what a VirtualService's route does instead of asking a version; empty when it asks one.

    Args:
        namespace: the VirtualService's.
    """
    if redirect := route.get("redirect"):
        port = redirect.get("port")
        where = _place(redirect, "scheme", "authority", port, "uri", "prefixRewrite")
        return _redirected(where, int(redirect.get("redirectCode") or 301))
    if answer := route.get("directResponse"):
        return _answered(answer)
    if delegate := route.get("delegate"):
        return f"goes as VirtualService {delegate.get('namespace') or namespace}/{delegate.get('name')} says"
    return ""


def instead_of_envoy(route: Mapping[str, Any]) -> str:
    """Say what an Envoy's route does instead of asking a cluster."""
    if redirect := route.get("redirect"):
        port = redirect.get("port_redirect")
        where = _place(redirect, "scheme_redirect", "host_redirect", port, "path_redirect", "prefix_rewrite")
        return _redirected(where, REDIRECTS.get(redirect.get("response_code", "MOVED_PERMANENTLY"), 0))
    if answer := route.get("direct_response"):
        return _answered(answer)
    return ""


def besides_of_istio(route: Mapping[str, Any]) -> tuple[str, ...]:
    """Say what a VirtualService's route does to a request besides, in a fixed order."""
    fault = route.get("fault") or {}
    delay, abort = fault.get("delay") or {}, fault.get("abort") or {}
    rewrite = route.get("rewrite") or {}
    regex = rewrite.get("uriRegexRewrite") or {}
    destinations = route.get("route") or []
    listed = [each.get("headers") or {} for each in (route, *destinations)]
    found = [
        _delayed(_istio_percent(delay), delay["fixedDelay"]) if "fixedDelay" in delay else "",
        _aborted(_istio_percent(abort), abort.get("httpStatus") or abort.get("grpcStatus")) if abort else "",
        _rewritten(PATH_WORD, rewrite.get("uri")),
        _rewritten(PATH_WORD, regex.get("rewrite"), regex.get("match")),
        _rewritten(HOST_WORD, rewrite.get("authority")),
        _given_up(route.get("timeout")),
        _tried_again(route["retries"].get("attempts") or 0) if route.get("retries") else MESH_RETRIES,
        *(
            _changed(kind, (name for each in listed for name in _operated(each.get(kind) or {})))
            for kind in ("request", "response")
        ),
        "with a CORS policy" if route.get("corsPolicy") else "",
    ]
    # What a route that asks nobody would do with failed answers does not matter.
    asked = bool(destinations)
    return tuple(word for word in found if word and (asked or word != MESH_RETRIES))


def besides_of_envoy(route: Mapping[str, Any]) -> tuple[str, ...]:
    """Say what an Envoy's route does to a request besides, in the same order."""
    action = route.get("route") or {}
    filters = route.get("typed_per_filter_config") or {}
    fault = filters.get(FAULT) or {}
    delay, abort = fault.get("delay") or {}, fault.get("abort") or {}
    regex = action.get("regex_rewrite") or {}
    weighted = (action.get("weighted_clusters") or {}).get("clusters") or []
    retries = action.get("retry_policy")
    found = [
        _delayed(envoy_percent(delay.get("percentage"), 0), delay["fixed_delay"]) if "fixed_delay" in delay else "",
        _aborted(envoy_percent(abort.get("percentage"), 0), abort.get("http_status") or abort.get("grpc_status"))
        if abort
        else "",
        _rewritten(PATH_WORD, action.get("prefix_rewrite")),
        _rewritten(PATH_WORD, regex.get("substitution"), (regex.get("pattern") or {}).get("regex")),
        _rewritten(HOST_WORD, action.get("host_rewrite_literal")),
        _given_up(action.get("timeout")),
        _tried_again(int(retries.get("num_retries", 1))) if retries else "",
        *(
            _changed(kind, (name for each in (route, *weighted) for name in _envoy_operated(each, kind)))
            for kind in ("request", "response")
        ),
        "with a CORS policy" if CORS in filters else "",
    ]
    return tuple(word for word in found if word)


def mirror_percent(route: Mapping[str, Any]) -> float:
    """Give the percent that a route's one `mirror` copies: the deprecated field counts too."""
    if route.get("mirrorPercentage") is not None:
        return float(route["mirrorPercentage"].get("value", 0))
    old = route.get("mirrorPercent", route.get("mirror_percent"))
    return 100.0 if old is None else float(old)


def envoy_percent(fraction: Mapping[str, Any] | None, default: float = 100.0) -> float:
    """Read a FractionalPercent."""
    if fraction is None:
        return default
    return 100 * float(fraction.get("numerator", 0)) / FRACTIONS[fraction.get("denominator", "HUNDRED")]


PATH_WORD, HOST_WORD = "path", "host"
RETRIES = "tried again"
# Two times in Istio, unless the mesh's configuration says otherwise.
MESH_RETRIES = f"{RETRIES} when it fails, as the mesh does by default"


def as_asked(held: Sequence[str], asked: Sequence[str]) -> tuple[str, ...]:
    """Say what a proxy does to requests in the words of who asked for it: the mesh knows how often it tries again.

    >>> as_asked(("tried again up to 2 times when it fails",), (MESH_RETRIES,)) == (MESH_RETRIES,)
    True
    """
    if MESH_RETRIES not in asked:
        return tuple(held)
    others, place = [word for word in held if not word.startswith(RETRIES)], asked.index(MESH_RETRIES)
    return (*others[:place], MESH_RETRIES, *others[place:])


def _place(redirect: Mapping[str, Any], scheme: str, host: str, port: Any, path: str, prefix: str) -> str:
    start = f"{redirect[scheme]}://" if redirect.get(scheme) else ""
    where = start + str(redirect.get(host) or "") + (f":{port}" if port else "")
    where += f"{redirect[prefix]}..." if redirect.get(prefix) else str(redirect.get(path) or "")
    return where or "itself"


def _redirected(where: str, code: int) -> str:
    return f"is redirected to {where} ({code})"


def _answered(answer: Mapping[str, Any]) -> str:
    return f"is answered {answer.get('status')} by the caller's own proxy"


def _istio_percent(fault: Mapping[str, Any]) -> float:
    """Read how many requests a fault meets: none, where nothing is said."""
    if fault.get("percentage") is not None:
        return float(fault["percentage"].get("value", 0))
    return float(fault.get("percent") or 0)


def _delayed(percent: float, duration: Any) -> str:
    return f"{percent:g} % delayed by {_seconds(duration):g} s"


def _aborted(percent: float, status: Any) -> str:
    return f"{percent:g} % answered {status} by the caller's own proxy"


def _rewritten(what: str, to: Any, pattern: Any = None) -> str:
    matching = f" where it matches {pattern}" if pattern else ""
    return f"{what} rewritten to {to}{matching}" if to is not None else ""


def _given_up(duration: Any) -> str:
    seconds = _seconds(duration or "0s")
    return f"given up after {seconds:g} s" if seconds else ""


def _tried_again(times: int) -> str:
    return f"{RETRIES} up to {times} times when it fails" if times else ""


def _changed(kind: str, names: Iterable[str]) -> str:
    found = sorted({name for name in names if not name.startswith(OWN_HEADERS)})
    return f"{kind} header {', '.join(found)} changed" if found else ""


def _operated(operations: Mapping[str, Any]) -> list[str]:
    """Name the headers that Istio's operations set, add or remove."""
    named = [*(operations.get("set") or {}), *(operations.get("add") or {}), *(operations.get("remove") or [])]
    return [str(name).lower() for name in named]


def _envoy_operated(where: Mapping[str, Any], kind: str) -> list[str]:
    added = [str((each.get("header") or {}).get("key")) for each in where.get(f"{kind}_headers_to_add") or []]
    return [name.lower() for name in (*added, *(where.get(f"{kind}_headers_to_remove") or []))]


def _seconds(duration: Any) -> float:
    """Read a duration as Go or protobuf write it.

    >>> _seconds("1m0.5s")
    60.5
    """
    return sum(
        float(number) * UNITS[unit] for number, unit in re.findall(r"([0-9.]+)(h|ms|us|µs|ns|m|s)", str(duration))
    )
