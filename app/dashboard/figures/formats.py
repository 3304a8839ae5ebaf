"""How figures are written on pages: pure, from integers to text; DASH stands for what isn't known.

Money is whole nano-USD, rates are whole pico-USD per token. A minus is U+2212.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.core.money import NANO_PER_USD, nano_usd, pico_text, round_half_even, usd_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

DASH: Final = "–"
MINUS: Final = "−"
FROM_SHORT_USD: Final = 100_000
_SHORT: Final = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K"))
_SPANS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def nano(usd: str) -> int:
    """Nano-USD of a decimal text such as '-0.0118'.  Raises ValueError."""
    if usd.startswith("-"):
        return -nano_usd(usd[1:])
    return nano_usd(usd)


def exact(amount: int) -> str:
    """All of it: 54_399_000 -> '$0.054399', 1_234_570_000_000 -> '$1,234.57'."""
    whole, _, decimals = usd_text(abs(amount)).partition(".")
    return f"{_sign(amount)}${int(whole):,}.{decimals}"


def call(amount: int) -> str:
    """What one call cost, in a list: always six decimals, or '<$0.000001'."""
    return _rounded(amount, 6)


def total(amount: int, largest: int | None = None) -> str:
    """A sum: two decimals where the column's `largest` is a dollar or more, else four.

    What is not zero never shows as zero.
    """
    greatest = abs(amount) if largest is None else abs(largest)
    return _rounded(amount, 4 if 0 < greatest < NANO_PER_USD else 2)


def tile(amount: int) -> str:
    """A sum in a tile or at an axis: from $100,000 on '$1.23 M'."""
    if abs(amount) < FROM_SHORT_USD * NANO_PER_USD:
        return total(amount)
    return f"{_sign(amount)}${_short(abs(amount), NANO_PER_USD)}"


def largest(amounts: Iterable[int]) -> int:
    """The greatest of a column, whatever its sign; 0 for none."""
    return max(map(abs, amounts), default=0)


def count(number: int) -> str:
    """12621 -> '12,621'."""
    return f"{_sign(number)}{abs(number):,}"


def counted(number: int, thing: str) -> str:
    """'1 call', '12,621 calls'."""
    return f"{count(number)} {thing}{'' if number == 1 else 's'}"


def short_count(number: int) -> str:
    """Three digits in tiles and at axes: 1_260_000 -> '1.26 M'."""
    if abs(number) < 10_000:
        return count(number)
    return f"{_sign(number)}{_short(abs(number), 1)}"


def rate(pico_per_token: int) -> str:
    """Pico-USD per token as dollars per million tokens: 3_000_000 -> '$3.00'."""
    return exact(pico_per_token * 1_000) if pico_per_token else "$0.00"


def rate_exact(pico_per_token: int) -> str:
    """The same per token: '$0.000003 per token'."""
    return f"${pico_text(pico_per_token)} per token"


def share(part: int, whole: int) -> str:
    """One decimal: '12.4 %'; DASH where there is no whole."""
    if not whole:
        return DASH
    thousandths = round_half_even(part * 1_000, whole)
    return f"{_sign(thousandths)}{abs(thousandths) // 10}.{abs(thousandths) % 10} %"


def change(now: int, before: int) -> str:
    """From `before` to `now`: '+12.4 %'; 'new' from nothing, DASH where both are nothing."""
    if not before:
        return "new" if now else DASH
    text = share(now - before, abs(before))
    return text if now < before or text == "0.0 %" else f"+{text}"


def milliseconds(ms: int | None) -> str:
    """'840 ms', from ten seconds on '12.3 s'."""
    if ms is None:
        return DASH
    return f"{ms:,} ms" if ms < 10_000 else f"{ms / 1_000:,.1f} s"


def span(seconds: int) -> str:
    """The two greatest units: 11_520 -> '3 h 12 min', 90_000 -> '1 d 1 h'."""
    for place, (size, unit) in enumerate(_SPANS):
        if seconds >= size:
            first, rest = divmod(seconds, size)
            text = f"{first} {unit}"
            if place + 1 == len(_SPANS) or seconds < 3_600:
                return text
            smaller, smaller_unit = _SPANS[place + 1]
            more = rest // smaller
            return f"{text} {more} {smaller_unit}" if more else text
    return "0 s"


def relative(when: datetime, now: datetime) -> str:
    """'4 min ago', 'in 3 h 12 min', 'just now'."""
    seconds = int((when - now).total_seconds())
    if -5 < seconds < 5:
        return "just now"
    return f"in {span(seconds)}" if seconds > 0 else f"{span(-seconds)} ago"


def day(when: datetime) -> str:
    """'30 Nov 2026'."""
    return f"{when.day} {when:%b %Y}"


def moment(when: datetime) -> str:
    """'30 Nov 2026 22:04:31', in the zone that it has."""
    return f"{day(when)} {when:%H:%M:%S}"


def _rounded(amount: int, decimals: int) -> str:
    unit = 10 ** (9 - decimals)
    units = round_half_even(abs(amount), unit)
    if amount and not units:
        return f"{'<' if amount > 0 else f'>{MINUS}'}$0.{'1':0>{decimals}}"
    whole, rest = divmod(units, 10**decimals)
    return f"{_sign(amount)}${whole:,}.{rest:0{decimals}d}"


def _short(number: int, unit: int) -> str:
    for size, letter in _SHORT:
        if number >= size * unit:
            hundredths = number * 100 // (size * unit)
            whole, rest = divmod(hundredths, 100)
            if whole >= 100:
                return f"{whole:,} {letter}"
            return (
                f"{whole}.{rest // 10} {letter}" if whole >= 10 else f"{whole}.{rest:02d} {letter}"
            )
    return f"{number // unit:,}"


def _sign(number: int) -> str:
    return MINUS if number < 0 else ""
