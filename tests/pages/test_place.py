"""The page of a student's place, below its path, through the door."""

from __future__ import annotations

from playwright.sync_api import expect
from tests.pages.conftest import OpenPage, assert_accessible, photograph, setting


def test_a_place_s_page_works_below_its_path(open_page: OpenPage) -> None:
    page = open_page(f"{setting('DOOR_URL')}/student-02/")
    below = f"{setting('DOOR_URL')}/student-02/front/"
    expect(page).to_have_url(below)
    assert_accessible(page)
    page.get_by_role("link", name="Backends").first.click()
    expect(page).to_have_url(f"{below}backends")
    expect(page.locator(".answer .large")).to_have_text(["Version 0.1", "Version 0.1"])
    page.get_by_role("link", name="Log in").click()
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("Logged in as developer")).to_be_visible()
    assert page.url.startswith(below), "whatever it leads to is in its own place"
    photograph(page, "place-developer")


def test_who_logs_in_at_one_place_is_nobody_at_another(open_page: OpenPage) -> None:
    page = open_page(f"{setting('DOOR_URL')}/student-02/front/login")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("Logged in as developer")).to_be_visible()
    page.goto(f"{setting('DOOR_URL')}/student-03/front/backends")
    expect(page.locator(".answer .large")).to_have_text(["Version 0.1", "Version 0.1"])
    expect(page.get_by_text("Logged in as developer")).to_have_count(0)
