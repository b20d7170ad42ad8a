"""The pages of a running room in a real Chromium: Debian's, driven by Playwright.

The room is named by FRONT_URL, WEBUI_URL, KUBECTL and ROLLOUT, which the molecule scenario `pages` sets, or by
DOOR_URL, which `class` does.
Screenshots are left in tests/output/screenshots.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "tests/output/screenshots"
WIDTHS = {"phone": (375, 812), "desktop": (1280, 900)}


def setting(name: str) -> str:
    """A setting of the room."""
    assert os.environ.get(name), f"{name} is not set: run molecule's scenario `pages` or `class`, or name a room by it."
    return os.environ[name]


def run(*command: str) -> str:
    """What a command of the room prints."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


def kubectl(*arguments: str) -> str:
    """What kubectl prints in the room."""
    return run(*shlex.split(setting("KUBECTL")), *arguments)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Chromium; root may not use its sandbox."""
    with sync_playwright() as playwright:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=options)
        yield browser
        browser.close()


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Open pages; at the end none may have complained, or asked another host."""
    complaints: list[str] = []
    hosts: set[str] = set()
    own = {urlsplit(os.environ[name]).netloc for name in ("FRONT_URL", "WEBUI_URL", "DOOR_URL") if name in os.environ}
    contexts = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    def asked(request: Request) -> None:
        hosts.add(urlsplit(request.url).netloc)

    def open_at(url: str, width: str = "desktop", scheme: str = "light") -> Page:
        size = WIDTHS[width]
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if scheme == "dark" else "light",
            # The door's certificate is of a CA of the room's own, which verify.yml judges.
            ignore_https_errors=url.startswith("https:"),
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", asked)
        page.goto(url)
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert complaints == []
    assert hosts <= own


def photograph(page: Page, name: str) -> None:
    """Leave a screenshot of the whole page."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


def assert_accessible(page: Page) -> None:
    """No violation that axe-core calls serious or critical, and nothing wider than the window."""
    found = Axe().run(page).response["violations"]
    assert [f"{item['id']}: {item['help']}" for item in found if item["impact"] in ("serious", "critical")] == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
