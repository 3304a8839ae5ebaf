"""What became of attempts at upstreams, and what each kind of end was charged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Row, and_, case, func, literal_column, select

from app.core.ended import Basis
from app.core.money import nano_usd, usd_text
from app.store.database.engine import Database, FailClosed
from app.store.database.tables import requests
from app.store.records.ranges import Range

MOST_READ: Final = 20_000
ENDS: Final = ("answered", "refused", "never_sent", "cut", "unknown")
_END: Final[Mapping[str, str]] = {
    Basis.USAGE: "answered",
    Basis.CUT: "cut",
    Basis.ELAPSED: "unknown",
    Basis.BOUND: "unknown",
    Basis.REFUSED: "refused",
    Basis.NEVER_SENT: "never_sent",
}


@dataclass(slots=True)
class OfUpstream:
    """Attempts at one upstream for one model, by how they ended; nano-USD.

    `refused` by the upstream and `never_sent` cost nothing; `cut` are answers that broke off, of
    `unknown` nothing came, or their process was lost. `other` is what the last two are charged.
    """

    upstream: str
    model: str
    answered: int = 0
    refused: int = 0
    never_sent: int = 0
    cut: int = 0
    unknown: int = 0
    answered_nano_usd: int = 0
    other_nano_usd: int = 0

    @property
    def tried(self) -> int:
        return sum(getattr(self, end) for end in ENDS)


@dataclass(slots=True)
class OfFailure:
    """Attempts that ended in one way; `status` is the upstream's, if it answered at all."""

    upstream: str
    status: int | None
    error: str
    end: str
    attempts: int = 0
    nano_usd: int = 0


@dataclass(slots=True)
class AttemptReport:
    """`corrected` is what corrections by hand changed; with it the charges are the rows' cost.

    `left` are calls that are not in it: of those that did not go smoothly the newest are read.
    """

    upstreams: list[OfUpstream] = field(default_factory=list)
    failures: list[OfFailure] = field(default_factory=list)
    corrected_nano_usd: int = 0
    left: int = 0

    @property
    def charged_nano_usd(self) -> int:
        """What all of them come to."""
        parts = (each.answered_nano_usd + each.other_nano_usd for each in self.upstreams)
        return sum(parts) + self.corrected_nano_usd


class AttemptReports:
    """Reads the report over any range."""

    def __init__(self, database: Database) -> None:
        self._database = FailClosed(database)

    async def read(self, within: Range) -> AttemptReport:
        """Of calls that have ended, by the time of their hold."""
        return await self._database.report(lambda connection: _read(connection, within))


def upstream_json(each: OfUpstream) -> dict[str, Any]:
    return {
        "upstream": each.upstream,
        "model": each.model,
        "attempts": each.tried,
        **{end: getattr(each, end) for end in ENDS},
        "answered_usd": usd_text(each.answered_nano_usd),
        "other_usd": usd_text(each.other_nano_usd),
    }


def failure_json(each: OfFailure) -> dict[str, Any]:
    return {
        "upstream": each.upstream,
        "status": each.status,
        "error": each.error,
        "end": each.end,
        "attempts": each.attempts,
        "cost_usd": usd_text(each.nano_usd),
    }


def _read(connection: Connection, within: Range) -> AttemptReport:
    """Calls that went smoothly are summed by the database, the details of the others read."""
    c, ended = requests.c, requests.c.state != "reserved"
    smooth = and_(
        c.state == "settled",
        c.attempts == 1,
        c.status == 200,
        c.error_code.is_(None),
        c.cost_source.in_(("computed", "billed")),
        c.attempt_details.is_not(None),
    )
    inside = [ended, *within.within(c.created_us)]
    model = func.coalesce(c.held_model, c.model).label("sent_model")
    went = case((smooth, literal_column("1")), else_=literal_column("0")).label("smooth")
    counting, rough = _Counting(), 0
    sums = (func.count().label("calls"), func.sum(c.cost_nano_usd).label("cost"))
    for row in connection.execute(
        select(went, c.upstream, model, *sums)
        .where(*inside)
        .group_by("smooth", c.upstream, "sent_model")
    ):
        if row.smooth:
            counting.smooth(row)
        else:
            rough += row.calls
    counting.report.left = max(rough - MOST_READ, 0)
    shown = (c.upstream, model, c.attempt_details, c.cost_nano_usd)
    others = select(*shown).where(*inside, went == literal_column("0"))
    if rough:
        newest = others.order_by(c.created_us.desc(), c.id.desc()).limit(MOST_READ)
        for row in connection.execute(newest):
            counting.rough(row)
    return counting.whole()


class _Counting:
    """The report as it grows."""

    def __init__(self) -> None:
        self.report = AttemptReport()
        self._upstreams: dict[tuple[str, str], OfUpstream] = {}
        self._failures: dict[tuple[Any, ...], OfFailure] = {}

    def smooth(self, row: Row[Any]) -> None:
        of = self._of(row.upstream, row.sent_model)
        of.answered += row.calls
        of.answered_nano_usd += int(row.cost)

    def rough(self, row: Row[Any]) -> None:
        cost = int(row.cost_nano_usd)
        if row.attempt_details is None:  # its process was lost, or its end was never told
            self._count(row.upstream, row.sent_model, "unknown", cost)
            self._fail(row.upstream, None, "process lost", "unknown", cost)
            return
        for each in orjson.loads(row.attempt_details):
            charged = nano_usd(each.get("cost_usd") or "0")
            end = _end(each)
            self._count(each["upstream"], each["model"], end, charged)
            if end != "answered":
                told = str(each["error"] or "no whole answer")
                self._fail(each["upstream"], each["status"], told, end, charged)
            cost -= charged
        self.report.corrected_nano_usd += cost

    def whole(self) -> AttemptReport:
        report = self.report
        report.upstreams = sorted(
            self._upstreams.values(), key=lambda each: (each.upstream, -each.tried, each.model)
        )
        report.failures = sorted(
            self._failures.values(),
            key=lambda each: (-each.attempts, each.upstream, str(each.status), each.error),
        )
        return report

    def _of(self, upstream: str, model: str) -> OfUpstream:
        return self._upstreams.setdefault((upstream, model), OfUpstream(upstream, model))

    def _count(self, upstream: str, model: str, end: str, charged: int) -> None:
        of = self._of(upstream, model)
        setattr(of, end, getattr(of, end) + 1)
        if end == "answered":
            of.answered_nano_usd += charged
        else:
            of.other_nano_usd += charged

    def _fail(self, upstream: str, status: int | None, error: str, end: str, charged: int) -> None:
        key = (upstream, status, error, end)
        of = self._failures.setdefault(key, OfFailure(*key))
        of.attempts += 1
        of.nano_usd += charged


def _end(attempt: Mapping[str, Any]) -> str:
    """By its basis; older rows have none."""
    known = _END.get(attempt.get("basis") or "")
    if known is not None:
        return known
    if attempt["error"] is None:
        return "answered"
    return "refused" if attempt["status"] else "unknown"
