"""Past ranges priced again and compared, as tables for people."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from app.commands.output import Column, complain, say, show_table

TELL_EVERY_S = 2.0
MILLIONTH = Decimal("0.000001")
FACTORS = {
    "calls": "more or fewer calls",
    "size": "longer or shorter ones",
    "mix": "shared otherwise between models",
    "cache": "cached more or less",
    "price": "other prices",
    "other": "searches, failures, corrections",
}
LEFT = {
    "same": "cost what they cost",
    "billed": "are billed by their vendor",
    "by_hand": "were set by an admin",
    "unpriced": "have no known answer",
    "moved_meanwhile": "were changed meanwhile: run it again",
}


def progress() -> Callable[[int], None]:
    """Says on stderr every few seconds how far it is: a large ledger takes minutes."""
    told_s = time.monotonic()

    def tell(calls: int) -> None:
        nonlocal told_s
        if time.monotonic() - told_s >= TELL_EVERY_S:
            told_s = time.monotonic()
            complain(f"{calls:,} calls so far")

    return tell


def show_whatif(told: Mapping[str, Any]) -> None:
    """What a range would have cost, and what was assumed."""
    if not told["requests"]:
        say("No settled call lies in that range.")
        return
    show_table(
        (
            Column("Model"),
            Column("Calls", "right", whole=True),
            Column("USD", "right", whole=True),
            Column("Calls\nwould be", "right", whole=True),
            Column("USD\nwould be", "right", whole=True),
        ),
        [
            (
                row["model"],
                f"{row['requests']:,}",
                _rounded(row["actual_usd"]),
                f"{row['whatif_requests']:,}",
                _rounded(row["whatif_usd"]),
            )
            for row in told["by_model"]
        ],
    )
    say(f"It cost {told['actual_usd']} USD and would have cost {told['whatif_usd']} USD,")
    say(f"{_more(told['difference_usd'])}; {_calls(told['changed'])} would cost something else.")
    if told["least_usd"] != told["most_usd"]:
        say(f"At least {told['least_usd']} USD, at most {told['most_usd']} USD.")
    if told["assumptions"]:
        say("\nAssumed:")
        for assumption in told["assumptions"]:
            say(f"- {assumption}")


def show_repricing(told: Mapping[str, Any]) -> None:
    """What was corrected, or would be."""
    if not told["requests"]:
        say("No settled call lies in that range.")
        return
    show_table(
        (
            Column("Model"),
            Column("Calls", "right", whole=True),
            Column("Changed", "right", whole=True),
            Column("USD\nbefore", "right", whole=True),
            Column("USD\nafter", "right", whole=True),
        ),
        [
            (
                row["model"],
                f"{row['requests']:,}",
                f"{row['changed']:,}",
                _rounded(row["before_usd"]),
                _rounded(row["after_usd"]),
            )
            for row in told["by_model"]
        ],
    )
    for why, count in told["left"].items():
        say(f"{_calls(count)} {LEFT[why]}.")
    say(f"{told['before_usd']} USD before, {told['after_usd']} USD after:")
    say(f"{_more(told['difference_usd'])}, by {_calls(told['changed'])}.")
    if told["dry_run"]:
        say("\nNothing was changed. To correct the ledger, run it again with --apply.")
    else:
        say(f"\nDone: {told['run_id']} is in the audit log.")


def show_change(told: Mapping[str, Any]) -> None:
    """The effects of each factor, and the models that changed."""
    before, after = told["before"], told["after"]
    if not before["requests"] and not after["requests"]:
        say("No call lies in either of the ranges.")
        return
    show_table(
        (Column("Because of"), Column("USD", "right", whole=True)),
        [(FACTORS[each["factor"]], _signed(each["usd"])) for each in told["effects"]],
    )
    say(f"{before['cost_usd']} USD for {_calls(before['requests'])} before,")
    say(
        f"{after['cost_usd']} USD for {_calls(after['requests'])} now: {_more(told['change_usd'])}."
    )
    models = [row for row in told["by_model"] if Decimal(row["change_usd"])]
    if models:
        say()
        show_table(
            (
                Column("Model"),
                Column("Calls\nbefore", "right", whole=True),
                Column("Calls\nnow", "right", whole=True),
                Column("USD", "right", whole=True),
            ),
            [
                (
                    row["model"],
                    f"{row['requests_before']:,}",
                    f"{row['requests_after']:,}",
                    _signed(row["change_usd"]),
                )
                for row in models
            ],
        )


def _calls(count: int) -> str:
    return "1 call" if count == 1 else f"{count:,} calls"


def _more(usd: str) -> str:
    return f"{usd.removeprefix('-')} USD {'less' if usd.startswith('-') else 'more'}"


def _rounded(usd: str) -> str:
    """To a millionth: the exact figures are for scripts."""
    return f"{Decimal(usd).quantize(MILLIONTH):,f}"


def _signed(usd: str) -> str:
    return f"{Decimal(usd).quantize(MILLIONTH):+,f}"
