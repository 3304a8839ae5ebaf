"""Reports over past ranges as the JSON objects that the admin API and the commands show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.core.money import usd_text
from app.core.spend_change import OUTPUT, PROMPT, Spent, effects
from app.core.whatif import Pair, Report
from app.store.records.repricings import RepricingReport

NONE: Final = Spent(0, dict.fromkeys((*PROMPT, OUTPUT), 0), {})


def whatif_json(report: Report, orphaned: tuple[int, int]) -> dict[str, Any]:
    """The report as JSON."""
    total = report.total
    calls, nano = orphaned
    left_out = (
        [f"calls of lost processes are left out ({calls:,} of {usd_text(nano)} USD)"]
        if calls
        else []
    )
    return {
        "requests": total.calls,
        "changed": report.changed,
        "actual_usd": usd_text(total.nano_usd),
        "whatif_usd": usd_text(total.whatif_nano_usd),
        "difference_usd": usd_text(total.whatif_nano_usd - total.nano_usd),
        "least_usd": usd_text(report.least_nano_usd),
        "most_usd": usd_text(report.most_nano_usd),
        "by_model": [
            {"model": model, **_pair(pair), "whatif_requests": pair.whatif_calls}
            for model, pair in sorted(report.by_model.items())
        ],
        "by_day": [
            {"day": day.isoformat(), **_pair(pair)} for day, pair in sorted(report.by_day.items())
        ],
        "assumptions": [*report.assumptions, *left_out],
    }


def _pair(pair: Pair) -> dict[str, Any]:
    return {
        "requests": pair.calls,
        "actual_usd": usd_text(pair.nano_usd),
        "whatif_usd": usd_text(pair.whatif_nano_usd),
    }


def change_json(before: Mapping[str, Spent], after: Mapping[str, Spent]) -> dict[str, Any]:
    """The change as JSON, the models that changed most first."""
    names = {**before, **after}
    models = [(model, before.get(model, NONE), after.get(model, NONE)) for model in names]
    models.sort(key=lambda each: (-abs(each[2].total_nano_usd - each[1].total_nano_usd), each[0]))
    changed = effects(before, after)
    return {
        "before": _range_spent(before),
        "after": _range_spent(after),
        "change_usd": usd_text(sum(changed.values())),
        "effects": [{"factor": name, "usd": usd_text(nano)} for name, nano in changed.items()],
        "by_model": [
            {
                "model": model,
                "requests_before": old.calls,
                "requests_after": new.calls,
                "before_usd": usd_text(old.total_nano_usd),
                "after_usd": usd_text(new.total_nano_usd),
                "change_usd": usd_text(new.total_nano_usd - old.total_nano_usd),
            }
            for model, old, new in models
        ],
    }


def _range_spent(spent: Mapping[str, Spent]) -> dict[str, Any]:
    each = spent.values()
    return {
        "requests": sum(of.calls for of in each),
        "cost_usd": usd_text(sum(of.total_nano_usd for of in each)),
        "prompt_tokens": sum(of.prompt_tokens for of in each),
        "output_tokens": sum(of.tokens["output"] for of in each),
        "cache_read_tokens": sum(of.tokens["cache_read"] for of in each),
    }


def reprice_json(report: RepricingReport) -> dict[str, Any]:
    """The run, or what it would do, as JSON."""
    total = report.total
    return {
        "dry_run": report.run_id is None,
        "run_id": report.run_id,
        "requests": total.calls,
        "changed": report.changed,
        "before_usd": usd_text(total.nano_usd),
        "after_usd": usd_text(total.whatif_nano_usd),
        "difference_usd": usd_text(total.whatif_nano_usd - total.nano_usd),
        "by_model": [
            {
                "model": model,
                "requests": pair.calls,
                "changed": pair.whatif_calls,
                "before_usd": usd_text(pair.nano_usd),
                "after_usd": usd_text(pair.whatif_nano_usd),
            }
            for model, pair in sorted(report.by_model.items())
        ],
        "left": dict(sorted(report.left.items())),
    }
