"""A test that did not run proves nothing, and neither does one that a busy machine makes fail."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings

# The same examples each time, and no time-outs of single ones.
settings.register_profile(
    "ours", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ours")

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)
WITHOUT_REASON = {"", "unconditional skip"}


def forbidden(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Why a skip is a failure, in a sentence; empty when it is none."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return ""
    said = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = said.removeprefix("Skipped").lstrip(": ")
    if reason in WITHOUT_REASON:
        return f"{report.nodeid} was skipped without a reason: say why."
    if os.environ.get("CI"):
        return f"{report.nodeid} was skipped, which CI does not allow: {reason}"
    return ""


def judge(report: Report) -> Report:
    sentence = forbidden(report)
    if sentence:
        report.outcome, report.longrepr = "failed", sentence
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skipped test."""
    return judge((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A skipped module."""
    return judge((yield))
