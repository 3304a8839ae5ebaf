"""The routing half of Savings: which tier took how much, at which scores, and how it answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.dashboard.figures import cells, formats
from app.dashboard.figures.histogram import histogram
from app.dashboard.figures.likely import likely
from app.dashboard.figures.tables import Column, Line, Table
from app.store.records.routed import BUCKETS, NAMED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from app.dashboard.page import Visit
    from app.store.records.routed import OfTier, Routed

TIER_COLUMNS: Final = (
    Column("Tier"),
    Column("Calls", numeric=True),
    Column("Share", numeric=True),
    Column("By auto", numeric=True, hint="Calls that auto sent there; the rest was asked for"),
    Column("Cost", numeric=True),
    Column("Share of cost", numeric=True),
    Column("Per call", numeric=True),
    Column("Good", numeric=True, hint="Answers reported as good"),
    Column("Not good", numeric=True),
    Column("Good are", numeric=True, hint="Of those reported; 19 times out of 20 between these"),
)
NO_OUTCOME: Final = (
    "No answer of this range was reported as good or not. Say so on a receipt, or by POST "
    "/admin/requests/{id}/outcome: it tells whether the threshold is right, and from 200 on "
    "tollkeeper routing fit can learn from it."
)


def parts(visit: Visit, found: Routed) -> dict[str, Any]:
    """What the template draws."""
    tiers = _ordered(visit, found)
    names = [each.tier for each in tiers if each.by_auto]
    calls = sum(each.requests for each in tiers)
    ends = {found.least_threshold, found.most_threshold}
    lines = sorted(value for value in ends if value is not None)
    told = " to ".join(f"{value:.3g}" for value in lines)
    return {
        "calls": calls,
        "by_auto": found.by_auto,
        "auto_share": formats.share(found.by_auto, calls),
        "names": names,
        "threshold": told,
        "chart": histogram(
            [[each.by_tier[name] for name in names] for each in found.scores],
            lines,
            f"How many calls had which score, stacked by {', '.join(names)}; threshold {told}",
            f"threshold {told}",
        )
        if names
        else None,
        "scores": _scores(visit, found, names),
        "tiers": _tiers(visit, tiers),
        "outcomes": _outcomes(tiers),
    }


def _ordered(visit: Visit, found: Routed) -> list[OfTier]:
    """The weakest first, as config.yaml has them; models that were named come last."""
    known = [*visit.running.gateway.policy.catalog.tiers]

    def place(each: OfTier) -> tuple[bool, int]:
        return each.tier == NAMED, known.index(each.tier) if each.tier in known else len(known)

    return sorted(found.tiers, key=place)


def _tiers(visit: Visit, tiers: Sequence[OfTier]) -> Table:
    calls = sum(each.requests for each in tiers)
    cost = sum(each.cost_nano_usd for each in tiers)
    largest = formats.largest(each.cost_nano_usd for each in tiers)
    sums = [sum(each.by_auto for each in tiers)]
    sums += [sum(each.ok for each in tiers), sum(each.not_ok for each in tiers)]
    return Table(
        caption="By tier, the weakest first",
        columns=TIER_COLUMNS,
        lines=[
            Line(
                (
                    "a model by its name" if each.tier == NAMED else cells.name(each.tier),
                    cells.number(each.requests),
                    formats.share(each.requests, calls),
                    cells.number(each.by_auto),
                    cells.total(each.cost_nano_usd, largest),
                    formats.share(each.cost_nano_usd, cost),
                    cells.call_cost(each.cost_nano_usd // each.requests),
                    cells.number(each.ok),
                    cells.number(each.not_ok),
                    _good(each.ok, each.not_ok),
                )
            )
            for each in tiers
        ],
        query=visit.query,
        footer=(
            "All, exact",
            cells.number(calls),
            "",
            cells.number(sums[0]),
            cells.exact(cost),
            "",
            "",
            cells.number(sums[1]),
            cells.number(sums[2]),
            _good(sums[1], sums[2]),
        ),
        empty="No call was answered in this range.",
        of="tiers",
    )


def _good(ok: int, not_ok: int) -> str:
    if not ok + not_ok:
        return formats.DASH
    least, most = likely(ok, ok + not_ok)
    return f"{formats.share(ok, ok + not_ok)} ({least} to {most})"


def _scores(visit: Visit, found: Routed, names: Sequence[str]) -> Table:
    return Table(
        caption="Calls that auto decided, by their score",
        columns=(
            Column("Score from"),
            Column("Calls", numeric=True),
            *(Column(name, numeric=True) for name in names),
            Column("Good", numeric=True, hint="Answers reported as good"),
            Column("Not good", numeric=True),
        ),
        lines=[
            Line(
                (
                    f"{each.place / BUCKETS:.2f}",
                    cells.number(each.by_tier.total()),
                    *(cells.number(each.by_tier[name]) for name in names),
                    cells.number(each.ok),
                    cells.number(each.not_ok),
                )
            )
            for each in found.scores
            if each.by_tier
        ],
        query=visit.query,
        empty="auto decided no call of this range.",
        of="scores",
    )


def _outcomes(tiers: Sequence[OfTier]) -> str | Markup:
    """What was reported, and what it says of the threshold."""
    said = sum(each.ok + each.not_ok for each in tiers)
    if not said:
        return NO_OUTCOME
    calls = sum(each.requests for each in tiers)
    told = (
        f"{formats.count(said)} of {formats.count(calls)} answers were reported as good or not "
        f"({formats.share(said, calls)}). "
    )
    judged = [each for each in tiers if each.tier != NAMED and each.ok + each.not_ok]
    if len(judged) < 2:
        return told + "Reports of two tiers are needed to tell whether the threshold is right."
    weak, strong = judged[0], judged[-1]
    of_weak = likely(weak.ok, weak.ok + weak.not_ok)
    of_strong = likely(strong.ok, strong.ok + strong.not_ok)
    if of_weak[1] < of_strong[0]:
        return told + (
            f"{weak.tier} answers well less often than {strong.tier}: a lower threshold would send "
            f"more of its calls to {strong.tier}."
        )
    if of_weak[0] > of_strong[1]:
        return told + f"{weak.tier} does not lag behind: a higher threshold would save more."
    return told + f"They are too few, or too alike, to tell {weak.tier} and {strong.tier} apart."
