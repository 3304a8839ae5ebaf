"""Everything that is stored, behind one value that the pipeline and the admin API share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.store.database.engine import Database
from app.store.ledger.ledger import SqlLedger
from app.store.records.attempts import AttemptReports
from app.store.records.audit import Audit
from app.store.records.budgets import Budgets
from app.store.records.conversations import Conversations
from app.store.records.key_lists import KeyLists
from app.store.records.keys import Keys
from app.store.records.processes import Processes
from app.store.records.refusals import Refusals
from app.store.records.replays import Replays
from app.store.records.repricings import Repricings
from app.store.records.requests import Requests
from app.store.records.routed import RoutingReports
from app.store.records.savings import SavingsReports
from app.store.records.spend_changes import SpendChanges
from app.store.records.standing import Standings
from app.store.records.teams import Teams
from app.store.records.window_history import WindowHistory
from app.store.reports.reports import Reports


@dataclass(frozen=True, slots=True)
class Store:
    """The ledger and what the admin API reads and changes, over one database."""

    database: Database
    ledger: SqlLedger
    keys: Keys
    key_lists: KeyLists
    window_history: WindowHistory
    teams: Teams
    requests: Requests
    conversations: Conversations
    budgets: Budgets
    refusals: Refusals
    replays: Replays
    repricings: Repricings
    spend_changes: SpendChanges
    reports: Reports
    savings: SavingsReports
    routed: RoutingReports
    attempts: AttemptReports
    audit: Audit
    standings: Standings
    processes: Processes

    async def ping(self) -> None:
        """Raise LedgerUnavailable unless the ledger can be written."""
        await self.ledger.check()


def store_over(
    database: Database, ledger: SqlLedger, lost: Callable[[int], None] = lambda _: None
) -> Store:
    """The store over an open database; `lost` is told of refusals that can't be kept."""
    return Store(
        database=database,
        ledger=ledger,
        keys=Keys(database),
        key_lists=KeyLists(database),
        window_history=WindowHistory(database),
        teams=Teams(database),
        requests=Requests(database),
        conversations=Conversations(database),
        budgets=Budgets(database),
        refusals=Refusals(database, lost),
        replays=Replays(database),
        repricings=Repricings(database),
        spend_changes=SpendChanges(database),
        reports=Reports(database),
        savings=SavingsReports(database),
        routed=RoutingReports(database),
        attempts=AttemptReports(database),
        audit=Audit(database),
        standings=Standings(database),
        processes=Processes(database),
    )
