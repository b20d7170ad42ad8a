"""What holds for any input, not only for those that somebody thought of."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.plugins.test_filters import FILTERS
from tests.unit.plugins.traffic.conftest import SERVICES

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.manifests import changes
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import settings as room_settings
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.app_services import version_label
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic import arguments, stages
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.records import STAGES, Record

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
ALEPH = next(service for service in SERVICES if service["name"] == "aleph")
# It reads the files that it is given.
READS_FILES = {"content_digest"}


@pytest.mark.parametrize("name", sorted(set(FILTERS) - READS_FILES))
@given(data=st.data())
@settings(max_examples=25)
def test_a_filter_gives_a_value_or_says_what_is_wrong(name: str, data: st.DataObject) -> None:
    """`explained` stands around each of them."""
    given_values = data.draw(st.lists(JSON, min_size=1, max_size=6))
    with suppress(AnsibleFilterError):
        FILTERS[name](*given_values)


@given(weight=SCALARS)
@example("050")
@example(" 50")
@example("5e1")
@example("50%")
@example("\N{ARABIC-INDIC DIGIT FIVE}\N{ARABIC-INDIC DIGIT ZERO}")
@example("100")
@example("101")
@example("50\n")
def test_a_weight_is_a_whole_percentage_or_a_sentence(weight: Any) -> None:
    is_one = type(weight) in (int, str) and str(weight) in map(str, range(101))
    said = arguments.problems("rollout", None, weight, None, False, SERVICES)
    assert (said == []) == is_one
    assert all(re.match("weight is", sentence) for sentence in said)


@given(stage=st.sampled_from(STAGES) | SCALARS, service=JSON, weight=SCALARS, version=SCALARS, takeover=SCALARS)
def test_whatever_is_typed_for_a_stage_is_judged(**typed: Any) -> None:
    for sentence in arguments.problems(**typed, services=SERVICES):
        assert isinstance(sentence, str)
        assert sentence


@given(
    values=st.dictionaries(
        st.sampled_from(
            [
                "workshop_name",
                "workshop_api_port",
                "workshop_pod_subnet",
                "workshop_service_subnet",
                "workshop_listen_address",
                "workshop_namespace",
                "workshop_load_rate",
                "workshop_app",
                "workshop_supply",
                "workshop_state_dir",
            ]
        ),
        JSON,
        max_size=4,
    )
)
def test_whatever_is_set_is_judged_and_named(values: dict[str, Any]) -> None:
    said = room_settings.problems(values, ["alephbeth"])
    assert all(any(name in sentence for name in values) for sentence in said)


@given(
    one=st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,30}", fullmatch=True),
    other=st.from_regex(r"\d{1,3}(\.\d{1,3}){0,3}", fullmatch=True),
)
@example("1.10", "11.0")
@example("v0.1", "0.1")
def test_versions_do_not_share_a_label(one: str, other: str) -> None:
    labels = {version_label(one), version_label(other)}
    assert len(labels) == len({one, other})
    assert all(re.fullmatch(r"v[a-z0-9-]*[a-z0-9]", label) and len(label) < 40 for label in labels)


@given(value=JSON, other=JSON)
def test_only_what_differs_is_named(value: Any, other: Any) -> None:
    assert changes({"spec": value}, {"spec": value}) == []
    if value != other and not {type(value), type(other)} & {dict, list}:
        assert len(changes({"spec": value}, {"spec": other})) == 1


@given(
    walk=st.lists(
        st.tuples(st.sampled_from(STAGES), st.integers(0, 100), st.sampled_from(["0.1", "0.2", "0.3"])), max_size=12
    )
)
def test_wherever_stages_lead_everybody_has_a_version_that_runs(
    walk: list[tuple[str, int, str]],
) -> None:
    """Shares are whole, are of versions that run, and are the stable one's but for a rollout's part."""
    record = Record("baseline", "0.1")
    for stage, weight, version in walk:
        try:
            reached = stages.goal(stage, ALEPH, "staging", record, weight=weight, version=version)
        except stages.StageError:
            continue
        record = reached.record()
        everybody = stages.virtual_service(reached)["spec"]["http"][-1]
        subsets = {version_label(tag) for tag in reached.tags}
        shares = {each["destination"]["subset"]: each.get("weight", 100) for each in everybody["route"]}
        assert sum(shares.values()) == 100
        assert set(shares) <= subsets
        new = weight if reached.recorded_stage == "rollout" else 0
        assert shares.get(version_label(record.stable), 0) == 100 - new
        assert record.stable not in record.previous
        assert len(record.previous) == len(set(record.previous))
