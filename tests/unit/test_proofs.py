"""docs/proofs.md says what ran, from JUnit files."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from tests.unit.scripts import load

ROOT = Path(__file__).resolve().parents[2]
PYTEST = """<testsuites><testsuite name="pytest">
<testcase classname="tests.unit.test_a" name="test_it[1]"/>
<testcase classname="tests.unit.test_a" name="test_it[2]">{second}</testcase>
<testcase classname="tests.unit.test_a" name="test_it_too"><failure message="no"/></testcase>
</testsuite></testsuites>"""
ANSIBLE = """<testsuites><testsuite name="verify">
<testcase classname="molecule/guide/tasks/step.yml:20" name="[localhost] A play: See what is to be seen | Look"/>
<testcase classname="x/istio_games/workshop/roles/a/tasks/verify.yml:2" name="[localhost] A play: a : Verify | See"/>
</testsuite></testsuites>"""
TEST, STEP, TASK = "tests/unit/test_a.py: test_it", "docs/deck.yml: Look", "roles/a/tasks/verify.yml: See"
PROOFS = [TEST, STEP, TASK, "tests/unit/test_a.py: test_that_did_not_run"]


@pytest.fixture
def script() -> Any:
    """scripts/proofs as a module."""
    return load(ROOT / "scripts/proofs")


def run(directory: Path, commit: str, at: int, second: str = "") -> None:
    """What a run at `at` (seconds since 1970) leaves."""
    for name, text in (("unit/pytest.xml", PYTEST.format(second=second)), ("molecule-guide/verify-1.xml", ANSIBLE)):
        file = directory / commit / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        os.utime(file, (at, at))


def record(commit: str, date: str, result: str = "passed", cases: int = 1) -> dict[str, Any]:
    return {"cases": cases, "commit": commit, "date": date, "result": result}


def test_the_last_run_counts(script: Any, tmp_path: Path) -> None:
    run(tmp_path, "new", 86400 * 400)
    run(tmp_path, "old", 86400 * 2, second="<failure/>")
    assert script.records(PROOFS, script.cases(tmp_path)) == {
        TEST: record("new", "1971-02-05", cases=2),
        STEP: record("new", "1971-02-05"),
        TASK: record("new", "1971-02-05"),
    }


@pytest.mark.parametrize(
    ("second", "expected"),
    [("<failure/>", ("failed", 2)), ("<error/>", ("failed", 2)), ("<skipped/>", ("passed", 1))],
)
def test_a_run_has_failed_where_one_case_has(
    script: Any, tmp_path: Path, second: str, expected: tuple[str, int]
) -> None:
    run(tmp_path, "abc", 0, second)
    found = script.records([TEST], script.cases(tmp_path))
    assert found[TEST] == record("abc", "1970-01-01", *expected)


def test_nothing_ran(script: Any, tmp_path: Path) -> None:
    assert script.records(PROOFS, script.cases(tmp_path)) == {}


def test_the_page_is_what_the_records_say(script: Any) -> None:
    recorded = json.loads((ROOT / "docs/proofs.json").read_text())
    known = script.proofs()
    assert len(known) == len(set(known)) > 20
    assert set(recorded) <= set(known), "run .venv/bin/python scripts/proofs"
    assert [proof for proof, each in recorded.items() if each["result"] != "passed"] == []
    assert (ROOT / "docs/proofs.md").read_text() == script.page(recorded), "run .venv/bin/python scripts/proofs"


def test_every_proof_is_there(script: Any) -> None:
    for promise in script.promises():
        assert promise["proofs"], promise["name"]
        for proof in promise["proofs"]:
            path, _, name = proof.partition(": ")
            text = (ROOT / path).read_text()
            found = rf"^def {name}\(" if path.endswith(".py") else rf"- (name|title): (Verify \| )?{re.escape(name)}$"
            assert re.search(found, text, re.MULTILINE), proof
