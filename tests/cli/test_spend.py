from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.processes import run
from tests.store.ledger.till import HAIKU, charge, close_till, open_till, reservation

TODAY = datetime.now(UTC).date()


async def call(url: str) -> None:
    """Two calls of "mine", 1.5 cents and a nano-USD, and one of "other", 0.25 cents."""
    till = await open_till(url)
    mine, other = await till.key(name="mine"), await till.key(name="other")
    for key, nano_usd, tags in (
        (mine, 15_000_000, ("a", "b")),
        (mine, 1, ()),
        (other, 2_500_000, ()),
    ):
        async with till.hold(reservation(key, tags=tags)) as hold:
            hold.settle(charge(nano_usd, uncached=20_000_000, strongest=30_000_000))
    await close_till(till)


@pytest.fixture
def spent(folder: Path) -> Path:
    asyncio.run(call(f"sqlite:///{folder / 'data' / 'tollkeeper.db'}"))
    return folder


def test_spend_by_model_for_people_fits_80_columns(spent: Path) -> None:
    ended = run(spent, "spend", "--by", "model")
    assert max(map(len, ended.out.splitlines())) <= 80
    lines = ended.lines()
    assert lines[-1] == "Total: 0.017500001 USD"
    # Three calls of 3 + 40 + 500 tokens in and 60 out each, to a millionth of a USD; saved:
    # 3 x 0.02 - 0.0175 USD by the cache, 3 x 0.03 - 0.0175 USD by routing.
    assert lines[-2].split() == [*(HAIKU, "3", "1,629", "180", "0.017500", "0.042500", "0.072500")]


@pytest.mark.parametrize(("columns", "cells"), [("80", 6), ("120", 8)])
def test_savings_leave_where_several_groups_need_the_room(
    spent: Path, columns: str, cells: int
) -> None:
    lines = run(spent, "spend", "--by", "model,day", COLUMNS=columns).lines()
    assert len(lines[-2].split()) == cells
    assert lines[-2].startswith(f"{HAIKU}  ")


@pytest.mark.parametrize("columns", ["60", "30"])
def test_no_figure_is_broken_however_narrow_the_terminal(spent: Path, columns: str) -> None:
    rows = run(spent, "spend", "--by", "model", COLUMNS=columns).lines()[3:-1]
    (figures,) = (row.split()[-4:] for row in rows if "0.017500" in row)
    assert figures == ["3", "1,629", "180", "0.017500"]
    assert "".join(row.split()[0] for row in rows) == HAIKU


def test_spend_for_scripts_is_the_admin_api_s_report(spent: Path) -> None:
    report = run(spent, "spend", "--by", "key,day", "--json").json()
    assert report["total_cost_usd"] == "0.017500001"
    rows = {row["key_name"]: row for row in report["data"]}
    assert (rows["mine"]["requests"], rows["mine"]["cost_usd"]) == (2, "0.015000001")
    assert (rows["other"]["requests"], rows["other"]["cost_usd"]) == (1, "0.0025")
    assert {row["day"] for row in report["data"]} <= {str(TODAY), str(TODAY + timedelta(1))}


def test_keys_are_shown_by_name(spent: Path) -> None:
    ended = run(spent, "spend")
    assert {"mine", "other"} <= set(ended.out.split())


async def more_calls(url: str) -> list[str]:
    """One cent by each of two keys of one name; one call has tags, the other a user."""
    till = await open_till(url)
    twins = [await till.key(name="twin"), await till.key(name="twin")]
    await till.call(reservation(twins[0], tags=("env=prod", "red", "ab")), 10_000_000)
    await till.call(reservation(twins[1], tags=("env=prod",), end_user="user"), 10_000_000)
    await close_till(till)
    return [key.id for key in twins]


def test_two_keys_of_one_name_are_told_apart(spent: Path) -> None:
    url = f"sqlite:///{spent / 'data' / 'tollkeeper.db'}"
    twins = asyncio.run(more_calls(url))
    out = run(spent, "spend", COLUMNS="120").out
    assert all(f"twin ({key_id})" in out for key_id in twins)
    assert "mine (" not in out


def test_spend_can_be_narrowed_to_a_key_a_model_a_user_or_a_tag(spent: Path) -> None:
    twins = asyncio.run(more_calls(f"sqlite:///{spent / 'data' / 'tollkeeper.db'}"))

    def total(*options: str) -> str:
        found: str = run(spent, "spend", *options, "--json").json()["total_cost_usd"]
        return found

    assert total("--key", "mine") == "0.015000001"
    assert total("--key", twins[0]) == "0.01"
    assert total("--tag", "env=prod") == "0.02"
    assert total("--tag", "env=prod", "--key", twins[1]) == "0.01"
    assert total("--model", "haiku") == total("--model", "claude-haiku-4-5") == "0.037500001"
    assert total("--model", "sonnet") == total("--user", "nobody") == total("--team", "x") == "0.00"
    ended = run(spent, "spend", "--user", "nobody")
    assert ended.lines() == ["Nothing that was spent fits the filters."]
    ended = run(spent, "spend", "--key", "twin")
    assert ended.code == 2
    assert all(key_id in ended.err for key_id in twins)
    assert run(spent, "spend", "--key", "nobody").code == 1


