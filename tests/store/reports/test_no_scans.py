"""What is read at a start, at a scrape and for a page: none of it goes through the whole ledger."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event

from app.store.database.engine import Database, open_database
from app.store.ledger.windows import GlobalBudget
from app.store.records.budgets import Budgets
from app.store.records.key_lists import KeyLists, KeySearch
from app.store.records.processes import Processes
from app.store.records.requests import Requests
from app.store.records.standing import Standings
from app.store.records.teams import Teams
from tests.store.ledger.till import close_till, open_till, reservation

Statement = tuple[str, Any]
SCANS = re.compile(r"^SCAN (requests|refusals|tagged|rollups|label_rollups)(?!.* USING)")
FILTERS = (
    *({"key_id": "k"}, {"team": "t"}, {"model": "m"}, {"user": "u"}, {"tag": "t"}),
    *({"status": "529"}, {"status": "418"}, {"state": "reserved"}, {"state": "released"}),
    *({"state": "orphaned"}, {"cost_source": "estimated"}, {"conversation": "c"}),
    *({"min_cost_usd": "1"}, {"from": "2026-11-01"}),
)


@contextmanager
def noted() -> Iterator[list[Statement]]:
    """Every statement that is executed meanwhile."""
    found: list[Statement] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "WITH", "UPDATE", "DELETE")):
            found.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def scans(database: Database, statements: Sequence[Statement]) -> list[str]:
    def explained(connection: Connection) -> list[str]:
        return [
            f"{row[3]}: {statement}"
            for statement, parameters in statements
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            if SCANS.match(row[3])
        ]

    return await database.run(explained)


async def test_nothing_that_a_start_or_a_call_reads_scans(sqlite_url: str) -> None:
    with noted() as statements:
        till = await open_till(sqlite_url)
        key = await till.key(max_budget_usd="1.00")
        await till.call(reservation(key, idempotency_key="once", end_user="u"), 7)
        await till.database.write(lambda _: None)
    assert len(statements) > 5
    assert await scans(till.database, statements) == []
    await close_till(till)


async def test_no_list_of_calls_scans(sqlite_url: str) -> None:
    database = open_database(sqlite_url)
    requests = Requests(database)
    with noted() as statements:
        for filters in ({}, *FILTERS):
            await requests.listed(filters)
    assert len(statements) > len(FILTERS)
    assert await scans(database, statements) == []
    await database.close()


async def test_neither_a_scrape_nor_a_list_of_keys_and_budgets_scans(sqlite_url: str) -> None:
    till = await open_till(sqlite_url)
    await till.key(max_budget_usd="1.00")
    with noted() as statements:
        await Standings(till.database).now()
        await Processes(till.database).list()
        await KeyLists(till.database).listed(KeySearch(sort="-last_used"))
        await Budgets(till.database).standing(GlobalBudget(None, "none"))
        await Teams(till.database).list()
    assert len(statements) > 5
    assert await scans(till.database, statements) == []
    await close_till(till)
