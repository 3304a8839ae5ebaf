"""Spend by every grouping, and whether the sums agree with the rows."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import combinations
from typing import Any

import pytest
from sqlalchemy import text

from app.core.errors import BadRequest, RateLimitError
from app.store.reports.query import GROUPS
from tests.store.ledger.till import CENT, HAIKU, Till, reservation

SONNET = "claude-sonnet-4-6"


def today() -> str:
    return datetime.now(UTC).date().isoformat()


async def spend_a_little(till: Till) -> tuple[str, str, str]:
    """0.01 + 0.02 by Ann's key in a team, 0.04 by Bob's, one call refused by the upstream."""
    team = await till.teams.create({"name": "ops"})
    ann, bob = await till.key(name="ann", team="ops"), await till.key(name="bob")
    await till.call(reservation(ann, CENT, tags=("a", "b"), end_user="u1"), CENT)
    await till.call(reservation(ann, CENT, tags=("b",), model=SONNET), 2 * CENT)
    await till.call(reservation(bob, CENT, end_user="u1"), 4 * CENT)
    await till.fail(reservation(bob, CENT), RateLimitError("slow down", status=429))
    return ann.id, bob.id, team["id"]


async def costs(till: Till, *groups: str, **filters: str) -> dict[Any, str]:
    found = await till.spend(groups, filters=filters)
    return {
        tuple(row[group] for group in groups) if len(groups) > 1 else row[groups[0]]: row[
            "cost_usd"
        ]
        for row in found["data"]
    }


async def test_spend_by_each_group(till: Till) -> None:
    ann, bob, team = await spend_a_little(till)
    assert await costs(till, "key") == {ann: "0.03", bob: "0.04"}
    assert await costs(till, "model") == {HAIKU: "0.05", SONNET: "0.02"}
    assert await costs(till, "team") == {team: "0.03", None: "0.04"}
    assert await costs(till, "day") == {today(): "0.07"}
    assert await costs(till, "month") == {today()[:7]: "0.07"}
    assert await costs(till, "month", "user") == {
        (today()[:7], "u1"): "0.05",
        (today()[:7], None): "0.02",
    }
    hours = await costs(till, "hour")
    assert sum(Decimal(cost) for cost in hours.values()) == Decimal("0.07")
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:00:00Z", hour) for hour in hours)
    assert {hour[:10] for hour in hours} == {today()}
    assert await costs(till, "user") == {"u1": "0.05", None: "0.02"}
    assert await costs(till, "tag") == {"a": "0.01", "b": "0.03", None: "0.04"}
    assert await costs(till, "key", "tag") == {
        (ann, "a"): "0.01",
        (ann, "b"): "0.03",
        (bob, None): "0.04",
    }
    assert await costs(till, "team", "day", "user") == {
        (team, today(), "u1"): "0.01",
        (team, today(), None): "0.02",
        (None, today(), "u1"): "0.04",
        (None, today(), None): "0.00",
    }


async def test_filters_narrow_the_report_and_its_total(till: Till) -> None:
    ann, bob, team = await spend_a_little(till)
    cases: list[tuple[dict[str, str], dict[Any, str]]] = [
        ({"key_id": ann}, {ann: "0.03"}),
        ({"team": "ops"}, {ann: "0.03"}),
        ({"team": team}, {ann: "0.03"}),
        ({"model": SONNET}, {ann: "0.02"}),
        ({"user": "u1"}, {ann: "0.01", bob: "0.04"}),
        ({"tag": "b"}, {ann: "0.03"}),
        ({"tag": "b", "user": "u1"}, {ann: "0.01"}),
        ({"key_id": bob, "model": HAIKU}, {bob: "0.04"}),
    ]
    for filters, expected in cases:
        assert await costs(till, "key", **filters) == expected, filters
        total = (await till.spend(("day",), filters=filters))["total_cost_usd"]
        assert Decimal(total) == sum(map(Decimal, expected.values())), filters


@pytest.mark.parametrize(
    "filters",
    [
        {"key_id": "nope"},
        {"key_id": ""},
        {"team": "nobody"},
        {"model": "gpt-4o"},
        {"user": "u2"},
        {"tag": "c"},
        {"tag": '"a"'},
        {"user": "\udcff"},
        {"key_id": "' OR 1=1 --"},
    ],
)
async def test_what_a_filter_names_and_nothing_has_is_no_row(
    till: Till, filters: dict[str, str]
) -> None:
    await spend_a_little(till)
    for groups in (("key",), ("tag",), ()):
        found = await till.spend(groups, filters=filters)
        assert found["total_cost_usd"] == "0.00"
        assert found["data"] == []


async def test_a_row_has_every_sum(till: Till) -> None:
    ann, _, _ = await spend_a_little(till)
    rows = (await till.spend(["key"]))["data"]
    row = next(row for row in rows if row["key"] == ann)
    assert row == {
        "key": ann,
        "key_name": "ann",
        "requests": 2,
        "errors": 0,
        "cost_usd": "0.03",
        "estimated_usd": "0.00",
        "cache_savings_usd": "-0.03",
        "routing_savings_usd": "-0.03",
        "input_tokens": 6,
        "cache_write_5m_tokens": 80,
        "cache_write_1h_tokens": 0,
        "cache_read_tokens": 1_000,
        "output_tokens": 120,
        "reasoning_tokens": 14,
        "web_search_requests": 0,
        "latency_ms_p50": 6,
        "latency_ms_p95": 6,
        "ttft_ms_p50": None,
        "ttft_ms_p95": None,
    }


GROUPINGS = [
    *(groups for size in range(3) for groups in combinations(GROUPS, size)),
    *(tuple(name for name in GROUPS if name != one) for one in GROUPS),
    GROUPS,
]


async def test_the_total_counts_a_call_once_under_any_grouping(till: Till) -> None:
    """None, each, every pair, all but one, all."""
    await spend_a_little(till)
    for groups in GROUPINGS:
        found = await till.spend(groups)
        assert found["total_cost_usd"] == "0.07", groups
        assert found["totals"]["requests"] == 4, groups
        if "tag" not in groups:
            assert sum(row["requests"] for row in found["data"]) == 4, groups


async def test_a_range_begins_with_its_first_day_and_ends_before_its_last(till: Till) -> None:
    await spend_a_little(till)
    now = datetime.now(UTC)
    tomorrow = (now + timedelta(days=1)).date().isoformat()
    yesterday = (now - timedelta(days=1)).date().isoformat()
    later = (now + timedelta(hours=1)).isoformat()
    for groups in (("key",), ("user",)):  # over roll-ups and over rows
        for dates, total in (
            ({"from_": today(), "to": tomorrow}, "0.07"),
            ({"from_": today(), "to": today()}, "0.00"),
            ({"to": today()}, "0.00"),
            ({"from_": f"{today()}T00:00:00Z", "to": f"{tomorrow}T01:00:00+01:00"}, "0.07"),
            ({"from_": yesterday, "to": tomorrow}, "0.07"),
            ({"from_": tomorrow}, "0.00"),
            ({"to": yesterday}, "0.00"),
            ({"to": later}, "0.07"),
            ({"from_": later}, "0.00"),
        ):
            found = await till.spend(groups, dates.get("from_"), dates.get("to"))
            assert found["total_cost_usd"] == total, (groups, dates)


EXTREMES = [
    # from, to, total; no total: `to` is refused
    ("0001-01-01", "9999-12-31", "0.07"),
    ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "0.07"),
    ("9999-12-31", None, "0.00"),
    (None, "0001-01-01", "0.00"),
    (None, "9999-12-31T23:59:59-01:00", None),
    (None, "10000-01-01", None),
]


@pytest.mark.parametrize(("from_", "to", "total"), EXTREMES)
async def test_the_first_and_the_last_day_of_all_can_be_asked_for(
    till: Till, from_: str | None, to: str | None, total: str | None
) -> None:
    await spend_a_little(till)
    filters = {name: value for name, value in (("from", from_), ("to", to)) if value is not None}
    for groups in (("key", "day"), ("user",)):  # over roll-ups and over rows
        if total is not None:
            found = await till.spend(groups, from_, to)
            assert found["total_cost_usd"] == total
            continue
        with pytest.raises(BadRequest) as refused:
            await till.spend(groups, from_, to)
        assert refused.value.param == "to"
    if total is not None:
        listed = await till.requests.list(filters)
        assert len(listed["data"]) == (4 if total == "0.07" else 0)


async def test_nothing_spent_is_an_empty_report(till: Till) -> None:
    found = await till.spend()
    assert (found["data"], found["next_cursor"], found["total_cost_usd"]) == ([], None, "0.00")
    assert found["totals"]["requests"] == 0


@pytest.mark.parametrize(
    ("groups", "from_", "to", "param"),
    [
        (("colour",), None, None, "group_by"),
        (("key",), "soon", None, "from"),
        (("key",), "2026-11-02", "2026-11-01", "to"),
        (("tag",), "2026-11-02T00:00:00Z", "2026-11-01T23:59:59Z", "to"),
        (("key",), "2026-11-02T00:00:00Z", "2026-11-01", "to"),
    ],
)
async def test_a_bad_report_is_refused(
    till: Till, groups: tuple[str, ...], from_: str | None, to: str | None, param: str
) -> None:
    with pytest.raises(BadRequest) as refused:
        await till.spend(groups, from_, to)
    assert refused.value.param == param


SPOILED = [
    ("UPDATE windows SET spent_nano_usd = spent_nano_usd + 5", "window", "spent_usd"),
    ("UPDATE windows SET held_nano_usd = 7", "window", "held_usd"),
    ("DELETE FROM windows", "window", "spent_usd"),
    ("UPDATE rollups SET cost_nano_usd = 0", "rollup", "cost_nano_usd"),
    ("UPDATE rollups SET output_tokens = output_tokens + 1", "rollup", "output_tokens"),
    ("UPDATE requests SET cost_nano_usd = cost_nano_usd - 1", "window", "spent_usd"),
]


@pytest.mark.parametrize(("statement", "kind", "field"), SPOILED)
async def test_sums_that_disagree_with_the_rows_are_told(
    till: Till, statement: str, kind: str, field: str
) -> None:
    key = await till.key()
    await till.call(reservation(key), CENT)
    assert await till.reports.reconcile() == {
        "consistent": True,
        "requests": 1,
        "differences": [],
    }
    tables = {"windows": [], "rollups": [], "requests": []}  # type: dict[str, list[Any]]

    def spoil(connection: Any) -> None:
        for name in tables:
            found = connection.execute(text(f"SELECT * FROM {name}")).mappings()  # noqa: S608
            tables[name] = [dict(row) for row in found]
        connection.execute(text(statement))

    def restore(connection: Any) -> None:
        for name, rows in tables.items():
            connection.execute(text(f"DELETE FROM {name}"))  # noqa: S608
            for row in rows:
                columns, values = ", ".join(row), ", ".join(f":{column}" for column in row)
                insertion = f"INSERT INTO {name} ({columns}) VALUES ({values})"  # noqa: S608
                connection.execute(text(insertion), row)

    await till.database.write(spoil)
    found = await till.reports.reconcile()
    await till.database.write(restore)
    assert found["consistent"] is False
    assert (kind, field) in {(one["kind"], one["field"]) for one in found["differences"]}
