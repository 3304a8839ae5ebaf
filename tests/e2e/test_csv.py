"""The ledger as CSV: whole, exact, and with nothing in it that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import Any

import pytest

from tests.running import MASTER_KEY, Gateway

ADMIN = {"authorization": f"Bearer {MASTER_KEY}"}
CALL: dict[str, Any] = {
    "model": "haiku",
    "max_tokens": 20,
    "messages": [{"role": "user", "content": "hello"}],
}


def table(served: Gateway, path: str, **headers: str) -> list[dict[str, str]]:
    answer = served.http.get(f"{served.url}/admin/{path}", headers=ADMIN | headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["x-request-id"].startswith("req_")
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def test_every_row_is_in_the_csv_with_the_figures_of_the_list(served: Gateway) -> None:
    key = served.admin("POST", "keys", {"name": "csv"})
    tags = {"x-tollkeeper-tags": "=1+1,team=a"}
    for n in range(5):
        body = {**CALL, "user": f"@user{n}", "max_tokens": 5 + n}
        assert served.chat(key["key"], body, **tags).status_code == 200
    own = f"requests?key_id={key['id']}"
    shown = served.admin("GET", own)["data"]
    for rows in (
        table(served, f"{own}&format=csv&limit=2"),
        table(served, own, accept="text/csv"),
    ):
        assert [row["id"] for row in rows] == [row["id"] for row in shown]
        for row, same in zip(rows, shown, strict=True):
            assert row["tags"] == '["=1+1","team=a"]'
            assert row["end_user"] == "'" + same["end_user"]
            assert row["conversation"] == same["conversation"]
            assert row["stream"] == "false"
            for name in ("cost_usd", "cache_savings_usd", "reserved_usd", "created_at"):
                assert row[name] == same[name]
            parts = [row[name] for name in row if name.startswith("cost_") and name[5:] in PARTS]
            assert len(parts) == 7
            assert sum(map(Decimal, parts)) == Decimal(row["cost_usd"])
    dearest = [row["cost_usd"] for row in table(served, f"{own}&format=csv&sort=cost")]
    assert dearest == sorted(dearest, key=Decimal, reverse=True)


PARTS = {
    *("input_usd", "output_usd", "cache_write_5m_usd", "cache_write_1h_usd", "cache_read_usd"),
    *("server_tools_usd", "other_usd"),
}


def test_what_has_no_rows_has_a_head(served: Gateway) -> None:
    answer = served.http.get(f"{served.url}/admin/requests?key_id=none&format=csv", headers=ADMIN)
    head, *rest = answer.text.split("\r\n")
    assert head.startswith("id,created_at,key_id,state,")
    assert rest == [""]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("format=xml", "format"),
        ("format=csv&state=done", "state"),
        ("format=csv&cursor=odd", "cursor"),
        ("format=csv&colour=red", "colour"),
        ("cost_source=sure", "cost_source"),
    ],
)
def test_what_is_wrong_with_a_request_for_csv_is_an_error_in_json(
    served: Gateway, query: str, param: str
) -> None:
    answer = served.http.get(f"{served.url}/admin/requests?{query}", headers=ADMIN)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_rows_are_found_by_the_conversation_and_by_the_names_of_a_model(served: Gateway) -> None:
    key = served.admin("POST", "keys", {"name": "names"})
    named = {"x-tollkeeper-conversation": "one"}
    asked = [served.chat(key["key"], CALL, **named), served.chat(key["key"], CALL)]
    ids = [answer.headers["x-request-id"] for answer in asked]
    own = f"requests?key_id={key['id']}"
    conversation = asked[0].headers["x-tollkeeper-conversation"]
    found = served.admin("GET", f"{own}&conversation={conversation}")["data"]
    assert [row["id"] for row in found] == [ids[0]]
    for name in ("haiku", "claude-haiku-4-5", "claude-haiku-4-5-20251001"):
        found = served.admin("GET", f"{own}&model={name}")["data"]
        assert [row["id"] for row in found] == ids[::-1]
    assert served.admin("GET", f"{own}&model=sonnet")["data"] == []
