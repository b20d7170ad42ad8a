"""What is given for a role's option is judged before anything is done, by the roles' own argument specs."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.splitter import parse_kv

from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.kinds import problems
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.names import role_options
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.settings import WHOLE

ROOT = Path(__file__).resolve().parents[4]
OPTIONS = role_options(ROOT / "roles")
DEFAULTS = yaml.safe_load((ROOT / "roles/room/defaults/main/apps.yml").read_text())
ALEPH: dict[str, Any] = {
    "name": "aleph",
    "build": {
        "image": "aleph",
        "dockerfile": "Dockerfile",
        "paths": ["."],
        "versions": [{"tag": "0.1"}, {"tag": "1.0-RC1", "faults": ["slow-version"]}],
    },
    "versions": ["0.1"],
    "candidate": "1.0-RC1",
    "port": 80,
    "callers": ["front"],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("registry_deletion", value) for value in (True, "true", "no", "0", 1, None, "{{ later }}")],
        *[("image_build_parallel", value) for value in (2, "2")],
        ("app_pod_security", "privileged"),
        ("app_versions", {"aleph": ["0.1"]}),
        ("app_awaited", "a,b"),
        ("purge", "false"),
        ("measure", False),
        ("nobodys", object()),
        ("workshop_apps", DEFAULTS["workshop_apps"]),
        ("workshop_apps", {"a": {"namespace": "a", "services": []}}),
    ],
)
def test_what_an_option_takes(name: str, value: Any) -> None:
    assert problems({name: value}, OPTIONS) == []


@pytest.mark.parametrize("path", sorted((ROOT / "roles").glob("*/defaults/**/*.yml")), ids=lambda path: path.parts[-3])
def test_defaults_are_of_their_kind(path: Path) -> None:
    assert problems(yaml.safe_load(path.read_text()), OPTIONS) == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("registry_deletion", "maybe", "registry_deletion is 'maybe', but must be true or false: for example"),
        ("registry_deletion", "", "registry_deletion is '', but must be true or false"),
        ("registry_deletion", [True], "registry_deletion is [True], but must be true or false"),
        ("mesh_use_existing", "maybe", "mesh_use_existing is 'maybe', but must be true or false"),
        ("image_build_parallel", "two", "image_build_parallel is 'two', but must be a whole number: for example"),
        ("image_build_parallel", 2.5, "image_build_parallel is 2.5, but must be a whole number"),
        (
            "app_pod_security",
            "open",
            "app_pod_security is 'open', but must be one of: restricted, baseline",
        ),
        ("app_versions", "x", "app_versions is 'x', but must be a mapping"),
        ("app_awaited", {"a": 1}, "app_awaited cannot be used: "),
        ("app_services", [{}], "app_services cannot be used: missing required arguments: name found in app_services."),
        ("app_services", [{"name": "a", "nam": "b"}], "app_services cannot be used: app_services.nam. Supported"),
        ("app_services", [5], "app_services cannot be used: "),
        ("purge", "maybe", "purge is 'maybe', but must be true or false: for example -e purge=true."),
        ("workshop_images", [], "workshop_images cannot be used: "),
        ("workshop_node_ports", 5, "workshop_node_ports is 5, but must be a mapping"),
        ("measure", "", "measure is '', but must be true or false"),
        # Ansible takes it for a mapping, and the role gets text.
        ("student_quota", '{"pods":"20"}', "must be a mapping of quantities, that of pods among them (it replaces"),
        ("app_versions", "aleph=0.1", "app_versions is 'aleph=0.1', but must be a mapping"),
        # Ansible takes it for 1, or ends with OverflowError.
        ("image_build_parallel", True, "image_build_parallel is True, but must be a whole number"),
        ("image_build_parallel", float("inf"), "image_build_parallel is inf, but must be a whole number"),
        ("image_build_parallel", "-Infinity", "image_build_parallel is '-Infinity', but must be a whole number"),
        ("student_timeout", "inf", "student_timeout is 'inf', but must be a whole number from 1 to 86400"),
        ("student_load_rate", True, "student_load_rate is True, but must be a number"),
    ],
)
def test_anything_else_is_one_sentence(name: str, value: Any, said: str) -> None:
    (sentence,) = problems({name: value}, OPTIONS)
    assert said in sentence
    assert "\n" not in sentence


def changed(**fields: Any) -> dict[str, Any]:
    service = {name: value for name, value in {**ALEPH, **fields}.items() if value is not None}
    return {"alephbeth": {"namespace": "staging", "services": [service]}}


@pytest.mark.parametrize(
    ("apps", "said"),
    [
        ({}, "workshop_apps must be applications by their names"),
        ([], "workshop_apps must be applications by their names"),
        ({"a": {}}, "workshop_apps.a must have a namespace and a list of services"),
        ({"a": None}, "workshop_apps.a must have a namespace and a list of services"),
        ({"a": {"namespace": "a", "services": {"aleph": 1}}}, "workshop_apps.a must have a namespace and a list"),
        (changed(prot=80), "workshop_apps.alephbeth cannot be used: services.prot. Supported parameters include"),
        (changed(port="http"), "workshop_apps.alephbeth cannot be used: "),
        (changed(name="Aleph"), "the service's name 'Aleph' must be 1 to 40 lower-case"),
        (changed(name="a" * 41), "must be 1 to 40 lower-case"),
        (
            changed(candidate="0.3"),
            "aleph is to run 0.3, which is not among the versions that are built (0.1, 1.0-RC1).",
        ),
        (changed(versions=["0.9"]), "aleph is to run 0.9, which is not among"),
        (changed(port=None), "aleph has a candidate, so that it needs versions, a port and callers, too."),
        (changed(build={**ALEPH["build"], "versions": [{"tag": "0.1"}, {"tag": "1.0-RC1"}, {"tag": "1+2"}]}), "'1+2'"),
        ({"a": {"namespace": "a", "services": [ALEPH, ALEPH]}}, "workshop_apps.a: the service aleph is there twice."),
        ({"a": {"namespace": "a", "services": [{"name": "web"}]}}, "web has neither a build nor an image."),
    ],
)
def test_an_application_that_contradicts_itself(apps: Any, said: str) -> None:
    (sentence,) = problems({"workshop_apps": apps}, OPTIONS)
    assert said in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("name", "value", "bounds"),
    [
        *(
            (f"{role}_at_once", value, "1 to 10 (places at a time): for example -e {}=3.")
            for role in ("student", "traffic", "door")
            for value in (0, "0", -3, "1000", 11)
        ),
        *(
            (name, value, "1 to 720 (hours): for example -e {}=24.")
            for name in ("student_hours", "traffic_student_hours")
            for value in (0, "-1", 10**8)
        ),
        *(("cluster_max_pods", value, "20 to 250 (pods a node): for example -e {}=250.") for value in (0, 251, "19")),
        *(
            ("cluster_pod_pids_limit", value, "256 to 16384 (threads a pod): for example -e {}=512.")
            for value in (0, "-1", 10**8)
        ),
    ],
)
def test_an_option_that_stands_for_a_setting_is_judged_as_that(name: str, value: Any, bounds: str) -> None:
    said = f"{name} is {value!r}, but must be a whole number from {bounds.format(name)}"
    assert problems({name: value}, OPTIONS) == [said]
    good = bounds.rpartition("=")[2].rstrip(".")
    assert problems({name: int(good)}, OPTIONS) == problems({name: good}, OPTIONS) == []
    assert problems({name: "{{ x }}"}, OPTIONS) == []


def test_every_option_that_stands_for_a_setting_is_known() -> None:
    """By its role's defaults, whatever its argument spec says."""
    text = "\n".join(path.read_text() for path in (ROOT / "roles").glob("*/defaults/main.yml"))
    for name, setting in re.findall(r'^(\w+): "\{\{ (workshop_\w+) \}\}"$', text, re.MULTILINE):
        if setting in WHOLE:
            assert problems({name: -1}, OPTIONS), name


