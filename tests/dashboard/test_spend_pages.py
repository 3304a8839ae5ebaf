"""Overview, Spend and Budgets: each figure is the admin API's, in every form, and looks well."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.dashboard.browsing import Browsing, browsing, check_looks, visitor
from tests.running import Gateway, Simulated, gateway

LONG = "batch " + "x" * 190
CONFIG = """\
budgets: {global: {max_budget_usd: 40, window: month}}
"""
MOST_BYTES = 150_000


@pytest.fixture(scope="module")
def served(upstream: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Calls by keys of every kind of name, of several models, tags and users."""
    with gateway(tmp_path_factory.mktemp("spent"), upstream.url, config=CONFIG) as running:
        running.admin("POST", "teams", {"name": "platform", "max_budget_usd": "20"})
        secrets = [
            running.key(name="agents", max_budget_usd="5.00", team="platform"),
            running.key(name="<b>support</b>", max_budget_usd="0.02", budget_window="day"),
            running.key(name="مفتاح البحث"),
            running.key(name=LONG, conversation_budget_usd="0.5"),
        ]
        for place in range(16):
            body = {
                "model": ("haiku", "sonnet", "claude-opus-4-8")[place % 3],
                "max_tokens": 20 + place,
                "messages": [{"role": "user", "content": f"Question {place} " * (place + 1)}],
                "user": ("ann", "bob")[place % 2],
                "metadata": {"feature": ("invoice", "search")[place % 2], "env": "prod"},
            }
            assert running.chat(secrets[place % 4], body).status_code == 200
        refused = {**body, "max_tokens": 60_000, "model": "claude-opus-4-8"}
        assert running.chat(secrets[1], refused).status_code == 402
        yield running


@pytest.fixture(scope="module")
def browser(served: Gateway) -> Iterator[Browsing]:
    with browsing(served) as started:
        yield started


def test_the_twins_of_spend_are_the_admin_apis_rows(served: Gateway) -> None:
    with visitor(served) as operator:
        for by in ("key", "model", "tag", "user", "day,model", "team", "conversation", "hour"):
            sort = "-requests"
            api = served.admin("GET", f"spend?group_by={by}&sort={sort}&from=2026-01-01")
            told = operator.get(f"/ui/spend.json?by={by}&sort={sort}&from=2026-01-01").json()
            assert told["data"] == api["data"], by
            assert told["totals"] == api["totals"], by
            assert api["totals"]["requests"] == 16, by
            text = operator.get(f"/ui/spend.csv?by={by}&sort={sort}&from=2026-01-01").content
            rows = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"))))
            assert [row["cost_usd"] for row in rows] == [row["cost_usd"] for row in api["data"]], by


@pytest.mark.parametrize("query", ["by=key", "by=tag&user=ann", "by=day&and=model", "by=user"])
def test_every_sum_on_the_page_is_exactly_the_apis(served: Gateway, query: str) -> None:
    """The exact figure stands in each amount's title."""
    asked = query.replace("&and=", ",").replace("by=", "group_by=")
    api = served.admin("GET", f"spend?{asked}")
    with visitor(served) as operator:
        page = operator.get(f"/ui/spend?{query}&range=30d").text
    shown = _exact_amounts(page)
    for row in api["data"]:
        assert _dollars(row["cost_usd"]) in shown, row
    assert _dollars(api["totals"]["cost_usd"]) in shown
    assert f">{api['totals']['requests']}<" in page


def test_the_overviews_sums_are_the_apis(served: Gateway) -> None:
    totals = served.admin("GET", "spend")["totals"]
    with visitor(served) as operator:
        page = operator.get("/ui").text
        told = operator.get("/ui.json").json()
    assert told["totals"] == totals
    shown = _exact_amounts(page)
    assert _dollars(totals["cost_usd"]) in shown
    for key in served.admin("GET", "spend?group_by=key")["data"]:
        assert _dollars(key["cost_usd"]) in shown, key


def test_names_are_shown_as_they_are_and_never_as_html(served: Gateway) -> None:
    with visitor(served) as operator:
        for path in ("/ui", "/ui/spend", "/ui/budgets"):
            page = operator.get(path).text
            assert "<b>support" not in page, path
            assert "&lt;b&gt;support" in page, path


