"""What if: past calls under other tiers, another threshold, no cache; nothing is sent."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal

import orjson
from starlette.responses import Response

from app.config.fields import pico_usd
from app.core.errors import BadRequest
from app.dashboard.figures import cells, formats
from app.dashboard.figures.tables import Column, Line, Records, Table
from app.dashboard.page import Part
from app.store.records.other_rules import other_rules
from app.store.records.ranges import range_of
from app.store.records.replay_json import whatif_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.core.whatif import OtherRules
    from app.dashboard.page import Visit

PATIENCE_S: Final = 30.0  # it reads every call of the range, and only when it is asked to
TIER: Final = "tier-"
ASKED: Final = "go"
TOO_LONG: Final = "This took more than 30 s and was stopped: narrow the range."
PRICED: Final = ("", "2")  # so many models can be given other prices
CATEGORIES: Final = {
    "input": "input",
    "output": "output",
    "cache_write_5m": "write 5 min",
    "cache_write_1h": "write 1 h",
    "cache_read": "read",
}
MOST_DIGITS: Final = 24
COLUMNS: Final = (
    Column("Model"),
    Column("Calls", numeric=True),
    Column("They cost", numeric=True),
    Column("It would answer", numeric=True, hint="Calls"),
    Column("Would have cost", numeric=True),
    Column("Change", numeric=True),
)
DAY_COLUMNS: Final = (Column("Day"), COLUMNS[1], COLUMNS[2], *COLUMNS[4:])


async def show(visit: Visit) -> Response:
    """The form, and, once it was sent, the report; the twins are the admin API's."""
    period = visit.query.period(visit.now, "30d")
    rules = _rules(visit)
    asked = bool(visit.query[ASKED]) or bool(visit.twin)
    report = await _report(visit, rules) if asked else None
    if visit.twin and report is not None and not report.failure:
        of = visit.query["of"]
        if visit.twin == "json" and not of:
            return Response(orjson.dumps(report.value), media_type="application/json")
        return visit.records(Records(report.value["by_day" if of == "days" else "by_model"]))
    catalog = visit.running.gateway.policy.catalog
    return await visit.html(
        "whatif.html",
        period=period,
        tiers=catalog.tiers,
        models=list(catalog.models),
        tier_field=TIER,
        priced=PRICED,
        categories=CATEGORIES,
        prices_given=any(visit.query[f"priced{place}"] for place in PRICED),
        threshold=visit.running.gateway.policy.rules.threshold,
        report=report,
        table=_table(visit, report.value) if report is not None and report.value else None,
        days=_days(visit, report.value) if report is not None and report.value else None,
        change=_change(report.value) if report is not None and report.value else None,
    )


async def _report(visit: Visit, rules: OtherRules) -> Part:
    ends = visit.query.period(visit.now, "30d").filters()
    within = range_of(ends.get("from"), ends.get("to"))
    key = visit.query["key_id"] or None
    replays = visit.store.replays
    try:
        async with asyncio.timeout(PATIENCE_S):
            report = await replays.whatif(within, rules, key)
            return Part(whatif_json(report, await replays.orphaned(within, key)))
    except TimeoutError:
        return Part(failure=TOO_LONG, request_id=visit.request_id)


def _rules(visit: Visit) -> OtherRules:
    """As the form has them.  Raises BadRequest."""
    given = visit.query.given
    cache: Literal["off", "auto"] | None = None
    if given.get("cache") == "off":
        cache = "off"
    elif given.get("cache") == "auto":
        cache = "auto"
    return other_rules(
        visit.running.gateway.policy.catalog,
        tiers={
            name.removeprefix(TIER): model for name, model in given.items() if name.startswith(TIER)
        },
        threshold=_threshold(given.get("threshold")),
        cost_per_token=_prices(given),
        cache=cache,
    )


def _prices(given: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """Pico-USD per token by model and category, of texts in dollars per million tokens."""
    found: dict[str, dict[str, int]] = {}
    for place in PRICED:
        model = given.get(f"priced{place}", "")
        rates = {
            category: _pico(text, name)
            for category in CATEGORIES
            if (text := given.get(name := f"usd{place}-{category}"))
        }
        if rates and not model:
            raise BadRequest("whose prices these are must be chosen", param=f"priced{place}")
        if model in found:
            raise BadRequest(f"two prices for {model!r}", param=f"priced{place}")
        if rates:
            found[model] = rates
    return found


def _pico(text: str, name: str) -> int:
    digits = text.lstrip("$").replace(",", "")
    if len(digits) <= MOST_DIGITS and digits.replace(".", "", 1).isascii():
        with suppress(ArithmeticError, ValueError):
            return pico_usd(Decimal(digits).scaleb(-6))
    raise BadRequest(
        f"{name} must be dollars per million tokens, such as 3 or 0.25, at most 10,000 and with "
        "six decimals",
        param=name,
    )


def _threshold(text: str | None) -> float | None:
    if text is None:
        return None
    digits = text.replace(".", "", 1)
    if digits.isascii() and digits.isdecimal() and 0 <= float(text) <= 1:
        return float(text)
    raise BadRequest("threshold must be a number from 0 to 1", param="threshold")


def _change(report: Mapping[str, Any]) -> dict[str, Any]:
    names = ("actual_usd", "whatif_usd", "difference_usd", "least_usd", "most_usd")
    return {name.removesuffix("_usd"): formats.nano(report[name]) for name in names}


def _table(visit: Visit, report: Mapping[str, Any]) -> Table:
    lines = []
    for row in report["by_model"]:
        was, becomes = formats.nano(row["actual_usd"]), formats.nano(row["whatif_usd"])
        lines.append(
            Line(
                (
                    cells.name(row["model"]),
                    cells.number(row["requests"]),
                    cells.total(was),
                    cells.number(row["whatif_requests"]),
                    cells.total(becomes),
                    formats.change(becomes, was),
                )
            )
        )
    return Table(
        caption="By model",
        columns=COLUMNS,
        lines=lines,
        query=visit.query,
        empty="No settled call in this range.",
        of="models",
    )


def _days(visit: Visit, report: Mapping[str, Any]) -> Table:
    lines = []
    for row in report["by_day"]:
        was, becomes = formats.nano(row["actual_usd"]), formats.nano(row["whatif_usd"])
        lines.append(
            Line(
                (
                    row["day"],
                    cells.number(row["requests"]),
                    cells.total(was),
                    cells.total(becomes),
                    formats.change(becomes, was),
                )
            )
        )
    return Table(
        caption="By day, UTC",
        columns=DAY_COLUMNS,
        lines=lines,
        query=visit.query,
        empty="No settled call in this range.",
        of="days",
    )