PROXY = {"requests": {"cpu": "1m", "memory": "40Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}}


NO_AMOUNTS: list[Any] = ["", True, [], {}, "NaN", "20 ", "1e400"]
# As an API server of Kubernetes 1.36 answers.
SCHEDULES = ["59 23 31 12 6", "0 0 * jan-MAR SUN,FRI", "1-59/7 * * * *", "? ? ? ? ?", "1/5 * * * *", "00  0 * * *"]
NO_SCHEDULES: list[Any] = [
    *("60 * * * *", "0 24 * * *", "0 0 0 * *", "0 0 32 * *", "0 0 * 13 *", "0 0 * * 7", "*/0 * * * *", "5-1 * * * *"),
    *(
        "-1 * * * *",
        "a * * * *",
        "* * * * sunday",
        "1-2-3 * * * *",
        "*/5/2 * * * *",
        ", * * * *",
        "@every 1h",
        "\u0661 * * * *",
    ),
]
MORE_OF_QUOTAS = ["count/x.example.org", "example.org/gpu", "requests.hugepages-2Mi", "cpu", "resourcequotas"]
NO_QUOTAS: list[Any] = [
    *({}, {"cpu": "1"}, {"pods": "-1"}, {"pods": "1.5"}, {"pods": "20m"}, {"pods": "20", "cpu": "much"}, None),
    *({"pods": "20", name: "1"} for name in ("x", "limits.cpus", "storage", "requests.x", "count/", "POD S", "", 5)),
    *({"pods": "20", name: "0.5"} for name in ("services", "count/x")),
]
NO_REQUESTS: list[Any] = ["0", "0.5m", "501m", "1", "-1m", "1 m", "", "all", "\u0661m", [], None]
NO_IMAGES: list[Any] = ["a,b", [""], [5], None]
NO_RESOURCES: list[Any] = [{}, {"requests": {"cpu": "1m"}}, {**PROXY, "limits": 5}, None]


def proxy(part: str, **kinds: Any) -> dict[str, Any]:
    return {**PROXY, part: {**PROXY[part], **kinds}}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("student_load_rate", value) for value in (-0.1, "500.5", "1e400", "nan", float("nan"), None)],
        *[("student_processor_share", value) for value in (0, "0", -1, 1.01, "7", "nan", float("inf"), None)],
        *[("student_cpu_request", value) for value in NO_REQUESTS],
        *[("student_quota", {"pods": value}) for value in NO_AMOUNTS],
        *[("student_quota", value) for value in NO_QUOTAS],
        *[("student_proxy_resources", value) for value in NO_RESOURCES],
        ("student_proxy_resources", proxy("requests", cpu="0")),
        ("student_proxy_resources", proxy("requests", memory="257Mi")),
        ("student_proxy_resources", proxy("limits", cpu="2")),
        ("student_proxy_resources", proxy("limits", memory="1Gi")),
        ("student_proxy_resources", proxy("limits", cpu="much")),
        *[("student_images", value) for value in NO_IMAGES],
        *[
            ("student_expiry_schedule", value)
            for value in ("", "every day", "* * * *", "* * * * * *", "@often", 5, None, *NO_SCHEDULES)
        ],
        *[
            (name, value)
            for name in OPTIONS
            if name.endswith("_timeout")
            for value in (0, "-1", 10**6, "inf", "nan", None)
        ],
        *[(name, None) for name in ("student_hours", "student_at_once", "traffic_at_once")],
    ],
)
def test_what_a_cluster_would_refuse_later_is_refused_at_once(name: str, value: Any) -> None:
    (sentence,) = problems({name: value}, OPTIONS)
    assert sentence.startswith(f"{name} is ")
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("student_load_rate", value) for value in (0, "0.5", 500)],
        *[("student_processor_share", value) for value in (0.125, "1", "0.01")],
        *[("student_cpu_request", value) for value in ("1m", "0.001", "500m", ".5", "2000u", "{{ later }}")],
        ("student_quota", {"pods": 20, "requests.memory": "3Gi", "limits.cpu": "4e1", "services": "{{ later }}"}),
        *[("student_quota", {"pods": "20", name: "1"}) for name in MORE_OF_QUOTAS],
        ("student_proxy_resources", proxy("requests", cpu="{{ later }}")),
        ("student_proxy_resources", proxy("limits", cpu=1, memory="512Mi")),
        ("student_images", []),
        *[("student_expiry_schedule", value) for value in ("*/5 8-18 * * MON-FRI", "@hourly", *SCHEDULES)],
        *[("student_timeout", value) for value in (1, "600")],
    ],
)
def test_what_is_within_its_bounds(name: str, value: Any) -> None:
    assert problems({name: value}, OPTIONS) == []


BAD = ["maybe", {"a": object()}, [object()], None, 0, ""]


def typed(text: str) -> dict[str, Any]:
    """What Ansible has of what a shell gives it behind -e."""
    (word,) = shlex.split(text)
    found: dict[str, Any] = json.loads(word) if word.startswith("{") else parse_kv(word)
    return found


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_what_a_sentence_tells_to_type_works_as_it_stands(name: str) -> None:
    for value in BAD:
        for sentence in problems({name: value}, OPTIONS):
            if example := re.search(r": for example -e (.*)\.$", sentence):
                assert typed(example[1]).keys() == {name}
                assert problems(typed(example[1]), OPTIONS) == []
