"""A wrong price put right for the past: dry run, run, and the same again; each amount by hand."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.running import MASTER_KEY, Gateway, Simulated, gateway

ADMIN = {"authorization": f"Bearer {MASTER_KEY}"}
EVER = {"from": "2020-01-01", "to": "2100-01-01"}
SONNET, HAIKU = "claude-sonnet-4-6", "claude-haiku-4-5-20251001"
CONFIG = f"""
models:
  {SONNET}: {{upstream: anthropic, cost_per_token: {{output: 3e-5}}}}
  {HAIKU}: {{upstream: anthropic}}
tiers: {{haiku: {HAIKU}, sonnet: {SONNET}}}
fallbacks: {{}}
"""
# 1,000 in and 100 out: 1,000 x $3 + 100 x $30 per million by the wrong price, 100 x $15 by the book
WRONG, RIGHT = "0.006", "0.0045"
REPLY = {
    "content": [{"type": "text", "text": "ok"}],
    "usage": {"input_tokens": 1_000, "output_tokens": 100},
}


@pytest.fixture(scope="module")
def served(upstream: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway"), upstream.url, config=CONFIG) as running:
        yield running


def put_right(served: Gateway) -> None:
    new = served.folder / "config.yaml.new"
    new.write_text(CONFIG.replace(", cost_per_token: {output: 3e-5}", ""))
    new.replace(served.folder / "config.yaml")
    deadline_s = time.monotonic() + 10
    while "config.reload" not in str(served.admin("GET", "audit")):
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def reprice(served: Gateway, **more: Any) -> dict[str, Any]:
    told: dict[str, Any] = served.admin("POST", "reprice", {**EVER, **more})
    return told


def test_a_wrong_price_is_put_right_once(served: Gateway, upstream: Simulated) -> None:
    made = served.admin("POST", "keys", {"name": "n", "max_budget_usd": "1.00"})
    ids = []
    for model in ("sonnet", "sonnet", "haiku"):
        upstream.replies(REPLY)
        body = {"model": model, "max_tokens": 200, "messages": [{"role": "user", "content": "Hi"}]}
        answer = served.chat(made["key"], body)
        ids.append(answer.headers["x-request-id"])
    assert served.own_key(made["key"])["spent_usd"] == "0.0135"  # 2 x 0.006 + 0.0015
    assert reprice(served)["changed"] == 0

    put_right(served)
    dry = reprice(served)
    assert (dry["dry_run"], dry["run_id"], dry["requests"], dry["changed"]) == (True, None, 3, 2)
    assert (dry["before_usd"], dry["after_usd"]) == ("0.0135", "0.0105")
    assert (dry["difference_usd"], dry["left"]) == ("-0.003", {"same": 1})
    assert served.row(ids[0])["cost_usd"] == WRONG

    run = reprice(served, dry_run=False)
    assert run == {**dry, "dry_run": False, "run_id": run["run_id"]}
    row = served.row(ids[0])
    assert (row["cost_usd"], row["cost_source"]) == (RIGHT, "corrected")
    assert sum(map(Decimal, row["cost_details"].values())) == Decimal(RIGHT)
    assert row["rates"]["usd_per_token"]["output"] == "0.000015"
    assert row["rates"]["origins"]["output"] == "price_book"
    assert row["rates"]["repriced"] == {"run": run["run_id"], "before_usd": WRONG}
    assert served.own_key(made["key"])["spent_usd"] == "0.0105"
    assert served.admin("GET", "spend")["total_cost_usd"] == "0.0105"
    assert served.admin("GET", "reconcile")["consistent"] is True
    actions = [entry["action"] for entry in served.admin("GET", "audit?limit=2")["data"]]
    assert actions == ["spend.repriced", "spend.reprice"]

    again = reprice(served, dry_run=False)
    assert (again["changed"], again["left"]) == (0, {"same": 3})
    assert served.row(ids[0]) == row
    settle = f"{served.url}/admin/requests/{ids[0]}/settle"
    refused = served.http.post(settle, json={"cost_usd": "1.00"}, headers=ADMIN)
    assert refused.status_code == 400


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"from": "2026-01-01"}, "to"),
        ({**EVER, "to": "2019-01-01"}, "to"),
        ({**EVER, "dry_run": "no"}, "dry_run"),
        ({**EVER, "dryrun": False}, "dryrun"),
    ],
)
def test_a_range_that_means_nothing_is_refused_by_name(
    served: Gateway, body: dict[str, Any], param: str
) -> None:
    answer = served.http.post(f"{served.url}/admin/reprice", json=body, headers=ADMIN)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), answer.text
