"""Pages in a real browser: axe in both themes, wide and on a phone; keys; refresh."""

from __future__ import annotations

import gzip
import json
import sqlite3
from contextlib import closing

from tests.dashboard.browsing import Browsing, check_looks, violations
from tests.house.repository import ROOT
from tests.running import Gateway


def test_the_login_page_is_accessible(browser: Browsing) -> None:
    with browser.page(None) as page:
        page.goto("/ui/login")
        assert violations(page) == []


def test_the_requests_are_accessible_in_both_themes_wide_and_on_a_phone(
    browser: Browsing, served: Gateway
) -> None:
    secret = served.key()
    body = {"model": "auto", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}
    assert served.chat(secret, body).status_code == 200
    check_looks(browser, "/ui/requests", "/ui/requests?state=orphaned&tz=Asia/Kolkata")


def test_a_call_is_seen_by_itself_once_the_page_refreshes(
    browser: Browsing, served: Gateway
) -> None:
    with browser.page() as page:
        page.goto("/ui/requests")
        rows = page.locator("tbody tr").count()
        page.keyboard.press("l")
        assert page.get_attribute("[data-live]", "aria-pressed") == "true"
        body = {"model": "haiku", "messages": [{"role": "user", "content": "Hello again"}]}
        assert served.chat(served.key(), body).status_code == 200
        page.locator("tbody tr").nth(rows).wait_for()
        assert page.get_attribute("[data-live]", "aria-pressed") == "true"


def test_a_refresh_that_fails_leaves_the_page_and_says_how_old_it_is(
    browser: Browsing, served: Gateway
) -> None:
    body = {"model": "haiku", "messages": [{"role": "user", "content": "Hello"}]}
    assert served.chat(served.key(), body).status_code == 200
    refresh = (
        'htmx.ajax("GET", location.href, {target: "#page", select: "#page", '
        'selectOOB: "#strip", swap: "outerHTML"})'
    )
    database = served.folder / "data" / "tollkeeper.db"
    with browser.page() as page, closing(sqlite3.connect(database, timeout=20)) as ledger:
        page.goto("/ui/requests")
        rows = page.locator("tbody tr").count()
        ledger.execute("ALTER TABLE requests RENAME TO requests_away")
        ledger.commit()
        try:
            page.evaluate(refresh)
            page.locator("[data-stale]").wait_for(state="visible")
            assert "Calls are being refused" in page.inner_text("[data-stale]")
            assert page.locator("tbody tr").count() == rows > 0
        finally:
            ledger.execute("ALTER TABLE requests_away RENAME TO requests")
            ledger.commit()
        browser.complaints.clear()  # the browser tells the 503 as well
        page.evaluate('document.querySelector("#strip").textContent = "old"')
        page.evaluate(refresh)
        page.locator("[data-stale]").wait_for(state="hidden")
        assert page.locator("tbody tr").count() == rows
        assert "Ledger" in page.inner_text("#strip")


def test_keys_go_places_and_the_help_tells_them(browser: Browsing) -> None:
    with browser.page() as page:
        page.goto("/ui/requests?state=settled")
        page.keyboard.press("?")
        assert page.is_visible("#help")
        page.keyboard.press("Escape")
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.name") == "tag"
        page.keyboard.type("gr")
        assert page.input_value("[name=tag]") == "gr"
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("g")
        page.keyboard.press("r")
        page.wait_for_url("**/ui/requests")


PLOT = {
    "times": [1_790_000_000, 1_790_086_400, 1_790_172_800],
    "series": [{"label": "spent", "values": [0, 1.5, 3], "colour": "--s1"}],
    "tz": "Asia/Kolkata",
    "dates": True,
}


def test_a_line_over_time_is_drawn_and_breaks_no_rule(browser: Browsing) -> None:
    source = "app/dashboard/static/vendor/uplot/uPlot.iife.min.js.gz"
    script = gzip.decompress((ROOT / source).read_bytes()).decode()
    with browser.page() as page:
        page.goto("/ui/prices")
        page.evaluate(f"{script}; window.uPlot = uPlot; 0")
        page.evaluate(
            """plot => {
                const place = document.createElement("div");
                place.className = "plot";
                place.dataset.plot = plot;
                document.querySelector("#page").append(place);
                document.dispatchEvent(new Event("htmx:after:swap", { bubbles: true }));
            }""",
            json.dumps(PLOT),
        )
        assert page.locator(".plot canvas").count() == 1
        assert "spent" in page.inner_text(".plot")