@pytest.mark.parametrize("by", ["tag", "user", "tag,user"])
def test_what_callers_wrote_commands_no_terminal(spent: Path, by: str) -> None:
    file = spent / "data" / "tollkeeper.db"
    asyncio.run(more_calls(f"sqlite:///{file}"))
    # Rows of a ledger that took texts as they came.
    with closing(sqlite3.connect(file)) as ledger, ledger:
        tags = json.dumps(["env=prod", "\x1b[31mred", "a\nb"])
        ledger.execute("UPDATE requests SET tags = ? WHERE tags LIKE '%red%'", [tags])
        nasty = "\x9b2J\u202euser"
        ledger.execute("UPDATE requests SET end_user = ? WHERE end_user = 'user'", [nasty])
        for label, like in (("\x1b[31mred", "=red"), ("a\nb", "=ab"), (nasty, "=user")):
            row = "UPDATE label_rollups SET label = ? WHERE label LIKE ?"
            ledger.execute(row, [f"={label}", like])
    for options in ((), ("--json",)):
        out = run(spent, "spend", "--by", by, *options, COLUMNS="120").out
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", out)
    table = run(spent, "spend", "--by", by, COLUMNS="120").out
    assert ("\\x1b[31mred" in table) is ("tag" in by)
    assert ("a\\x0ab" in table) is ("tag" in by)
    assert ("\\x9b2J\\u202euser" in table) is ("user" in by)


def test_a_terminal_without_unicode_gets_escapes(spent: Path) -> None:
    asyncio.run(more_calls(f"sqlite:///{spent / 'data' / 'tollkeeper.db'}"))
    for options in ((), ("--json",)):
        ended = run(spent, "spend", "--by", "user", *options, PYTHONIOENCODING="ascii")
        assert ended.code == 0, ended.err
        assert ended.out.isascii()


def test_an_inverted_range_is_wrong_usage(folder: Path) -> None:
    ended = run(folder, "spend", "--from", "2026-11-02", "--to", "2026-11-01")
    assert ended.code == 2
    assert "the range ends before it begins: from 2026-11-02 to 2026-11-01" in ended.err


def test_tags_may_count_a_call_twice_but_not_in_the_total(spent: Path) -> None:
    report = run(spent, "spend", "--by", "tag", "--json").json()
    rows = {row["tag"]: row["cost_usd"] for row in report["data"]}
    assert rows == {"a": "0.015", "b": "0.015", None: "0.002500001"}
    assert report["total_cost_usd"] == "0.017500001"


def test_days_outside_the_spend_show_nothing(spent: Path) -> None:
    ended = run(spent, "spend", "--from", "2020-01-01", "--to", "2020-12-31")
    assert ended.lines() == ["Nothing was spent in that time."]
    since = run(spent, "spend", "--by", "model", "--from", str(TODAY), "--json").json()
    assert [row["model"] for row in since["data"]] == [HAIKU]


def test_the_day_that_ends_a_range_is_not_in_it(spent: Path) -> None:
    told = run(spent, "spend", "--from", str(TODAY), "--to", str(TODAY)).lines()
    assert told == [f"Nothing lies between {TODAY} and itself: --to is the day after the last."]
    tomorrow = str(TODAY + timedelta(days=1))
    whole = run(spent, "spend", "--from", str(TODAY), "--to", tomorrow, "--json").json()
    assert whole["total_cost_usd"] == "0.017500001"


@pytest.mark.parametrize("options", [("--by", "week"), ("--from", "yesterday")])
def test_an_unknown_group_or_day_is_wrong_usage(folder: Path, options: tuple[str, str]) -> None:
    ended = run(folder, "spend", *options)
    assert ended.code == 2
    assert options[1] in ended.err


def test_an_empty_ledger_is_no_failure(folder: Path) -> None:
    assert run(folder, "spend").lines() == ["Nothing was spent yet."]
    report = run(folder, "spend", "--json").json()
    assert (report["data"], report["total_cost_usd"]) == ([], "0.00")


def test_rows_begin_with_the_dearest_and_can_be_sorted_otherwise_and_cut(spent: Path) -> None:
    def names(*options: str) -> list[str]:
        report = run(spent, "spend", *options, "--json").json()
        return [row["key_name"] for row in report["data"]]

    assert names() == ["mine", "other"]
    assert names("--sort", "cost_usd") == ["other", "mine"]
    assert names("--limit", "1") == ["mine"]
    ended = run(spent, "spend", "--limit", "1")
    assert "The first 1 rows of more" in ended.out
    assert ended.lines()[-1] == "Total: 0.017500001 USD"
    assert run(spent, "spend", "--sort", "shoe").code == 2


def test_days_have_bars_where_there_is_room(spent: Path) -> None:
    wide = run(spent, "spend", "--by", "day", COLUMNS="120").out
    assert "#" * 40 in wide
    assert "#" not in run(spent, "spend", "--by", "day", COLUMNS="80").out
    assert "#" not in run(spent, "spend", "--by", "key", COLUMNS="120").out


def test_days_can_be_those_of_another_zone(spent: Path) -> None:
    ended = run(spent, "spend", "--by", "day", "--tz", "Pacific/Kiritimati")
    assert ended.lines()[-1] == "Total: 0.017500001 USD, days of Pacific/Kiritimati"
    ended = run(spent, "spend", "--tz", "Mars/Base")
    assert ended.code == 2
    assert "is no time zone" in ended.err


def test_spend_as_csv_has_every_column_exactly(spent: Path) -> None:
    head, *rows = run(spent, "spend", "--csv").out.splitlines()
    assert head.startswith("key,key_name,requests,errors,cost_usd,")
    assert [row.split(",")[1:5] for row in rows] == [
        ["mine", "2", "0", "0.015000001"],
        ["other", "1", "0", "0.0025"],
    ]
    assert run(spent, "spend", "--csv", "--json").code == 2
