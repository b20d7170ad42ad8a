"""front: who answers, as whom, and how often."""

from __future__ import annotations

import json
import shlex
import time

import pytest
from playwright.sync_api import Page, expect
from scipy.stats import fisher_exact
from tests.pages.conftest import OpenPage, assert_accessible, kubectl, photograph, run, setting

BOTH = ("aleph", "beth")
MINUTE = 60_000


def versions(page: Page) -> list[str]:
    """What the cards say."""
    return [text.strip() for text in page.locator(".answer .large").all_inner_texts()]


def ask_a_hundred_times(page: Page) -> dict[str, dict[str, int]]:
    """Press the button, and read the counts by backend."""
    page.get_by_role("button", name="Ask 100 times").click()
    expect(page.locator("#said")).to_have_text("Done: 100 requests.", timeout=2 * MINUTE)
    return {
        backend: {
            str(line.get_attribute("data-name")): int(str(line.get_attribute("data-count")))
            for line in page.locator(f"[data-backend={backend}] .counts li").all()
        }
        for backend in BOTH
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", ["phone", "desktop"])
@pytest.mark.parametrize("path", ["", "backends", "login", "logout"])
def test_every_page_is_accessible_at_every_width(open_page: OpenPage, path: str, width: str, scheme: str) -> None:
    page = open_page(f"{setting('FRONT_URL')}/{path}", width, scheme)
    assert_accessible(page)
    photograph(page, f"front-{path or 'start'}-{width}-{scheme}")


def test_the_developer_gets_the_new_version_during_a_dark_launch(open_page: OpenPage) -> None:
    page = open_page(f"{setting('FRONT_URL')}/backends")
    assert versions(page) == ["Version 0.1", "Version 0.1"]
    expect(page.get_by_text("by the developer's route")).to_have_count(0)

    page.get_by_role("link", name="Log in").click()
    expect(page.get_by_label("Name")).to_have_value("developer")
    page.get_by_role("button", name="Log in").click()
    assert versions(page) == ["Version 0.3", "Version 0.3"]
    expect(page.get_by_text("by the developer's route")).to_have_count(2)
    expect(page.get_by_text("Logged in as developer")).to_be_visible()
    photograph(page, "front-developer")
    assert ask_a_hundred_times(page) == {backend: {"version 0.3": 100} for backend in BOTH}

    page.get_by_role("button", name="Log out").click()
    page.get_by_role("link", name="Backends").click()
    assert versions(page) == ["Version 0.1", "Version 0.1"]


def test_a_backend_that_is_away_is_shown_where_it_belongs(open_page: OpenPage) -> None:
    page = open_page(f"{setting('FRONT_URL')}/backends")
    kubectl("--namespace=staging", "scale", "--replicas=0", "deployment/beth-v01", "--timeout=60s")
    try:
        kubectl(
            "--namespace=staging", "wait", "--for=delete", "pod", "--selector=app=beth,version=v01", "--timeout=90s"
        )
        page.get_by_role("link", name="Ask again").click()
        cards = page.locator(".answer")
        expect(cards.nth(0)).to_contain_text("Version 0.1")
        expect(cards.nth(1)).to_contain_text("Error")
        expect(cards.nth(1)).to_contain_text("503")
        assert_accessible(page)
        photograph(page, "front-error")
        assert ask_a_hundred_times(page) == {"aleph": {"version 0.1": 100}, "beth": {"errors": 100}}
    finally:
        kubectl("--namespace=staging", "scale", "--replicas=1", "deployment/beth-v01")
        kubectl("--namespace=staging", "rollout", "status", "deployment/beth-v01", "--timeout=120s")


def test_the_drawn_split_agrees_with_the_load_clients_count(open_page: OpenPage) -> None:
    run(*shlex.split(setting("ROLLOUT")))
    started = int(time.time())  # whole seconds, and no time that is still to come
    page = open_page(f"{setting('FRONT_URL')}/backends", "phone", "dark")
    drawn = ask_a_hundred_times(page)
    assert_accessible(page)
    photograph(page, "front-split-phone-dark")
    time.sleep(max(0, started + 30 - time.time()))
    command = ["python", "-m", "load", "report", f"--since={started}", f"--until={started + 30}"]
    report = json.loads(kubectl("--namespace=staging", "exec", "deployment/load", "--container=load", "--", *command))
    for backend in BOTH:
        counted = report["targets"][backend]["versions"]
        ours = [drawn[backend][f"version {tag}"] for tag in ("0.1", "0.3")]
        assert sum(ours) == 100
        theirs = [counted[tag] for tag in ("0.1", "0.3")]
        assert sum(theirs) >= 100
        # Two samples of one split: the chance that honest ones differ more than this is one in ten thousand.
        assert fisher_exact([ours, theirs]).pvalue > 1e-4, (ours, theirs)
    desktop = open_page(f"{setting('FRONT_URL')}/backends")
    ask_a_hundred_times(desktop)
    photograph(desktop, "front-split-desktop-light")
