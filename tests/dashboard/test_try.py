"""A prompt from the page: a real call, billed to the key that was chosen."""

from __future__ import annotations

import json
from typing import Any

from tests.dashboard.browsing import Browsing, check_looks, visitor
from tests.running import Gateway, Simulated


def sent(served: Gateway, form: dict[str, str], **headers: str) -> Any:
    with visitor(served) as operator:
        whole = {"model": "haiku", "max_tokens": "40", "prompt": "Hello", **form}
        return operator.post("/ui/try", whole, "/ui/try", **headers)


def test_a_streamed_answer_is_billed_to_the_chosen_key(served: Gateway) -> None:
    secret = served.key(name="payer", max_budget_usd="1")
    answer = sent(served, {"key": "payer"}, accept="text/event-stream")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "content-security-policy" in answer.headers
    events = [json.loads(part.removeprefix("data: ")) for part in answer.text.split("\n\n") if part]
    assert "".join(event.get("text", "") for event in events)
    done = events[-1]["done"]
    row = served.row(done["request_id"])
    assert row["cost_usd"] == done["cost_usd"] == served.own_key(secret)["spent_usd"]
    assert (row["key_id"], row["stream"], row["tags"]) == (
        *(served.own_key(secret)["id"], True, ["dashboard"]),
    )


def test_without_a_script_the_whole_answer_comes_with_the_page(served: Gateway) -> None:
    key = served.own_key(served.key(name="whole"))
    answer = sent(served, {"key": key["prefix"], "system": "Be short"})
    assert answer.status_code == 200
    row = served.rows()[0]
    assert row["key_id"] == key["id"]
    assert f"/ui/requests/{row['id']}" in answer.text
    assert row["cost_usd"] in answer.text


def test_what_the_key_may_not_do_is_refused_in_place(served: Gateway, upstream: Simulated) -> None:
    gone = served.own_key(served.key(name="gone"))["id"]
    served.admin("DELETE", f"keys/{gone}")
    served.key(name="poor", max_budget_usd="0.000001")
    served.key(name="haiku only", models=["haiku"])
    calls = len(upstream.messages())
    for form, told in (
        ({"key": gone}, "revoked"),
        ({"key": "nobody"}, "nobody"),
        ({"key": "poor"}, "budget"),
        ({"key": "haiku only", "model": "sonnet"}, "may not use"),
        ({"key": "poor", "max_tokens": "x"}, "whole number"),
        ({"key": "poor", "prompt": " "}, "prompt"),
        ({"key": ""}, "key"),
    ):
        page = sent(served, form)
        assert page.status_code == 400, form
        assert told in page.text
        program = sent(served, form, accept="text/event-stream")
        assert program.status_code >= 400, form
    assert len(upstream.messages()) == calls
    kept = served.admin("GET", "refusals?limit=1000")["data"]
    assert [each["code"] for each in kept] == [
        *("model_not_allowed", "model_not_allowed", "budget_exceeded", "budget_exceeded"),
    ]
    assert {each["model"] for each in kept} == {"haiku", "sonnet"}
    assert kept[-1]["budget"]["scope"] == "key"


def test_an_answer_comes_in_a_browser_with_its_cost_and_receipt(
    browser: Browsing, served: Gateway
) -> None:
    served.key(name="from the browser")
    with browser.page() as page:
        page.goto("/ui/try")
        page.fill("#key", "from the browser")
        page.select_option("#model", "haiku")
        page.fill("#prompt", "Hello")
        page.click("text=Send")
        page.locator("[data-told]").wait_for(state="visible")
        request_id = page.inner_text("[data-of=request_id]")
        assert served.row(request_id)["cost_usd"] == page.inner_text("[data-of=cost_usd]")
        assert page.inner_text("[data-answer]")
        page.click("[data-of=request_id]")
        assert page.inner_text("h1") == "Receipt"
        page.goto("/ui/try")
        page.fill("#key", "nobody")
        page.fill("#prompt", "Hello")
        page.click("text=Send")
        page.locator("[data-problem]").wait_for(state="visible")
        assert "nobody" in page.inner_text("[data-problem]")
    told = [each for each in browser.complaints if "400" in each or "404" in each]
    browser.complaints[:] = [each for each in browser.complaints if each not in told]


def test_the_page_is_accessible_and_fits_a_phone(browser: Browsing) -> None:
    check_looks(browser, "/ui/try")
