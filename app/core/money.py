"""Money as integers: amounts in nano-USD (1e-9), rates in pico-USD (1e-12) per token."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NewType

NanoUsd = NewType("NanoUsd", int)

NANO_PER_USD = 1_000_000_000
NANO_DIGITS = 9
PICO_PER_NANO = 1_000
MOST_USD = 1_000_000_000  # keeps every sum of limits far inside a signed 64-bit column
_AMOUNT = re.compile(r"([0-9]{1,10})(?:\.([0-9]{1,30}))?", re.ASCII)


def nano_usd(amount_usd: str) -> NanoUsd:
    """'0.25' -> 250_000_000.

    Raises ValueError unless the text is a plain decimal number of USD, at most
    one billion and a whole number of nano-USD.
    """
    match = _AMOUNT.fullmatch(amount_usd)
    if match is None:
        raise ValueError(f"not a plain decimal amount of USD: {amount_usd!r}")
    decimals = (match[2] or "").rstrip("0")
    if len(decimals) > NANO_DIGITS:
        raise ValueError(f"finer than 0.000000001 USD: {amount_usd!r}")
    nano = int(match[1] + decimals.ljust(NANO_DIGITS, "0"))
    if nano > MOST_USD * NANO_PER_USD:
        raise ValueError(f"more than {MOST_USD} USD: {amount_usd!r}")
    return NanoUsd(nano)


@lru_cache(maxsize=1_024)  # an answer tells each of its amounts in several places
def usd_text(amount: int) -> str:
    """Nano-USD as an exact decimal text of USD, at least two decimals: 54_399_000 -> '0.054399'."""
    if not amount:
        return "0.00"
    whole, rest = divmod(abs(amount), NANO_PER_USD)
    decimals = f"{rest:09d}".rstrip("0").ljust(2, "0")
    return f"{'-' if amount < 0 else ''}{whole}.{decimals}"


@lru_cache(maxsize=4_096)
def pico_text(rate: int) -> str:
    """Pico-USD as an exact decimal text of USD, without an exponent: 3_000_000 -> '0.000003'."""
    whole, rest = divmod(rate, NANO_PER_USD * PICO_PER_NANO)
    decimals = f"{rest:012d}".rstrip("0")
    return f"{whole}.{decimals}" if decimals else str(whole)


def round_half_even(numerator: int, denominator: int) -> int:
    """The integer nearest to numerator / denominator; a tie goes to the even one."""
    quotient, rest = divmod(numerator, denominator)
    twice = 2 * rest
    if twice > denominator or (twice == denominator and quotient % 2):
        return quotient + 1
    return quotient


def round_up(numerator: int, denominator: int) -> int:
    """The smallest integer that is not below numerator / denominator."""
    return -(-numerator // denominator)
