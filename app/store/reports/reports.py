"""What was spent, and whether the sums agree with the ledger."""

from __future__ import annotations

from typing import Any

from app.store.database.engine import Database, FailClosed
from app.store.records.reconcile import reconcile
from app.store.reports import spend
from app.store.reports.query import SpendQuery, SpendReport


class Reports:
    """Read on connections of their own: no report slows a call."""

    def __init__(self, database: Database) -> None:
        self._database = FailClosed(database)

    async def spend(self, query: SpendQuery | None = None) -> SpendReport:
        """Finished calls by the time of their hold.

        A call with two tags is in two rows but once in the totals. Raises BadRequest.
        """
        asked = spend.checked(query or SpendQuery())
        return await self._database.report(lambda connection: spend.read(connection, asked))

    async def reconcile(self) -> dict[str, Any]:
        """`{"consistent": …, "requests": n, "differences": […]}` over the whole ledger."""
        return await self._database.report(reconcile)
