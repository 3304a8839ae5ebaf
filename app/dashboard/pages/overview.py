"""Is it normal, who is it, is it right: one glance."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from app.dashboard import month, over_time
from app.dashboard.figures import cells, charts, formats
from app.dashboard.figures.tables import Column, Line, Records, Table
from app.dashboard.page import Page, View
from app.dashboard.pages import budgets, dear_calls
from app.dashboard.query import Period
from app.dashboard.spending import COST_ALONE
from app.store.database.moments import moment
from app.store.reports.query import OTHERS_SHOWN, SpendQuery, Sums
from app.store.reports.spend_views import row_json, sums_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markupsafe import Markup
    from starlette.responses import Response

    from app.dashboard.page import Part, Visit
    from app.store.reports.query import SpendRow

PATH: Final = "/ui"
MOST_TOP: Final = 5
DEFAULT_RANGE: Final = "30d"
TOPS: Final = {"key": "Keys", "team": "Teams", "tag": "Tags"}


@dataclass(frozen=True, slots=True)
class Glance:
    """The range's sums, those of the range before it, and today's."""

    now: Sums
    before: Sums | None
    today: Sums


async def show(visit: Visit) -> Response:
    """All parts are read side by side; one that fails says so in its place."""
    period = visit.query.period(visit.now, DEFAULT_RANGE)
    if visit.twin:
        report = await visit.store.reports.spend(_asked(period, ("day",), visit))
        totals = {"totals": sums_json(report.totals)}
        return visit.records(Records([row_json(row) for row in report.rows], None, totals))
    glance, bars, this_month, dear, early, *tops = await asyncio.gather(
        visit.part(_glance(visit, period)),
        visit.part(over_time.by_model(visit, {}, period)),
        visit.part(month.month(visit)),
        visit.part(dear_calls.of_a_day(visit)),
        visit.part(_early(visit)),
        *(visit.part(_top(visit, period, group)) for group in TOPS),
    )
    return await visit.html(
        "overview.html",
        period=period,
        glance=glance,
        tiles=_tiles(glance.value) if glance.value else (),
        certainty=_certainty(glance.value.now) if glance.value else None,
        chart=bars,
        this_month=this_month,
        dear=dear,
        early=early,
        tops=list(zip(TOPS, TOPS.values(), tops, strict=True)),
        latest=await _latest(visit, glance),
    )


async def _latest(visit: Visit, glance: Part) -> dict[str, Any] | None:
    """Where nothing is in the range: the last call, or that there is none."""
    if glance.value is None or glance.value.now.requests:
        return None
    found = await visit.part(visit.store.requests.listed({}, limit=1))
    rows = found.value.rows if found.value else ()
    return {"row": rows[0], "when": moment(rows[0].created_us)} if rows else {}


def _asked(period: Period, groups: tuple[str, ...], visit: Visit, **more: object) -> SpendQuery:
    ends = period.filters()
    return SpendQuery(
        groups,
        from_=ends.get("from"),
        to=ends.get("to"),
        zone=visit.zone.info,
        **more,  # type: ignore[arg-type]
    )


async def _glance(visit: Visit, period: Period) -> Glance:
    reports = visit.store.reports
    today = _today(visit)
    earlier = period.moved(-1)
    now = (await reports.spend(_asked(period, (), visit))).totals
    of_today = (await reports.spend(_asked(today, (), visit, **COST_ALONE))).totals
    before = None
    if earlier is not None:
        before = (await reports.spend(_asked(earlier, (), visit, **COST_ALONE))).totals
    return Glance(now, before, of_today)


def _today(visit: Visit) -> Period:
    local = visit.zone.at(visit.now)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return Period(midnight.astimezone(visit.now.tzinfo), None, visit.zone)


def _tiles(glance: Glance) -> list[tuple[str, Markup | str, str]]:
    now, before = glance.now, glance.before
    against = ""
    if before is not None:
        told = formats.change(now.cost_nano_usd, before.cost_nano_usd)
        against = f"{told} against {formats.total(before.cost_nano_usd)} before"
    tokens = now.input_tokens + now.cache_read_tokens
    tokens += now.cache_write_5m_tokens + now.cache_write_1h_tokens
    read = formats.share(now.cache_read_tokens, tokens)
    return [
        ("Spent", cells.tile(now.cost_nano_usd), against),
        ("Today", cells.tile(glance.today.cost_nano_usd), _calls(glance.today.requests)),
        ("Calls", formats.short_count(now.requests), _errors(now)),
        ("Prompt tokens", formats.short_count(tokens), f"{read} read from the cache"),
        ("Answer tokens", formats.short_count(now.output_tokens), _times(now)),
        ("Caching", cells.gain(now.cache_savings_nano_usd), "saved, net of what writing cost"),
        (
            "Routing",
            cells.gain(now.routing_savings_nano_usd),
            "at most, against the strongest tier",
        ),
    ]


def _calls(number: int) -> str:
    return f"{formats.count(number)} {'call' if number == 1 else 'calls'} so far"


def _errors(sums: Sums) -> str:
    if not sums.errors:
        return "none ended with an error"
    return (
        f"{formats.count(sums.errors)} with an error ({formats.share(sums.errors, sums.requests)})"
    )


def _times(sums: Sums) -> str:
    half, most = sums.latency_ms(0.5), sums.latency_ms(0.95)
    if half is None:
        return ""
    return f"calls took {formats.milliseconds(half)}, 95 % up to {formats.milliseconds(most)}"


def _certainty(sums: Sums) -> dict[str, object]:
    """How sure the sum is: the parts are never mixed without a word."""
    parts = [
        ("exact", sums.exact_nano_usd),
        ("billed", sums.billed_nano_usd),
        ("estimated", sums.estimated_nano_usd),
        ("orphaned", sums.orphaned_nano_usd),
    ]
    label = ", ".join(f"{formats.exact(amount)} {name}" for name, amount in parts)
    return {
        "bar": charts.stacked_bar(parts, f"How sure the sum is: {label}"),
        "parts": [(name, cells.total(amount, sums.cost_nano_usd)) for name, amount in parts],
    }


async def _top(visit: Visit, period: Period, group: str) -> Table:
    """The five dearest, each with its days."""
    reports = visit.store.reports
    first = {"sort": "-cost_usd", "limit": MOST_TOP + 1}
    found = await reports.spend(
        _asked(period, (group,), visit, **{**COST_ALONE, **first, "totals": True})
    )
    rows = [row for row in found.rows if row.group[group] not in (None, OTHERS_SHOWN)][:MOST_TOP]
    earlier = period.moved(-1)
    by_day, spent_before = await _beside(visit, period, group, rows)
    lines = []
    for row in rows:
        name = row.group[group] or ""
        filters = {"key_id" if group == "key" else group: name}
        change = formats.DASH
        if earlier is not None:
            change = formats.change(row.sums.cost_nano_usd, spent_before.get(name, 0))
        href = visit.query.elsewhere(_place(group), **filters)
        if group in row.names:
            href = visit.query.elsewhere(f"/ui/{group}s/{name}")
        shown = row.names.get(group) or name
        cost = row.sums.cost_nano_usd
        values = _by_day(visit, period, by_day.get(name, {}))
        lines.append(
            Line(
                href=href,
                cells=(
                    cells.link(href, shown, "name"),
                    cells.total(cost, rows[0].sums.cost_nano_usd),
                    formats.share(cost, found.totals.cost_nano_usd),
                    charts.sparkline(values),
                    change,
                ),
            )
        )
    return Table(
        caption=f"Dearest {TOPS[group].lower()}",
        columns=(
            Column(TOPS[group][:-1]),
            Column("Cost", numeric=True),
            Column("Share", numeric=True),
            Column("By day"),
            Column("Change", numeric=True, hint="Against the range before"),
        ),
        lines=lines,
        query=visit.query,
        empty=f"Nothing was spent by {TOPS[group].lower()} in this range.",
        twins=False,
    )


async def _beside(
    visit: Visit, period: Period, group: str, rows: Sequence[SpendRow]
) -> tuple[Mapping[str, Mapping[str, int]], Mapping[str, int]]:
    """What each of them spent on each day, and in the range before: nano-USD."""
    if not rows:
        return {}, {}
    reports, these = visit.store.reports, {group: [row.group[group] for row in rows]}
    days = await reports.spend(
        _asked(period, (group, "day"), visit, only=these, sort="day", **COST_ALONE)
    )
    by_day: dict[str, dict[str, int]] = {}
    for row in days.rows:
        spent = by_day.setdefault(row.group[group] or "", {})
        spent[row.group["day"] or ""] = row.sums.cost_nano_usd
    earlier = period.moved(-1)
    if earlier is None:
        return by_day, {}
    was = await reports.spend(_asked(earlier, (group,), visit, only=these, **COST_ALONE))
    return by_day, {row.group[group] or "": row.sums.cost_nano_usd for row in was.rows}


def _by_day(visit: Visit, period: Period, spent: Mapping[str, int]) -> list[int]:
    """Also of the days without a call, up to now."""
    if period.since is None or not spent:
        return list(spent.values())
    first = visit.zone.at(period.since).date()
    last = visit.zone.at(min(period.until or visit.now, visit.now)).date()
    return [spent.get(text, 0) for text in over_time.days(first, last)]


def _place(group: str) -> str:
    return "/ui/spend" if group == "tag" else "/ui/requests"


async def _early(visit: Visit) -> Table | None:
    """Budgets that are used up before they start again, the soonest first."""
    found = await visit.store.budgets.standing(visit.store.ledger.global_budget)
    soon = [
        (ends, each) for each in found if (ends := budgets.ends_early(each, visit.now)) is not None
    ]
    soon.sort(key=lambda pair: pair[0])
    if not soon:
        return None
    shown = [each for _, each in soon[:MOST_TOP]]
    return budgets.table(visit, shown, caption="Budgets that end before they start again")


PAGE: Final = Page("overview", "Overview", (View(PATH, show, twins=True),), shortcut="o")
