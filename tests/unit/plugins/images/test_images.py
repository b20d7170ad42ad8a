"""What was built is written down, and decides which image a tag means."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.images.images import (
    Images,
    MissingImageError,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.images.records import Record, Records, key
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import KubernetesError

PATH = "/api/v1/namespaces/build/configmaps/images"
RECORD = Record("sha256:built", "sha256:sources")


def test_what_is_written_is_found_and_the_rest_stays(api: Any) -> None:
    records = Records(api, "build", "blue")
    assert records.find("aleph", "0.1") is None
    records.write("aleph", "0.1", RECORD)
    records.write("aleph", "0.3", Record("sha256:other", "s"))
    records.write("aleph", "0.3", Record("sha256:newer", "s"))
    assert Records(api, "build").find("aleph", "0.1") == RECORD
    assert records.find("aleph", "0.3") == Record("sha256:newer", "s")
    assert api.objects[PATH]["metadata"]["labels"]["workshop.istio-games/room"] == "blue"


def test_two_that_begin_it_at_once_both_write(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    records, find = Records(api, "build"), api.find

    def too_late(path: str) -> Any:
        monkeypatch.setattr(api, "find", find)
        Records(api, "build").write("beth", "0.1", RECORD)
        return None

    monkeypatch.setattr(api, "find", too_late)
    records.write("aleph", "0.1", RECORD)
    assert records.find("aleph", "0.1") == records.find("beth", "0.1") == RECORD


def test_another_refusal_is_not_swallowed(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise KubernetesError("forbidden", 403)

    monkeypatch.setattr(api, "create", refuse)
    with pytest.raises(KubernetesError):
        Records(api, "build").write("aleph", "0.1", RECORD)


@pytest.mark.parametrize("written", ["", "no JSON", "[]", "3", "null", '{"digest": "sha256:x"}'])
def test_what_somebody_else_has_written_is_no_record(api: Any, written: str) -> None:
    api.put(PATH, data={key("aleph", "0.1"): written})
    assert Records(api, "build").find("aleph", "0.1") is None


def test_names_do_not_meet() -> None:
    assert len({key("a", "0.1"), key("a.0", "1"), key("a/b", "1"), key("a", "b.1"), key("a.b", "1")}) == 5


class TestWhichImage:
    """A tag means what was built."""

    def test_is_the_one_that_was_built_whatever_the_tag_says(self, api: Any, registry: Any) -> None:
        Records(api, "build").write("aleph", "0.1", RECORD)
        registry.images |= {"aleph:0.1": "sha256:somebodys", "aleph:kept": RECORD.digest}
        assert Images(Records(api, "build"), registry).digests(["aleph:0.1"]) == {"aleph:0.1": RECORD.digest}

    def test_is_the_registrys_where_it_was_not_built_here(self, api: Any, registry: Any) -> None:
        registry.images["mine:1"] = "sha256:pushed"
        assert Images(Records(api, "build"), registry).digest("mine", "1") == "sha256:pushed"

    @pytest.mark.parametrize(
        ("reference", "built", "sentence"),
        [
            ("aleph:0.9", False, "it has aleph with the tags 0.1, 0.3. Build it"),
            ("never:1", False, "it has no never at all. Build it"),
            ("aleph:0.3", True, "what was built, sha256:built, is gone. Build it"),
        ],
    )
    def test_is_missed_with_what_there_is(
        self, api: Any, registry: Any, reference: str, built: bool, sentence: str
    ) -> None:
        registry.images |= {"aleph:0.1": "sha256:1", "aleph:0.3": "sha256:3"}
        if built:
            Records(api, "build").write("aleph", "0.3", RECORD)
        with pytest.raises(MissingImageError) as missing:
            Images(Records(api, "build"), registry).digests([reference])
        assert str(missing.value).startswith(f"{reference} is not in the registry at {registry.url}: ")
        assert sentence in str(missing.value)