def test_every_budget_stands_on_the_page_with_what_is_left(served: Gateway) -> None:
    keys = {key["name"]: key for key in served.admin("GET", "keys")["data"]}
    with visitor(served) as operator:
        rows = operator.get("/ui/budgets.json").json()["data"]
        page = html.unescape(operator.get("/ui/budgets").text)
    found = {(row["scope"], row["name"]): row for row in rows}
    agents = found["key", "agents"]
    assert agents["spent_usd"] == keys["agents"]["spent_usd"]
    assert agents["remaining_usd"] == keys["agents"]["remaining_usd"]
    assert found["team", "platform"]["spent_usd"] == keys["agents"]["spent_usd"]
    assert found["global", "all keys"]["limit_usd"] == "40.00"
    total = served.admin("GET", "spend")["totals"]["cost_usd"]
    assert Decimal(found["global", "all keys"]["spent_usd"]) == Decimal(total)
    conversations = [row for row in rows if row["scope"] == "conversation"]
    assert {row["name"] for row in conversations} == {LONG}
    assert len({row["part"] for row in conversations}) == 4
    assert _dollars(agents["remaining_usd"]) in _exact_amounts(page)


def test_a_comparison_tells_why_the_sum_changed_and_its_effects_add_up(served: Gateway) -> None:
    with visitor(served) as operator:
        page = operator.get("/ui/spend?range=today&compare=prev").text
    effects = [
        Decimal(text.replace("−", "-").replace("$", "").replace(",", ""))
        for text in re.findall(r'title="\+?(−?\$[0-9.,]+)">[+−]?[<$]', page.partition("Why it")[2])
    ]
    assert effects[-1] == sum(effects[:-1])
    assert effects[-1] == Decimal(served.admin("GET", "spend")["totals"]["cost_usd"])


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("by=shoe", "By must be of key, team, model"),
        ("by=key,model,day", "By: two groups are as many as a page shows"),
        ("from=yesterday", "From is not a date"),
        ("tz=Mars", "is no time zone"),
        ("to=0001-01-01", "To must lie between 1970 and 4000"),
        ("from=9999-12-31", "From must lie between 1970 and 4000"),
        ("sort=shoe", "Unknown column 'shoe'"),
        ("cursor=shoe", "Cursor is not one that this report gave"),
    ],
)
def test_what_a_page_cannot_be_asked_is_said(served: Gateway, query: str, told: str) -> None:
    with visitor(served) as operator:
        answer = operator.get(f"/ui/spend?{query}")
    assert answer.status_code == 400
    assert told in html.unescape(answer.text)


def test_a_range_next_to_which_there_is_none_is_shown_all_the_same(served: Gateway) -> None:
    with visitor(served) as operator:
        for page in ("/ui", "/ui/spend", "/ui/requests", "/ui/savings"):
            answer = operator.get(f"{page}?from=1970-01-01&to=3999-12-31&compare=prev")
            assert answer.status_code == 200, page


def test_a_filter_keeps_both_groups(served: Gateway) -> None:
    with visitor(served) as operator:
        page = operator.get("/ui/spend?by=key&and=model").text
    form = page.partition('role="search"')[2].partition("</form>")[0]
    assert '<input type="hidden" name="by" value="key">' in form
    assert '<input type="hidden" name="and" value="model">' in form


def test_they_are_accessible_in_both_themes_wide_and_on_a_phone(browser: Browsing) -> None:
    check_looks(browser, "/ui", "/ui/spend?by=day&and=model&compare=prev", "/ui/budgets")
    check_looks(browser, "/ui/budgets/windows?scope=global")


def test_a_page_weighs_little_with_all_that_it_loads(browser: Browsing) -> None:
    with browser.page() as page:
        bodies: list[int] = []
        page.on("response", lambda answer: bodies.append(_transferred(answer)))
        page.goto("/ui")
        page.wait_for_load_state("networkidle")
        assert len(bodies) > 3
        assert sum(bodies) <= MOST_BYTES


def test_a_key_opens_the_comparison(browser: Browsing) -> None:
    with browser.page() as page:
        page.goto("/ui/spend")
        page.keyboard.press("x")
        page.wait_for_url("**compare=prev**")
        assert "Why it changed" in page.inner_text("#page")


def _transferred(answer: Any) -> int:
    sizes = answer.request.sizes()
    return int(sizes["responseBodySize"]) + int(sizes["responseHeadersSize"])


def _exact_amounts(page: str) -> set[Decimal]:
    found = re.findall(r"(?:title=\"|>)(−?\$[0-9.,]+)", page)
    return {_dollars(text.replace("−", "-").replace("$", "").replace(",", "")) for text in found}


def _dollars(text: str) -> Decimal:
    return Decimal(text)
