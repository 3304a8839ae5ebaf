"""A refusal is found at every gateway over the ledger, and a burst of them is counted."""

from __future__ import annotations

import time
from typing import Any

from tests.ledger_e2e.fleet import Fleet

CALL: dict[str, Any] = {
    "model": "haiku",
    "max_tokens": 20,
    "messages": [{"role": "user", "content": "hello"}],
}
WRITTEN_S = 5.0


def test_a_refusal_at_one_gateway_is_soon_found_at_every_other(served: Fleet) -> None:
    secret, key_id = served.key(max_budget_usd="0.000001")
    ids = {}
    for place, each in enumerate(served.gateways):
        answer = each.chat(secret, CALL)
        assert answer.status_code == 402
        ids[answer.headers["x-request-id"]] = place
    for each in served.gateways:
        deadline_s = time.monotonic() + WRITTEN_S
        found: set[str] = set()
        while found != set(ids):
            assert time.monotonic() < deadline_s, (found, ids)
            listed = each.admin("GET", f"refusals?key_id={key_id}")["data"]
            found = {row["id"] for row in listed}
        for request_id in ids:
            assert each.row(request_id)["code"] == "budget_exceeded"


def test_a_burst_is_counted_to_the_last_call(served: Fleet) -> None:
    secret, key_id = served.key(max_budget_usd="0.000001")
    first = served.first
    for _ in range(120):
        assert first.chat(secret, CALL).status_code == 402
    listed = first.admin("GET", f"refusals?key_id={key_id}&limit=1000")["data"]
    assert sum(row["count"] for row in listed) == 120
    by_second: dict[str, int] = {}
    for row in listed:
        if row["count"] == 1:
            second = row["created_at"][:19]
            by_second[second] = by_second.get(second, 0) + 1
    assert max(by_second.values()) <= 21  # twenty, and a rest that is a single call
