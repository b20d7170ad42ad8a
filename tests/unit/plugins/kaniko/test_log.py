"""What kaniko 1.25 prints, and what people are told of it."""

from __future__ import annotations

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.kaniko import log as logs


def info(text: str) -> str:
    return f"\x1b[36mINFO\x1b[0m[0003] {text} "


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (info("Unpacking rootfs as cmd RUN x requires it."), "Unpacking rootfs as cmd RUN x requires it."),
        ("\x1b[33mWARN\x1b[0m[0000] Retrying", "Retrying"),
        ("INFO[0000] RUN pip install", "RUN pip install"),
        ("Collecting flask", "Collecting flask"),
        ("", ""),
    ],
)
def test_lines_are_cleaned(line: str, text: str) -> None:
    assert logs.clean(line) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("RUN pip install -r requirements.txt", True),
        ("COPY a b", True),
        ("Pushing image to registry/a:1", True),
        ("Retrieving image manifest python:3", True),
        ("Taking snapshot of full filesystem...", False),
        ("Cmd: /bin/sh", False),
    ],
)
def test_steps_are_progress_and_details_are_not(text: str, shown: bool) -> None:
    assert (logs.step(info(text)) == text) is shown


def test_a_long_step_is_cut() -> None:
    assert len(logs.step("RUN " + "x" * 500) or "") == 110


EXIT_STATUS = (
    "error building image: error building stage: failed to execute command: waiting for process to exit: exit status 1"
)
RUN_FAILED = "\n".join(
    [
        info("RUN pip install nothing"),
        info("Cmd: /bin/sh"),
        info("Running: [/bin/sh -c pip install nothing]"),
        "ERROR: No matching distribution found for nothing",
        EXIT_STATUS,
    ]
)


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (RUN_FAILED, 'its Dockerfile\'s RUN "pip install nothing" ended with exit status 1'),
        (
            info("Running: [/bin/sh -c true]") + "\n" + RUN_FAILED,
            'its Dockerfile\'s RUN "pip install nothing" ended with exit status 1',
        ),
        (
            "error building image: parsing dockerfile: dockerfile parse error on line 13: unknown instruction: RUNN",
            "its Dockerfile cannot be read (",
        ),
        (
            "error building image: error building stage: failed to optimize instructions: failed to get files used "
            "from context: failed to get fileinfo for /kaniko/buildcontext/x: lstat /kaniko/buildcontext/x: no such "
            "file or directory",
            "its Dockerfile copies what is not among its sources (failed to optimize",
        ),
        (
            "error building image: unable to complete operation after 3 attempts, last error: GET "
            "http://registry/v2/nothing/manifests/1: MANIFEST_UNKNOWN: manifest unknown",
            "its base image cannot be had (unable to complete",
        ),
        (
            "error pushing image: failed to push to destination r/a:1: connection refused",
            "the image cannot be pushed (",
        ),
        ("something else\nthe last word", "the last word"),
        ("", "kaniko said nothing"),
    ],
)
def test_failures_are_explained(log: str, reason: str) -> None:
    assert logs.reason(log).startswith(reason)


def test_the_tail_leaves_out_what_explains_nothing() -> None:
    shown = logs.tail(RUN_FAILED, lines=3)
    assert shown.splitlines() == [
        "  Running: [/bin/sh -c pip install nothing]",
        "  ERROR: No matching distribution found for nothing",
        f"  {EXIT_STATUS}",
    ]
