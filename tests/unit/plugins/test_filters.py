"""Filters: each is documented with its own parameters, and ends in one sentence."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleError, AnsibleFilterError

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.filters import explained

DIRECTORY = Path(__file__).resolve().parents[3] / "plugins" / "filter"
PLUGINS = "ansible_collections.istio_games.workshop.plugins"


def filters() -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {}
    for name in sorted(path.stem for path in DIRECTORY.glob("*.py")):
        found |= importlib.import_module(f"{PLUGINS}.filter.{name}").FilterModule().filters()
    return found


FILTERS = filters()


def documentation(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((DIRECTORY / f"{name}.yml").read_text()))


def test_every_filter_has_a_page_and_every_page_a_filter() -> None:
    assert {path.stem for path in DIRECTORY.glob("*.yml")} == set(FILTERS)


@pytest.mark.parametrize("name", FILTERS)
def test_a_page_names_the_filter_s_own_parameters(name: str) -> None:
    page = documentation(name)["DOCUMENTATION"]
    _, *parameters = inspect.signature(FILTERS[name]).parameters.values()
    options = page["options"]
    assert page["name"] == name
    assert list(options) == ["_input", *(parameter.name for parameter in parameters)]
    positional = [each.strip() for each in page.get("positional", "").split(",") if each]
    assert positional == list(options)[1:]
    required = {parameter.name for parameter in parameters if parameter.default is inspect.Parameter.empty}
    assert {option for option, about in options.items() if about.get("required")} == {"_input", *required}
    assert all(about["type"] and about["description"] for about in options.values())


@pytest.mark.parametrize("name", FILTERS)
def test_a_page_shows_the_filter_and_its_result(name: str) -> None:
    page = documentation(name)
    assert f"istio_games.workshop.{name}" in page["EXAMPLES"]
    assert set(yaml.safe_load(page["EXAMPLES"])) == {"result"}
    assert set(page["RETURN"]) == {"_value"}


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (WorkshopError("No."), r"^No\.$"),
        (ValueError("A port is a number."), r"^A port is a number\.$"),
        (KeyError("callers"), r"^shape met something that it does not know \(KeyError: 'callers'\)\. That is a fault"),
    ],
)
def test_a_filter_ends_in_one_sentence(error: Exception, sentence: str) -> None:
    def shape(_value: object) -> None:
        raise error

    with pytest.raises(AnsibleFilterError, match=sentence):
        explained(shape)({})


def test_ansible_says_its_own_errors_itself() -> None:
    def shape(_value: object) -> None:
        raise AnsibleError("undefined")

    with pytest.raises(AnsibleError, match=r"^undefined$"):
        explained(shape)({})


@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_is_explained(name: str) -> None:
    assert hasattr(FILTERS[name], "__wrapped__")
