"""One call's cost as a sum that one can do again by hand: category x tokens x rate.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from app.core.money import PICO_PER_NANO
from app.core.pricing import CATEGORIES
from app.dashboard.figures import formats

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from app.store.records.request_views import RequestDetails

LABELS: Final = {
    "input": "Input, not cached",
    "cache_write_5m": "Cache write, 5 min",
    "cache_write_1h": "Cache write, 1 h",
    "cache_read": "Cache read",
    "output": "Output",
}
SENTENCES: Final = {
    "input": "{} tokens went in uncached",
    "cache_write_5m": "{} tokens were written to the cache",
    "cache_write_1h": "{} tokens were written to the cache for an hour",
    "cache_read": "{} tokens were read from the cache",
    "output": "{} tokens came out",
}
KINDS: Final = {
    "message": "",
    "compaction": "compaction",
    "fallback_message": "fallback",
    "advisor_message": "advisor",
}
_PICO_PER_USD: Final = 1_000_000_000_000


@dataclass(frozen=True, slots=True)
class MoneyLine:
    """A line of the sum; `pico` is its exact amount, in pico-USD, before the call is rounded.

    `rate` is in pico-USD per token. `book` and `origin` say where it is from: the dated price
    book, or `config`, which overrode it.
    """

    label: str
    pico: int
    category: str = ""
    tokens: int | None = None
    rate: int | None = None
    multiplier: str = "1"
    origin: str = ""
    since: str = ""
    model: str = ""
    above: int = 0
    note: str = ""


def money_lines(row: RequestDetails) -> list[MoneyLine]:
    """What adds up to the row's cost, to the last digit."""
    lines = [*_of_answer(row), *_of_the_rest(row)]
    missing = row.cost_nano_usd * PICO_PER_NANO - sum(line.pico for line in lines)
    if missing:
        note = "Each category is rounded once, half to even, to $0.000000001."
        lines.append(MoneyLine("Rounding", missing, note=note))
    return lines


def sentence(row: RequestDetails) -> str:
    """'$0.054399: 12,304 tokens were written to the cache (85 %), 550 came out.' as a sentence."""
    told = formats.exact(row.cost_nano_usd)
    if row.state == "reserved":
        return f"Running: {formats.exact(row.reserved_nano_usd)} is held for it."
    costs = {name: amount for name, amount in row.costs.items() if name in SENTENCES}
    ranked = sorted(costs, key=lambda name: (-costs[name], name))
    parts: list[str] = []
    for name in ranked[:2]:
        tokens = getattr(row, f"{name}_tokens")
        if tokens:
            text = SENTENCES[name].format(formats.count(tokens))
            parts.append(
                f"{text} ({formats.share(costs[name], row.cost_nano_usd)})" if not parts else text
            )
    if not parts:
        return f"{told}: nothing was billed." if not row.cost_nano_usd else f"{told}."
    return f"{told}: {', '.join(parts)}."


def pico_of(usd: str) -> int:
    """'0.000003' -> 3_000_000."""
    return int(Decimal(usd) * _PICO_PER_USD)


def amount(pico: int) -> str:
    """All its digits: nano-USD where that is exact, else down to the pico-USD."""
    nano, rest = divmod(abs(pico), PICO_PER_NANO)
    if not rest:
        return formats.exact(nano if pico >= 0 else -nano)
    sign = formats.MINUS if pico < 0 else ""
    whole, decimals = divmod(abs(pico), _PICO_PER_USD)
    return f"{sign}${whole:,}.{f'{decimals:012d}'.rstrip('0')}"


def _of_answer(row: RequestDetails) -> Iterator[MoneyLine]:
    if row.rates is None:
        return
    parts = row.rates.get("parts")
    if parts is None:
        tokens = {name: getattr(row, f"{name}_tokens") for name in CATEGORIES}
        yield from _of_part(row.rates, tokens, row.web_search_requests, "")
        return
    for part in parts:
        kind = KINDS.get(part["kind"], part["kind"])
        yield from _of_part(part, part["tokens"], part["web_search_requests"], kind)


def _of_part(
    rates: Mapping[str, Any], tokens: Mapping[str, int], searches: int, kind: str
) -> Iterator[MoneyLine]:
    multiplier = pico_of(rates["multiplier"])
    free = f"Not billed: {rates['free']}." if rates.get("free") else ""
    for name in ("input", "cache_write_5m", "cache_write_1h", "cache_read", "output"):
        if not tokens[name]:
            continue
        rate = pico_of(rates["usd_per_token"][name])
        yield MoneyLine(
            label=f"{LABELS[name]} ({kind})" if kind else LABELS[name],
            pico=tokens[name] * rate * multiplier // _PICO_PER_USD,
            category=name,
            tokens=tokens[name],
            rate=rate,
            multiplier=rates["multiplier"],
            origin=rates["origins"][name],
            since=rates["effective_from"],
            model=rates["model"],
            above=rates["above_prompt_tokens"],
            note=free,
        )
    each = pico_of(rates["usd_per_web_search"])
    if searches:
        yield MoneyLine("Web searches", searches * each, tokens=searches, rate=each, note=free)


def _of_the_rest(row: RequestDetails) -> Iterator[MoneyLine]:
    left = row.other_nano_usd
    billed = (row.rates or {}).get("billed")
    if billed is not None:
        more = formats.nano(billed["difference_usd"])
        left -= more
        if more:
            note = f"The upstream billed ${billed['usd']}: that is the cost."
            yield MoneyLine("Difference to the upstream’s bill", more * PICO_PER_NANO, note=note)
    if left:
        corrected = row.cost_source == "corrected"
        label = "Correction by hand" if corrected else "Attempts without a whole answer"
        note = "" if corrected else "What they may have been billed; see the attempts below."
        yield MoneyLine(label, left * PICO_PER_NANO, note=note)
