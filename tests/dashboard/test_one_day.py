"""An operator's day in a browser, and a key holder's, from the first login to the last."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.dashboard.browsing import Browsing, browsing
from tests.running import MASTER_KEY, Gateway, Simulated, gateway

TAKEN_UP_S = 20.0
CONFIG = """\
models:
  claude-haiku-4-5-20251001: {upstream: anthropic, aliases: [claude-haiku-4-5]}
  claude-sonnet-4-6: {upstream: anthropic}
tiers: {haiku: claude-haiku-4-5-20251001, sonnet: claude-sonnet-4-6}
"""
DEARER = CONFIG.replace(
    "claude-sonnet-4-6: {upstream: anthropic}",
    "claude-sonnet-4-6: {upstream: anthropic, cost_per_token: {output: 0.00002}}",
)
BODY = {"model": "sonnet", "max_tokens": 60, "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(scope="module")
def served(upstream: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("day")
    with gateway(folder, upstream.url, config=CONFIG) as running:
        yield running


@pytest.fixture(scope="module")
def browser(served: Gateway) -> Iterator[Browsing]:
    with browsing(served) as started:
        yield started


def spent_this_month(page: Page) -> Decimal:
    told = page.get_attribute(".strip dd span", "title") or ""
    return Decimal(told.removeprefix("$").partition(",")[0])


def test_a_day_of_an_operator_and_of_a_key_holder(browser: Browsing, served: Gateway) -> None:
    with browser.page(None) as page:
        page.goto("/ui/keys?state=all")
        assert page.inner_text("h1") == "Log in"
        page.fill("#secret", MASTER_KEY)
        page.keyboard.press("Enter")
        page.wait_for_url("**/ui/keys?state=all")
        secret = _make_a_key(page)
        first = _spend_and_see_it(page, served, secret)
        _read_the_receipt(page, served, first)
        _lower_the_budget_and_hit_it(page, served, secret)
        _change_a_price(page, served)
        newer = _rotate(page, served, secret)
        _as_the_holder(browser, newer, first)
        _revoke(page, served, newer)
        page.click("text=Log out")
        page.goto("/ui/keys")
        assert page.inner_text("h1") == "Log in"


def _make_a_key(page: Page) -> str:
    page.click("text=Create a key")
    page.fill("#name", "a day's key")
    page.fill("#max_budget_usd", "5.00")
    page.select_option("#budget_window", "month")
    page.click("button.primary")
    secret: str = page.inner_text("#secret")
    page.click("text=I have stored it")
    assert page.inner_text("h1") == "a day's key"
    return secret


def _spend_and_see_it(page: Page, served: Gateway, secret: str) -> str:
    answer = served.chat(secret, BODY)
    assert answer.status_code == 200
    answered_s = time.monotonic()
    cost = Decimal(answer.headers["x-tollkeeper-cost-usd"])
    while True:
        page.goto("/ui/requests")
        if spent_this_month(page) == cost:
            break
        assert time.monotonic() - answered_s < 10
    assert page.locator("tbody tr").count() == 1
    return answer.headers["x-request-id"]


def _read_the_receipt(page: Page, served: Gateway, request_id: str) -> None:
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/ui/requests/{request_id}")
    row = served.row(request_id)
    total = page.locator(".list tfoot").first.inner_text()
    assert f"${row['cost_usd']}" in total
    amounts = page.locator(".list").first.locator("tbody td:last-child").all_inner_texts()
    added = sum(Decimal(amount.removeprefix("$")) for amount in amounts)
    assert added == Decimal(row["cost_usd"])


def _lower_the_budget_and_hit_it(page: Page, served: Gateway, secret: str) -> None:
    page.click("text=a day's key")
    page.click("text=Edit")
    page.fill("#max_budget_usd", "0.0000001")
    page.click("text=Save")
    page.wait_for_url(lambda url: not url.endswith("/edit"))
    refused = served.chat(secret, BODY)
    assert refused.status_code == 402
    page.reload()
    page.click("text=402 budget exceeded >> xpath=ancestor::tr >> th a")
    assert page.inner_text("h1") == "Refused call"
    assert refused.json()["error"]["message"] in page.inner_text(".lead")
    page.click("text=a day's key")
    page.click("text=Edit")
    page.fill("#max_budget_usd", "5.00")
    page.click("text=Save")
    page.wait_for_url(lambda url: not url.endswith("/edit"))


def _change_a_price(page: Page, served: Gateway) -> None:
    Path(served.folder / "config.yaml").write_text(DEARER)
    deadline_s = time.monotonic() + TAKEN_UP_S
    while time.monotonic() < deadline_s:
        page.goto("/ui/prices")
        if page.locator("text=▲ override").count():
            break
        time.sleep(0.2)
    (row,) = [row for row in served.admin("GET", "prices")["data"] if row["origin"] == "config"]
    shown = page.locator("td:has-text('▲ override') .num").first
    assert shown.get_attribute("title") == f"${row['usd_per_token']} per token"
    assert shown.inner_text() == "$20.00"


def _rotate(page: Page, served: Gateway, secret: str) -> str:
    page.goto(f"/ui/keys/{served.own_key(secret)['id']}")
    page.select_option("#overlap_s", "0")
    page.click("text=Make a new secret")
    newer: str = page.inner_text("#secret")
    assert served.chat(newer, BODY).status_code == 200
    page.click("text=I have stored it")
    return newer


def _as_the_holder(browser: Browsing, secret: str, request_id: str) -> None:
    with browser.page(secret) as page:
        assert page.url.endswith("/ui/me")
        assert page.inner_text("h1") == "a day's key"
        assert page.locator("nav a").all_inner_texts() == ["My key"]
        page.click(f"a[href='/ui/me/requests/{request_id}']")
        assert page.inner_text("h1") == "Receipt"
        page.goto("/ui/keys")
        assert page.url.endswith("/ui/me")


def _revoke(page: Page, served: Gateway, secret: str) -> None:
    key = served.own_key(secret)
    page.fill("#confirm", key["name"])
    page.click("text=Revoke this key")
    page.locator("text=revoked").first.wait_for()
    assert served.admin("GET", f"keys/{key['id']}")["revoked_at"] is not None
