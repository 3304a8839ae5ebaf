"""`whatif`, `reprice` and `spend change`, as people and scripts call them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.cli.processes import run
from tests.store.ledger.till import HAIKU, close_till, open_till
from tests.store.records.test_repricings import fill

RANGE = ("--from", "2020-01-01", "--to", "2100-01-01")
CONFIG = f"""
models:
  {HAIKU}: {{upstream: anthropic, cost_per_token: {{output: 0.0000025}}}}
tiers: {{haiku: {HAIKU}}}
fallbacks: {{}}
"""


async def call(url: str) -> None:
    """Two answers of 0.0015 USD, one call of 0.01 without one, and one set to 0.002 by an admin."""
    till = await open_till(url)
    await fill(till)
    await close_till(till)


@pytest.fixture
def spent(folder: Path) -> Path:
    asyncio.run(call(f"sqlite:///{folder / 'data' / 'tollkeeper.db'}"))
    return folder


def test_what_if_for_people_fits_60_columns(spent: Path) -> None:
    ended = run(spent, "whatif", *RANGE, "--price", "haiku.output=0.0000025", COLUMNS="60")
    assert max(map(len, ended.out.splitlines())) <= 110  # what is assumed wraps by itself
    table = [line for line in ended.lines() if line.startswith(HAIKU[:10])]
    assert table[0].split()[-4:] == ["4", "0.015000", "4", "0.014500"]
    # 100 tokens out of two answers at half of $5 per million
    assert "It cost 0.015 USD and would have cost 0.0145 USD," in ended.out
    assert "0.0005 USD less; 2 calls would cost something else." in ended.out
    assert "- an admin has set the cost, which stays (1 call)" in ended.lines()


def test_what_if_for_scripts(spent: Path) -> None:
    same = run(spent, "whatif", *RANGE, "--json").json()
    assert (same["actual_usd"], same["whatif_usd"]) == ("0.015", "0.015")
    rules = ("--tier", "haiku=sonnet", "--threshold", "0.5", "--cache", "off", "--key", "test")
    dearer = run(spent, "whatif", *RANGE, *rules, "--json").json()
    # two answers of 1,000 x $3 + 100 x $15 per million
    assert dearer["whatif_usd"] == "0.021"


def test_a_dry_run_comes_first_and_a_run_corrects_the_ledger(spent: Path) -> None:
    (spent / "config.yaml").write_text(CONFIG)
    dry = run(spent, "reprice", *RANGE, COLUMNS="60")
    assert max(map(len, dry.out.splitlines())) <= 70
    assert "0.015 USD before, 0.0145 USD after:" in dry.lines()
    assert dry.lines()[-1].startswith("Nothing was changed.")
    assert run(spent, "spend", "--json").json()["total_cost_usd"] == "0.015"
    done = run(spent, "reprice", *RANGE, "--apply", "--json").json()
    assert (done["changed"], done["difference_usd"]) == (2, "-0.0005")
    assert run(spent, "spend", "--json").json()["total_cost_usd"] == "0.0145"
    again = run(spent, "reprice", *RANGE, "--apply")
    assert "2 calls cost what they cost." in again.lines()
    assert again.lines()[-1].startswith("Done: reprice_")


def test_why_spend_changed(spent: Path) -> None:
    ranges = (*RANGE, "--against-from", "2019-01-01", "--against-to", "2020-01-01")
    told = run(spent, "spend", "change", *ranges, "--json").json()
    assert told["effects"][0] == {"factor": "calls", "usd": "0.015"}
    shown = run(spent, "spend", "change", *ranges, COLUMNS="60")
    assert "0.015 USD for 4 calls now: 0.015 USD more." in shown.lines()
    assert any(line.split()[-1] == "+0.015000" for line in shown.lines())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("whatif", *RANGE, "--tier", "haiku"), "--tier is TIER=MODEL"),
        (("whatif", *RANGE, "--tier", "huge=sonnet"), "no tier 'huge'"),
        (("whatif", *RANGE, "--price", "sonnet=1"), "--price is MODEL.CATEGORY=USD"),
        (("whatif", *RANGE, "--price", "sonnet.output=-1"), "is no price"),
        (("whatif", *RANGE, "--price", "sonnet.output=x"), "is no price"),
        (("whatif", *RANGE, "--key", "nobody"), "nobody"),
        (("whatif", "--from", "soon", "--to", "2100-01-01"), "from is not a date"),
        (("reprice", "--from", "2026-02-01", "--to", "2026-01-01"), "ends before it begins"),
        (
            ("spend", "change", *RANGE, "--against-from", "x", "--against-to", "2020-01-01"),
            "--against-from is not a date",
        ),
    ],
)
def test_what_makes_no_sense_is_said_in_a_sentence(
    spent: Path, arguments: tuple[Any, ...], says: str
) -> None:
    ended = run(spent, *arguments)
    assert ended.code in (1, 2)
    assert says in ended.err


def test_a_range_without_calls_says_so(spent: Path) -> None:
    empty = ("--from", "2019-01-01", "--to", "2020-01-01")
    for command in ("whatif", "reprice"):
        assert run(spent, command, *empty).lines() == ["No settled call lies in that range."]
    both = (*empty, "--against-from", "2018-01-01", "--against-to", "2019-01-01")
    assert run(spent, "spend", "change", *both).lines() == ["No call lies in either of the ranges."]
