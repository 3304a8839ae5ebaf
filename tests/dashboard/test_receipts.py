"""Receipts: sums that add up to the cost, to the last digit."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import Any

import pytest

from app.dashboard.figures.receipt import amount, money_lines, sentence
from app.store.records.request_views import RequestDetails
from tests.dashboard.browsing import Browsing, check_looks, visitor
from tests.running import Gateway, Simulated

ORIGINS = dict.fromkeys(
    ("input", "output", "cache_write_5m", "cache_write_1h", "cache_read"), "price_book"
)
RATES: dict[str, Any] = {
    "model": "claude-sonnet-4-6",
    "effective_from": "2026-03-13",
    "above_prompt_tokens": 0,
    "usd_per_token": {
        "input": "0.000003",
        "output": "0.000015",
        "cache_write_5m": "0.00000375",
        "cache_write_1h": "0.000006",
        "cache_read": "0.0000003",
    },
    "multiplier": "1",
    "usd_per_web_search": "0.01",
    "origins": ORIGINS,
}


def row(**given: Any) -> RequestDetails:
    numbers = dict.fromkeys(
        [
            *("input_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens"),
            *("cache_read_tokens", "output_tokens", "reasoning_tokens", "web_search_requests"),
            *("cost_nano_usd", "input_nano_usd", "cache_write_5m_nano_usd"),
            *("cache_write_1h_nano_usd", "cache_read_nano_usd", "output_nano_usd"),
            *("server_tools_nano_usd", "other_nano_usd", "cache_savings_nano_usd"),
            *("routing_savings_nano_usd", "reserved_nano_usd", "created_us"),
        ],
        0,
    )
    texts = dict.fromkeys(
        ["id", "key_id", "dialect", "requested_model", "model", "route_reason", "upstream"], "x"
    )
    nothing = dict.fromkeys(
        [
            *("upstream_request_id", "upstream_message_id", "cache_discount_nano_usd"),
            *("cache_miss_reason", "cache_miss_nano_usd", "status", "error_code", "latency_ms"),
            *("ttft_ms", "end_user", "conversation", "attempt_details", "routing", "cache_plan"),
            "outcome",
        ]
    )
    fields: dict[str, Any] = {
        **numbers,
        **texts,
        **nothing,
        "state": "settled",
        "cost_source": "computed",
        "attempts": 1,
        "stream": False,
        "tags": (),
        "rates": RATES,
        **given,
    }
    return RequestDetails(**fields)


def told(of: RequestDetails) -> list[tuple[str, str]]:
    return [(line.label, amount(line.pico)) for line in money_lines(of)]


def test_each_category_is_tokens_times_rate() -> None:
    call = row(
        cache_write_5m_tokens=12_304,
        output_tokens=550,
        cache_write_5m_nano_usd=46_140_000,
        output_nano_usd=8_250_000,
        cost_nano_usd=54_390_000,
    )
    assert told(call) == [("Cache write, 5 min", "$0.04614"), ("Output", "$0.00825")]
    assert sentence(call) == (
        "$0.05439: 12,304 tokens were written to the cache (84.8 %), 550 tokens came out."
    )


def test_what_a_rate_makes_finer_than_a_nano_dollar_is_rounded_in_a_line_of_its_own() -> None:
    rates = {**RATES, "multiplier": "1.1", "usd_per_token": {**RATES["usd_per_token"]}}
    rates["usd_per_token"]["input"] = "0.000000125"
    # 7 x 125,000 pico x 1.1 = 962,500 pico: 962.5 nano, half to even 962
    call = row(input_tokens=7, input_nano_usd=962, cost_nano_usd=962, rates=rates)
    assert told(call) == [("Input, not cached", "$0.0000009625"), ("Rounding", "−$0.0000000005")]


def test_each_model_in_an_answer_has_its_own_rates() -> None:
    haiku = {**RATES, "model": "claude-haiku-4-5", "usd_per_token": {**RATES["usd_per_token"]}}
    haiku["usd_per_token"]["output"] = "0.000005"
    tokens = dict.fromkeys(ORIGINS, 0)
    parts = [
        {"kind": "message", **haiku, "tokens": {**tokens, "output": 10}, "web_search_requests": 0},
        {
            "kind": "fallback_message",
            **RATES,
            "tokens": {**tokens, "output": 4},
            "web_search_requests": 2,
        },
    ]
    call = row(
        output_tokens=14,
        output_nano_usd=110_000,
        server_tools_nano_usd=20_000_000,
        cost_nano_usd=20_110_000,
        rates={**RATES, "parts": parts},
    )
    assert told(call) == [
        ("Output", "$0.00005"),
        ("Output (fallback)", "$0.00006"),
        ("Web searches", "$0.02"),
    ]


def test_a_bill_a_lost_attempt_and_a_correction_are_lines_too() -> None:
    billed = {"usd": "0.02", "computed_usd": "0.015", "difference_usd": "0.005"}
    answer = {"output_tokens": 1_000, "output_nano_usd": 15_000_000}
    rates = {**RATES, "billed": billed}
    call = row(**answer, rates=rates, other_nano_usd=7_000_000, cost_nano_usd=22_000_000)
    assert told(call) == [
        ("Output", "$0.015"),
        ("Difference to the upstream’s bill", "$0.005"),
        ("Attempts without a whole answer", "$0.002"),
    ]
    corrected = row(
        **answer, other_nano_usd=-5_000_000, cost_nano_usd=10_000_000, cost_source="corrected"
    )
    assert told(corrected) == [("Output", "$0.015"), ("Correction by hand", "−$0.005")]


def test_a_call_that_runs_or_came_to_nothing_says_so() -> None:
    assert sentence(row(state="reserved", reserved_nano_usd=5_000_000, cost_source=None)) == (
        "Running: $0.005 is held for it."
    )
    assert sentence(row(rates=None, cost_source=None)) == "$0.00: nothing was billed."
    lost = row(rates=None, state="orphaned", other_nano_usd=5, cost_nano_usd=5)
    assert told(lost) == [("Attempts without a whole answer", "$0.000000005")]


def call(served: Gateway, secret: str, **more: Any) -> str:
    body = {"model": "auto", "max_tokens": 60, "messages": [{"role": "user", "content": "Hi"}]}
    answer = served.chat(secret, {**body, **more}, **{"x-tollkeeper-tags": "=SUM(A1),prod"})
    assert answer.status_code == 200, answer.text
    return answer.headers["x-request-id"]


def test_a_receipts_sum_is_the_ledgers_cost(served: Gateway) -> None:
    request_id = call(served, served.key(name="<b>bold</b>"))
    ledger = served.row(request_id)
    with visitor(served) as operator:
        page = operator.get(f"/ui/requests/{request_id}")
        assert page.status_code == 200
        assert f"${ledger['cost_usd']}" in page.text
        assert "<b>bold" not in page.text
        assert "&lt;b&gt;bold&lt;/b&gt;" in page.text
        assert operator.get(f"/ui/requests/{request_id}.json").json() == ledger
        lines = list(
            csv.DictReader(
                io.StringIO(
                    operator.get(f"/ui/requests/{request_id}.csv").content.decode("utf-8-sig")
                )
            )
        )
    assert sum(Decimal(line["amount_usd"]) for line in lines) == Decimal(ledger["cost_usd"])
    for line in lines:
        product = Decimal(line["tokens"]) * Decimal(line["usd_per_token"])
        assert product == Decimal(line["amount_usd"])


def test_a_receipt_tells_what_each_feature_added_to_the_score(served: Gateway) -> None:
    request_id = call(served, served.key(), model="auto")
    features = served.row(request_id)["routing"]["features"]
    with visitor(served) as operator:
        page = operator.get(f"/ui/requests/{request_id}").text
    for name, (counted, added) in features.items():
        row = page.partition(f'<th scope="row">{name.replace("_", " ")}</th>')[2]
        cells = [text.partition("<")[0] for text in row.split(">")[1:4:2]]
        assert cells == [f"{counted:,}", f"{added:+.3f}"]
    assert features


def test_the_list_is_the_admin_apis_list_and_its_csv_runs_nothing(served: Gateway) -> None:
    request_id = call(served, served.key())
    with visitor(served) as operator:
        for query in ("", "?state=settled", "?sort=-cost", "?model=sonnet", "?min_cost_usd=0.9"):
            api = served.admin("GET", f"requests{query.replace('-cost', 'cost')}")
            assert operator.get(f"/ui/requests.json{query}").json()["data"] == api["data"]
            text = operator.get(f"/ui/requests.csv{query}").content.decode("utf-8-sig")
            ids = [line["id"] for line in csv.DictReader(io.StringIO(text, newline=""))]
            assert ids == [row["id"] for row in api["data"]]
            page = operator.get(f"/ui/requests{query}").text
            assert page.count("<tr data-href=") == len(api["data"])
        text = operator.get("/ui/requests.csv").content.decode("utf-8-sig")
        first = next(csv.DictReader(io.StringIO(text)))
        assert first["id"] == request_id
        assert first["tags"] == '["=SUM(A1)","prod"]'


def test_a_list_goes_on_by_pages_and_filters_can_be_taken_away(served: Gateway) -> None:
    secret = served.key(name="of many calls")
    own = served.own_key(secret)["id"]
    for _ in range(51):
        call(served, secret)
    with visitor(served) as operator:
        first = operator.get(f"/ui/requests?key_id={own}").text
        assert first.count("<tr data-href=") == 50
        assert "50 of many, newest first." in first
        _, _, rest = first.partition('rel="next"')
        href = first.partition('" rel="next"')[0].rpartition('href="')[2].replace("&amp;", "&")
        second = operator.get(href).text
        assert second.count("<tr data-href=") == 1
        assert rest
        assert "Key id: <bdi>" in first
        nothing = operator.get(f"/ui/requests?key_id={own}&state=orphaned").text
        assert "None of the calls match." in nothing


def test_a_guessed_cost_is_settled_with_a_note_and_once(
    served: Gateway, upstream: Simulated
) -> None:
    upstream.faults({"kind": "reset_mid_stream"}, times=1)
    secret = served.key()
    body = {"model": "haiku", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    answer = served.chat(secret, body)
    request_id = answer.headers["x-request-id"]
    if served.row(request_id)["cost_source"] != "estimated":
        pytest.fail(f"the simulated upstream did not cut the stream: {served.row(request_id)}")
    path = f"/ui/requests/{request_id}"
    with visitor(served) as operator:
        assert "Settle" in operator.get(path).text
        form = {"cost_usd": "$0.0125", "note": ""}
        assert operator.post(f"{path}/settle", form, path).status_code == 400
        form = {"cost_usd": "$0.0125", "note": "invoice 11"}
        assert operator.post(f"{path}/settle", form, path).headers["location"] == path
        assert "Correction by hand" in operator.get(path).text
        assert f'action="{path}/settle"' not in operator.get(path).text
    settled = served.row(request_id)
    assert (settled["cost_usd"], settled["cost_source"]) == ("0.0125", "corrected")
    entry = next(e for e in served.admin("GET", "audit")["data"] if e["action"] == "request.settle")
    assert entry["actor"] == "dashboard"
    assert "invoice 11" in str(entry["details"])


def test_an_answer_is_said_to_be_good_or_not(served: Gateway) -> None:
    request_id = call(served, served.key())
    path = f"/ui/requests/{request_id}"
    with visitor(served) as operator:
        form = {"ok": "no", "note": "<b>wrong</b>"}
        assert operator.post(f"{path}/outcome", form, path).headers["location"] == path
        assert "&lt;b&gt;wrong&lt;/b&gt;" in operator.get(path).text
        assert operator.post(f"{path}/outcome", {"ok": "maybe"}, path).status_code == 400
    outcome = served.row(request_id)["outcome"]
    assert (outcome["ok"], outcome["note"]) == (False, "<b>wrong</b>")


def test_a_refused_call_is_explained_under_the_id_that_its_caller_has(
    browser: Browsing, served: Gateway
) -> None:
    secret = served.key(name="poor", max_budget_usd="0.000001")
    body = {"model": "sonnet", "max_tokens": 500, "messages": [{"role": "user", "content": "Hi"}]}
    refused = served.chat(secret, body)
    assert refused.status_code == 402
    path = f"/ui/requests/{refused.headers['x-request-id']}"
    with visitor(served) as operator:
        page = operator.get(path).text
        assert "402 budget_exceeded" in page, page
        assert "$0.000001" in page
        assert "poor" in page
    check_looks(browser, path)


def test_a_receipt_is_accessible_and_fits_a_phone(browser: Browsing, served: Gateway) -> None:
    check_looks(browser, f"/ui/requests/{call(served, served.key(name='x' * 200))}")
