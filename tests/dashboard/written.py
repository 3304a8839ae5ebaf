"""How figures of the admin API are written on pages, worked out apart from the pages' own code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from tests.dashboard.shown import Row

Object = Mapping[str, Any]
DASH = "–"


def usd(text: str | Decimal) -> str:
    """'-0.5' -> '$0.50' behind a minus sign."""
    amount = Decimal(text)
    whole, _, decimals = f"{abs(amount):.9f}".partition(".")
    kept = decimals.rstrip("0").ljust(2, "0")
    return f"{'−' if amount < 0 else ''}${int(whole):,}.{kept}"


def count(number: int) -> str:
    return f"{number:,}"


def share(part: str | Decimal | int, whole: str | Decimal | int) -> str:
    """One decimal, a half to the even one."""
    if not Decimal(whole):
        return DASH
    percent = Decimal(part) * 100 / Decimal(whole)
    return f"{percent.quantize(Decimal('0.1'), ROUND_HALF_EVEN)} %".replace("-", "−")


def change(now: str, before: str) -> str:
    if not Decimal(before):
        return "new" if Decimal(now) else DASH
    told = share(Decimal(now) - Decimal(before), before)
    return told if Decimal(now) < Decimal(before) or told == "0.0 %" else f"+{told}"


def ms(number: int | None) -> str:
    return DASH if number is None else f"{number:,} ms"


def mean(cost: str, calls: int) -> str:
    """Rounded down to the nano-dollar."""
    return usd(Decimal(int(Decimal(cost) * 10**9) // calls) / 10**9) if calls else DASH


def sum_of(rows: Iterable[Object], name: str) -> Decimal:
    return sum((Decimal(row[name]) for row in rows), Decimal(0))


def bar(spent: str, held: str, limit: str | None) -> str:
    """A budget's bar in words."""
    if limit is None:
        return "no limit"
    left = max(Decimal(limit) - Decimal(spent) - Decimal(held), Decimal(0))
    return f"{usd(spent)} spent, {usd(held)} held, {usd(left)} left of {usd(limit)}"


def spend_row(row: Object, totals: Object, before: str = "0") -> Row:
    written = row["cache_write_5m_tokens"] + row["cache_write_1h_tokens"]
    return {
        "Cost": usd(row["cost_usd"]),
        "Share": share(row["cost_usd"], totals["cost_usd"]),
        "Calls": count(row["requests"]),
        "Errors": count(row["errors"]),
        "Input": count(row["input_tokens"]),
        "Written": count(written),
        "Read": count(row["cache_read_tokens"]),
        "Output": count(row["output_tokens"]),
        "Cache": usd(row["cache_savings_usd"]),
        "Routing": usd(row["routing_savings_usd"]),
        "Per call": mean(row["cost_usd"], row["requests"]),
        "p95": ms(row["latency_ms_p95"]),
        "Change": change(row["cost_usd"], before),
    }


def prompt_tokens(row: Object) -> int:
    names = ("input", "cache_write_5m", "cache_write_1h", "cache_read")
    tokens: int = sum(row[f"{name}_tokens"] for name in names)
    return tokens


def call_row(row: Object) -> Row:
    """A line of a list of calls."""
    return {
        "Route": row["route_reason"],
        "In": count(prompt_tokens(row)),
        "Read": share(row["cache_read_tokens"], prompt_tokens(row)),
        "Out": count(row["output_tokens"]),
        "Cost": usd(row["cost_usd"]),
        "Saved": usd(row["cache_savings_usd"]),
        "Tries": count(row["attempts"]),
        "Took": ms(row["latency_ms"]),
    }


def cache_row(figures: Object) -> Row:
    """What caching did for a part of the calls."""
    lost = figures["lost_usd"]
    return {
        "Calls": count(figures["requests"]),
        "Read": share(figures["cache_read_tokens"], figures["prompt_tokens"]),
        "Saved, net": usd(figures["saved_usd"]),
        "Of it lost": usd(f"-{lost}") if Decimal(lost) else DASH,
        "Misses": count(figures["misses"]),
        "Misses cost": usd(figures["miss_usd"]),
    }


def short(number: int) -> str:
    """From ten thousand on three digits and a letter, cut off: 29_681 -> '29.6 K'."""
    if number < 10_000:
        return count(number)
    return f"{number // 1_000}.{number % 1_000 // 100} K"


def six_decimals(text: str | Decimal) -> str:
    return f"${Decimal(text).quantize(Decimal('0.000001'), ROUND_HALF_EVEN)}"


def two_or_four(text: str) -> str:
    """A sum in a sentence: two decimals from a dollar on, else four."""
    places = Decimal("0.01") if abs(Decimal(text)) >= 1 else Decimal("0.0001")
    return f"${Decimal(text).quantize(places, ROUND_HALF_EVEN)}"
