# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which requests a route is for: the conditions of a VirtualService and of an Envoy's route in the same words.

A condition is a name and what is asked of it. The name of a header whose value must match a regular expression is the
header's own; every other name ends with what is asked (`cookie =`), and has a space in it, which no header's name has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Conditions = tuple[tuple[str, str], ...]

MESH = "mesh"
PATH = "path"
# How Istio names what a request is asked for beside its headers, and Envoy's pseudo-header for it.
PSEUDO = {"method": ":method", "authority": ":authority", "scheme": ":scheme"}


def shown(conditions: Conditions) -> str:
    """Put conditions into words.

    >>> shown((("cookie", "^a.*"), ("path begins with", "/old")))
    'cookie ~ ^a.* and path begins with /old'
    """
    words = [f"{name} {value}".strip() if " " in name else f"{name} ~ {value}" for name, value in conditions]
    return " and ".join(words) or "everything"


def of_istio(match: Mapping[str, Any]) -> Conditions | None:
    """Read an HTTPMatchRequest; None when it is for gateways alone, so that no caller in the mesh meets it."""
    gateways = match.get("gateways") or []
    if gateways and MESH not in gateways:
        return None
    found = [_istio(name, asked) for name, asked in (match.get("headers") or {}).items()]
    found += [_not(_istio(name, asked)) for name, asked in (match.get("withoutHeaders") or {}).items()]
    found += [_istio(name, match[key]) for key, name in PSEUDO.items() if key in match]
    found += [_istio(f"the query's {name}", asked) for name, asked in (match.get("queryParams") or {}).items()]
    path = match.get("uri") or {}
    if path and path != {"prefix": "/"}:
        name, value = _istio(f"the {PATH}", path)
        found.append((name.removeprefix("the "), value))
        if match.get("ignoreUriCase"):
            found.append((f"{PATH} in any case", ""))
    # istiod judges these itself: a proxy holds the routes that are left.
    labels = match.get("sourceLabels") or {}
    if labels and not gateways:
        found.append(("callers with", ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))))
    if match.get("sourceNamespace") and not gateways:
        found.append(("callers of namespace", str(match["sourceNamespace"])))
    if match.get("port"):
        found.append(("port =", str(match["port"])))
    return tuple(sorted(found))


def of_envoy(match: Mapping[str, Any]) -> Conditions:
    """Read an Envoy's RouteMatch."""
    found = [_envoy(str(each["name"]), each) for each in match.get("headers") or []]
    found += [_envoy(f"the query's {each['name']}", each) for each in match.get("query_parameters") or []]
    found += [("metadata =", str(each)) for each in match.get("dynamic_metadata") or []]
    path = _envoy_path(match)
    if path:
        found.append(path)
        if match.get("case_sensitive") is False:
            found.append((f"{PATH} in any case", ""))
    return tuple(sorted(found))


def _istio(name: str, asked: Mapping[str, Any] | None) -> tuple[str, str]:
    """Read a StringMatch."""
    asked = asked or {}
    if "regex" in asked and asked["regex"] != "*":  # that one is Istio's own word for "any"
        return _regex(name, str(asked["regex"]))
    if "exact" in asked:
        return f"{name} =", str(asked["exact"])
    if "prefix" in asked:
        return f"{name} begins with", str(asked["prefix"])
    return f"{name} is there", ""


def _envoy(name: str, matcher: Mapping[str, Any]) -> tuple[str, str]:
    """Read a HeaderMatcher or a QueryParameterMatcher."""
    asked = matcher.get("string_match") or {}
    if "safe_regex" in asked:
        found = _regex(name, str(asked["safe_regex"].get("regex")))
    elif "exact" in asked:
        found = f"{name} =", str(asked["exact"])
    elif "prefix" in asked:
        found = f"{name} begins with", str(asked["prefix"])
    elif matcher.get("present_match"):
        found = f"{name} is there", ""
    else:
        found = f"{name} is", str({key: value for key, value in matcher.items() if key != "name"})
    return _not(found) if matcher.get("invert_match") else found


def _envoy_path(match: Mapping[str, Any]) -> tuple[str, str] | None:
    if "path" in match:
        return f"{PATH} =", str(match["path"])
    if "safe_regex" in match:
        return f"{PATH} ~", str(match["safe_regex"].get("regex"))
    if "path_separated_prefix" in match:
        return f"{PATH} is below", str(match["path_separated_prefix"])
    prefix = str(match.get("prefix", "/"))
    return (f"{PATH} begins with", prefix) if prefix != "/" else None


def _regex(name: str, pattern: str) -> tuple[str, str]:
    return (f"{name} ~" if " " in name else name), pattern


def _not(condition: tuple[str, str]) -> tuple[str, str]:
    name, value = condition
    return (f"not {name}" if " " in name else f"not {name} ~"), value
