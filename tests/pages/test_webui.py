"""webui: the mining speed as it is."""

from __future__ import annotations

import json
import re
import time
import urllib.request

import pytest
from playwright.sync_api import expect
from tests.pages.conftest import OpenPage, assert_accessible, photograph, setting


def counted() -> tuple[float, int]:
    """The time, and redis' counter."""
    with urllib.request.urlopen(f"{setting('WEBUI_URL')}/json", timeout=10) as answer:
        read = json.load(answer)
    return read["now"], read["hashes"]


def test_the_average_shown_agrees_with_the_counter(open_page: OpenPage) -> None:
    page = open_page(setting("WEBUI_URL"))
    before, hashes = counted()
    expect(page.locator("#span")).to_have_text("over the last minute", timeout=90_000)
    now, more = counted()
    shown = float(page.locator("#average").inner_text())
    speed = (more - hashes) / (now - before)
    assert speed > 0.5
    assert shown == pytest.approx(speed, rel=0.05)
    assert page.locator("#line").get_attribute("d")
    assert_accessible(page)
    photograph(page, "webui-desktop-light")


@pytest.mark.parametrize(("width", "scheme"), [("phone", "dark"), ("phone", "light"), ("desktop", "dark")])
def test_it_is_accessible_at_every_width(open_page: OpenPage, width: str, scheme: str) -> None:
    page = open_page(setting("WEBUI_URL"), width, scheme)
    # webui looks at redis from the first question on, and knows a speed after five seconds.
    expect(page.locator("#speed")).to_have_text(re.compile(r"\d"), timeout=15_000)
    time.sleep(10)
    assert_accessible(page)
    photograph(page, f"webui-{width}-{scheme}")
