"""A past range under other rules, over HTTP, each amount worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from tests.running import MASTER_KEY, Gateway, Simulated

ADMIN = {"authorization": f"Bearer {MASTER_KEY}"}
HELLO = [{"role": "user", "content": "Hello"}]
HAIKU, SONNET = "claude-haiku-4-5-20251001", "claude-sonnet-4-6"
# 1,000 in and 100 out: Haiku 1,000 x $1 + 100 x $5, Sonnet 1,000 x $3 + 100 x $15 per million
ON_HAIKU, ON_SONNET = "0.0015", "0.0045"
REPLY = {
    "content": [{"type": "text", "text": "ok"}],
    "usage": {"input_tokens": 1_000, "output_tokens": 100},
}
EVER = {"from": "2020-01-01", "to": "2100-01-01"}


def asked(served: Gateway, **rules: Any) -> dict[str, Any]:
    report: dict[str, Any] = served.admin("POST", "whatif", {**EVER, **rules})
    return report


def spent(served: Gateway, upstream: Simulated, *models: str) -> str:
    """The id of a new key that has called each of the models once."""
    key = served.admin("POST", "keys", {"name": "whatif"})
    for model in models:
        upstream.replies(REPLY)
        body = {"model": model, "max_tokens": 200, "messages": HELLO}
        assert served.chat(key["key"], body).status_code == 200
    key_id: str = key["id"]
    return key_id


def test_other_tiers_other_prices_and_another_threshold(
    served: Gateway, upstream: Simulated
) -> None:
    key_id = spent(served, upstream, "auto", "haiku", "sonnet", HAIKU)
    same = asked(served, key_id=key_id)
    assert (same["requests"], same["changed"], same["assumptions"]) == (4, 0, [])
    assert same["actual_usd"] == same["whatif_usd"] == "0.009"  # 3 x 0.0015 + 0.0045

    dearer = asked(served, key_id=key_id, tiers={"haiku": "sonnet"})
    assert dearer["whatif_usd"] == "0.015"  # auto and haiku move, the named model stays
    assert dearer["difference_usd"] == "0.006"
    assert (dearer["changed"], dearer["least_usd"], dearer["most_usd"]) == (2, "0.015", "0.015")
    assert dearer["by_model"] == [
        {
            "model": HAIKU,
            "requests": 3,
            "actual_usd": "0.0045",
            "whatif_requests": 1,
            "whatif_usd": ON_HAIKU,
        },
        {
            "model": SONNET,
            "requests": 1,
            "actual_usd": ON_SONNET,
            "whatif_requests": 3,
            "whatif_usd": "0.0135",
        },
    ]
    (day,) = dearer["by_day"]
    assert (day["actual_usd"], day["whatif_usd"], day["requests"]) == ("0.009", "0.015", 4)
    assert any("named a model" in each and "(1 call)" in each for each in dearer["assumptions"])

    all_strong = asked(served, key_id=key_id, threshold=0)
    assert all_strong["whatif_usd"] == "0.012"  # auto alone was decided by its score

    prices = {"claude-haiku-4-5": {"output": 0.000001}, "sonnet": {"input": "0.000002"}}
    cheaper = asked(served, key_id=key_id, cost_per_token=prices)
    # 3 x (0.001 + 0.0001) + (0.002 + 0.0015)
    assert cheaper["whatif_usd"] == "0.0068"


def test_without_the_gateways_marks(served: Gateway, upstream: Simulated) -> None:
    system = "The cat sat on the mat and looked at the moon. " * 450
    key = served.admin("POST", "keys", {"name": "marks"})
    usage = {
        "input_tokens": 100,
        "output_tokens": 10,
        "cache_read_input_tokens": 5_000,
        "cache_creation_input_tokens": 0,
    }
    upstream.replies({"content": REPLY["content"], "usage": usage})
    messages = [{"role": "system", "content": system}, *HELLO]
    answer = served.chat(key["key"], {"model": "sonnet", "max_tokens": 20, "messages": messages})
    row = served.row(answer.headers["x-request-id"])
    assert row["cost_usd"] == "0.00195"  # 100 x 3 + 5,000 x 0.3 + 10 x 15 per million
    off = asked(served, key_id=key["id"], cache="off")
    marked = bool(row["cache_plan"]["placed"])
    assert off["whatif_usd"] == ("0.01545" if marked else "0.00195")  # 5,100 x 3 + 10 x 15


def test_a_range_is_half_open(served: Gateway, upstream: Simulated) -> None:
    key_id = spent(served, upstream, "haiku")
    row = served.admin("GET", f"requests?key_id={key_id}")["data"][0]
    at = datetime.fromisoformat(row["created_at"]).astimezone(UTC)
    later = (at + timedelta(microseconds=1)).isoformat()
    for since, until, count in (
        (row["created_at"], later, 1),
        (later, "2100-01-01", 0),
        ("2020-01-01", row["created_at"], 0),
    ):
        found = asked(served, key_id=key_id, **{"from": since, "to": until})
        assert found["requests"] == count
    assert asked(served, key_id="key_none")["by_model"] == []


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"from": "2026-01-01"}, "to"),
        ({**EVER, "from": "2100-01-02"}, "to"),
        ({**EVER, "from": "yesterday"}, "from"),
        ({**EVER, "tiers": {"huge": "sonnet"}}, "tiers"),
        ({**EVER, "tiers": {"haiku": "gpt-5"}}, "tiers"),
        ({**EVER, "threshold": 2}, "threshold"),
        ({**EVER, "threshold": "0.5"}, "threshold"),
        ({**EVER, "cache": "on"}, "cache"),
        ({**EVER, "cost_per_token": {"haiku": {"input": -1}}}, "cost_per_token.haiku.input"),
        ({**EVER, "cost_per_token": {"haiku": {"input": "1e-13"}}}, "cost_per_token.haiku.input"),
        ({**EVER, "cost_per_token": {"haiku": {"input": True}}}, "cost_per_token.haiku.input"),
        ({**EVER, "cost_per_token": {"haiku": {}, HAIKU: {}}}, "cost_per_token"),
        ({**EVER, "cost_per_tokens": {}}, "cost_per_tokens"),
    ],
)
def test_rules_that_mean_nothing_are_refused_by_name(
    served: Gateway, body: dict[str, Any], param: str
) -> None:
    answer = post(served, body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), answer.text


def post(served: Gateway, body: dict[str, Any]) -> httpx2.Response:
    return served.http.post(f"{served.url}/admin/whatif", json=body, headers=ADMIN)


def test_why_spend_changed_adds_up_to_the_nano_dollar(served: Gateway, upstream: Simulated) -> None:
    before = datetime.now(UTC)
    spent(served, upstream, "haiku", "haiku")
    between = datetime.now(UTC)
    spent(served, upstream, "haiku", "sonnet", "sonnet")
    after = datetime.now(UTC)
    query = {
        "against_from": before.isoformat(),
        "against_to": between.isoformat(),
        "from": between.isoformat(),
        "to": after.isoformat(),
    }
    answer = served.http.get(f"{served.url}/admin/spend/change", params=query, headers=ADMIN)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["before"]["cost_usd"], told["after"]["cost_usd"]) == ("0.003", "0.0105")
    assert (told["before"]["requests"], told["after"]["requests"]) == (2, 3)
    assert told["change_usd"] == "0.0075"
    effects = {each["factor"]: each["usd"] for each in told["effects"]}
    assert effects == {
        "calls": "0.0015",  # half as many again of the same
        "size": "0.00",
        "mix": "0.006",  # two of them by Sonnet: 2 x (0.0045 - 0.0015)
        "cache": "0.00",
        "price": "0.00",
        "other": "0.00",
    }
    assert [each["model"] for each in told["by_model"]] == [SONNET, HAIKU]
    assert told["by_model"][0]["change_usd"] == "0.009"


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"to": None}, "to"),
        ({"against_from": None}, "against_from"),
        ({"against_to": "soon"}, "against_to"),
        ({"against_from": "2027-01-01"}, "against_to"),
        ({"since": "2026-01-01"}, "since"),
    ],
)
def test_ranges_that_mean_nothing_are_refused_by_name(
    served: Gateway, query: dict[str, str | None], param: str
) -> None:
    whole = {
        "from": "2026-11-01",
        "to": "2026-12-01",
        "against_from": "2026-10-01",
        "against_to": "2026-11-01",
    }
    given = {name: value for name, value in (whole | query).items() if value is not None}
    answer = served.http.get(f"{served.url}/admin/spend/change", params=given, headers=ADMIN)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), answer.text


@pytest.mark.parametrize(
    ("figure", "param"),
    [
        ("2e-6", None),
        ("0.0000020", None),
        ("2.0000000000000000000000001e-6", "cost_per_token.sonnet.input"),  # as a float it is 2e-6
        ("0.010000000000000000000000001", "cost_per_token.sonnet.input"),
        ("1e-400", "cost_per_token.sonnet.input"),
        ("9" * 300, "cost_per_token.sonnet.input"),
        ('2e-6, "input": 3e-6', "input"),
    ],
)
def test_a_price_is_read_from_its_text(served: Gateway, figure: str, param: str | None) -> None:
    prices = f'{{"sonnet": {{"input": {figure}}}}}'
    body = f'{{"from": "2020-01-01", "to": "2020-02-01", "cost_per_token": {prices}}}'
    answer = served.http.post(f"{served.url}/admin/whatif", content=body, headers=ADMIN)
    if param is None:
        assert answer.status_code == 200, answer.text
    else:
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), answer.text


def test_a_fraction_is_no_count_and_a_threshold_is_one(served: Gateway) -> None:
    assert post(served, {**EVER, "threshold": 0.25}).status_code == 200
    asked = {"name": "n", "rpm": 1.0}
    refused = served.http.post(f"{served.url}/admin/keys", json=asked, headers=ADMIN)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "rpm")
