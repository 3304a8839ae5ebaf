"""A browser for tests: the system's Chromium, logged in or not, and axe to judge what it shows.

It is found where the system's package manager put it. Without one the tests that need it are
skipped and say so; under CI=true they fail.
"""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.running import MASTER_KEY, Gateway

NAMES = (
    *("chromium-headless-shell", "chromium", "chromium-browser"),
    *("google-chrome", "google-chrome-stable"),
)
WIDE, PHONE = (1280, 900), (390, 844)
THEMES = ("light", "dark")
WAIT_MS = 10_000
NO_COMPLAINT = ("verbose", "info", "debug", "log")


def chromium() -> str:
    """Where it is; skips the test, or fails it under CI=true, where there is none."""
    named = os.environ.get("TOLLKEEPER_TEST_CHROMIUM")
    for name in (named, *NAMES) if named else NAMES:
        found = shutil.which(name)
        if found is not None:
            return found
    told = (
        "NOT RUN: tests in a browser need the system's Chromium: `apt-get install chromium` (or "
        "your system's package manager), or name one in TOLLKEEPER_TEST_CHROMIUM"
    )
    if os.environ.get("CI") == "true":
        pytest.fail(told)
    pytest.skip(told)


@dataclass
class Browsing:
    """A browser in front of a gateway; `complaints` are its console's errors and broken rules."""

    gateway: Gateway
    browser: Browser
    complaints: list[str] = field(default_factory=list)

    @contextmanager
    def page(
        self, secret: str | None = MASTER_KEY, size: tuple[int, int] = WIDE, theme: str = "light"
    ) -> Iterator[Page]:
        """A page in a context of its own, logged in with `secret` unless it is None."""
        context = self.browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if theme == "dark" else "light",
            base_url=self.gateway.url,
            permissions=["clipboard-read", "clipboard-write"],
        )
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        try:
            if secret is not None:
                log_in(page, secret)
            yield page
        finally:
            context.close()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type not in NO_COMPLAINT:
            self.complaints.append(f"{message.type}: {message.text}")


@contextmanager
def browsing(gateway: Gateway) -> Iterator[Browsing]:
    path = chromium()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path)
        try:
            yield Browsing(gateway, started)
        finally:
            started.close()


def log_in(page: Page, secret: str) -> None:
    page.goto("/ui/login")
    page.fill("#secret", secret)
    page.click("button.primary")
    page.wait_for_url(lambda url: "/ui/login" not in url)


def violations(page: Page) -> list[str]:
    """What axe finds wrong with the page as it stands."""
    page.evaluate(_axe())  # by the browser's own door: the page's policy lets no script in
    found: list[dict[str, Any]] = page.evaluate("async () => (await axe.run()).violations")
    return [
        f"{each['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
        for each in found
        for node in each["nodes"]
    ]


def is_wider_than_its_window(page: Page) -> bool:
    wider: bool = page.evaluate(
        "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    )
    return wider


def check_looks(browser: Browsing, *paths: str, secret: str = MASTER_KEY) -> None:
    """Every path, in both themes, wide and on a phone: nothing for axe, nothing cut off."""
    found = []
    for theme in THEMES:
        for size in (WIDE, PHONE):
            with browser.page(secret, size, theme) as page:
                for path in paths:
                    answer = page.goto(path)
                    where = f"{path} {theme} {size[0]}"
                    if answer is None or answer.status != 200:
                        found.append(f"{where}: {answer and answer.status}")
                    found += [f"{where}: {each}" for each in violations(page)]
                    if is_wider_than_its_window(page):
                        found.append(f"{where}: wider than its window")
    assert found == [], "\n".join(found)


@cache
def _axe() -> str:
    packed = Path(__file__).parent / "axe" / "axe.min.js.gz"
    return gzip.decompress(packed.read_bytes()).decode()


@dataclass
class Visitor:
    """Someone without a browser: the same cookies and forms, by HTTP."""

    gateway: Gateway
    http: httpx2.Client

    def get(self, path: str, **headers: str) -> httpx2.Response:
        return self.http.get(path, headers=headers)

    def token(self, path: str) -> str:
        """What the forms of a page carry."""
        text = self.http.get(path).text
        return text.partition('name="csrf" value="')[2].partition('"')[0]

    def post(self, path: str, form: dict[str, str], page: str, **headers: str) -> httpx2.Response:
        """A form of `page`, sent to `path`."""
        return self.http.post(path, data={"csrf": self.token(page), **form}, headers=headers)


@contextmanager
def visitor(gateway: Gateway, secret: str | None = MASTER_KEY) -> Iterator[Visitor]:
    with httpx2.Client(base_url=gateway.url, timeout=30) as http:
        made = Visitor(gateway, http)
        if secret is not None:
            answer = made.post("/ui/login", {"secret": secret, "next": ""}, "/ui/login")
            assert answer.status_code == 303, answer.text
        yield made
