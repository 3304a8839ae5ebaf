from __future__ import annotations

import asyncio
import re
import sqlite3
import stat
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.keys import Key
from app.store.database.engine import Database, open_database
from app.store.records.keys import Keys
from app.store.records.teams import Teams
from tests.cli.processes import run, serving


def on_database(folder: Path, work: Callable[[Database], Awaitable[Any]]) -> Any:
    async def opened() -> Any:
        database = open_database(f"sqlite:///{folder / 'data' / 'tollkeeper.db'}")
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(opened())


def found(folder: Path, secret: str) -> Key | None:
    """The key that the gateway would take the secret for."""
    key: Key | None = on_database(folder, lambda database: Keys(database).find(secret))
    return key


def create(folder: Path, *options: str) -> dict[str, Any]:
    made: dict[str, Any] = run(
        folder, "keys", "create", "--name", "mine", *options, "--json"
    ).json()
    return made


def test_a_key_is_made_with_every_limit_that_is_given(folder: Path) -> None:
    on_database(folder, lambda database: Teams(database).create({"name": "blue"}))
    made = create(
        folder,
        *("--budget", "10.00", "--window", "month", "--model", "haiku", "--model", "auto"),
        *("--rpm", "60", "--tpm", "90000", "--max-parallel", "4"),
        *("--expires", "2099-12-31", "--team", "blue"),
    )
    key = found(folder, made["key"])
    assert key is not None
    assert key.id == made["id"]
    assert key.max_budget_nano_usd == 10_000_000_000
    assert key.budget_window == "month"
    assert key.models == ("haiku", "auto")
    assert (key.rpm, key.tpm, key.max_parallel) == (60, 90_000, 4)
    assert str(key.expires_at) == "2099-12-31 23:59:59.999999+00:00"
    assert key.team_id == made["team"]
    assert made["remaining_usd"] == "10.00"


def test_a_key_without_options_has_no_limit(folder: Path) -> None:
    key = found(folder, create(folder)["key"])
    assert key is not None
    assert not key.limited
    assert (key.models, key.rpm, key.expires_at, key.team_id) == (None, None, None, None)


def test_the_secret_is_printed_once_and_stored_nowhere(folder: Path) -> None:
    ended = run(folder, "keys", "create", "--name", "mine")
    (secret,) = re.findall(r"tk-[\w-]{43}", ended.out)
    key_id = re.findall(r"key_\w+", ended.out)[0]
    for later in (("show", key_id), ("list", "--json")):
        shown = run(folder, "keys", *later)
        assert shown.code == 0
        assert secret not in shown.out
    for path in (folder / "data").iterdir():
        assert secret.encode() not in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_list_fits_80_columns_with_whole_ids(folder: Path) -> None:
    first = create(folder, "--budget", "123456.789", "--window", "week")["id"]
    long_name = "a name that is so long that it has to be broken into several lines"
    run(folder, "keys", "create", "--name", long_name)
    ended = run(folder, "keys", "list")
    assert max(map(len, ended.out.splitlines())) <= 80
    (line,) = (line for line in ended.lines() if line.startswith(first))
    assert line.split() == [first, "mine", "active", "0.00", "123456.789", "week", "-"]


def test_the_list_and_a_key_tell_how_long_a_budget_lasts(folder: Path) -> None:
    made = create(folder, "--budget", "10")
    with sqlite3.connect(folder / "data" / "tollkeeper.db") as database:
        day_us = 86_400_000_000
        now_us = int(datetime.now(UTC).timestamp()) * 1_000_000
        database.execute("UPDATE keys SET created_us = ?", (now_us - 30 * day_us,))
        yesterday = now_us - now_us % day_us - day_us
        database.execute(
            "INSERT INTO rollups (grain, from_us, key_id, team_id, model, cost_nano_usd)"
            " VALUES ('day', ?, ?, '', 'm', 14000000000)",  # $2 a day over the last week
            (yesterday, made["id"]),
        )
    ends = datetime.now(UTC) + timedelta(days=5)
    (line,) = (line for line in run(folder, "keys", "list").lines() if made["id"] in line)
    assert line.endswith(f"to {ends:%Y-%m-%d}")
    shown = run(folder, "keys", "show", made["id"]).out
    assert re.search(rf"lasts +till {ends:%Y-%m-%d} .* UTC at 2\.00 USD a day", shown)


def test_a_list_for_scripts_is_that_of_the_admin_api_newest_first(folder: Path) -> None:
    ids = [create(folder)["id"], create(folder)["id"]]
    listed = run(folder, "keys", "list", "--json").json()
    assert [key["id"] for key in listed["data"]] == [ids[1], ids[0]]
    assert listed["next_cursor"] is None


def test_update_changes_what_is_given_and_none_removes_a_limit(folder: Path) -> None:
    made = create(
        folder, "--budget", "5", "--rpm", "7", "--model", "haiku", "--expires", "2099-01-01"
    )
    options = ("--budget", "none", "--model", "none", "--expires", "none", "--tpm", "9")
    changed = run(folder, "keys", "update", made["id"], *options, "--name", "new", "--json").json()
    assert changed["max_budget_usd"] is None
    assert changed["models"] is None
    assert changed["expires_at"] is None
    assert (changed["rpm"], changed["tpm"], changed["name"]) == (7, 9, "new")
    window = run(folder, "keys", "update", made["id"], "--window", "day", "--json").json()
    assert window["budget_window"] == "day"
    assert (
        run(folder, "keys", "update", made["id"], "--window", "none", "--json").json()[
            "budget_window"
        ]
        == "none"
    )


def test_rotate_ends_the_old_secret_at_once_or_after_the_overlap(folder: Path) -> None:
    made = create(folder)
    second = run(folder, "keys", "rotate", made["id"], "--json").json()
    replaced = found(folder, made["key"])
    assert replaced is not None
    assert replaced.secret_ends_at is not None
    assert replaced.secret_ends_at <= datetime.now(UTC)
    ended = run(folder, "keys", "rotate", made["id"], "--overlap", "3600")
    (third,) = re.findall(r"tk-[\w-]{43}", ended.out)
    assert f"The old secret of {made['id']} works for 3600 s more." in ended.out
    for secret in (second["key"], third):
        key = found(folder, secret)
        assert key is not None
        assert key.id == made["id"]


def test_revoke_ends_a_key_for_good(folder: Path) -> None:
    made = create(folder)
    ended = run(folder, "keys", "revoke", made["id"])
    assert ended.lines() == [f"{made['id']} (mine) is revoked."]
    key = found(folder, made["key"])
    assert key is not None
    assert key.revoked_at is not None
    assert "revoked" in run(folder, "keys", "list").out


REFUSED = [
    (("--window", "year"), "budget_window must be one of none, day, week, month"),
    (("--model-budget", "haiku"), "allowed: MODEL=USD, such as haiku=1.00"),
    (("--model-budget", "gpt=1"), "model_budgets: no model 'gpt' is offered; did you mean"),
    (("--model-budget", "haiku=x"), "model_budgets.claude-haiku-4-5-20251001: not a plain"),
    (("--conversation-budget", "-1"), "conversation_budget_usd: not a plain decimal amount"),
    (("--expires", "2020-01-01"), "expires_at: 2020-01-01T23:59:59.999999Z has passed"),
    (("--budget", "1e5"), "not a plain decimal amount of USD: '1e5'"),
    (("--budget", "0.0000000001"), "finer than 0.000000001 USD"),
    (("--model", "hiaku"), "no model 'hiaku' is offered; did you mean 'haiku'? there are: auto,"),
    (("--rpm", "0"), "--rpm '0'; allowed: a whole number from 1 on, or none"),
    (("--tpm", "1.5"), "--tpm '1.5'; allowed"),
    (("--expires", "soon"), "expires_at is not a date or an ISO 8601 time: 'soon'"),
    (("--team", "red"), "there is no team 'red'"),
]


@pytest.mark.parametrize(("options", "told"), REFUSED)
def test_a_wrong_value_is_wrong_usage(folder: Path, options: tuple[str, str], told: str) -> None:
    ended = run(folder, "keys", "create", "--name", "mine", *options)
    assert ended.code == 2
    assert told in ended.err
    assert on_database(folder, lambda database: Keys(database).list())["data"] == []


LIMITS = ("budget", "window", "model", "model-budget", "conversation-budget", "rpm", "tpm")


@pytest.mark.parametrize("option", [*LIMITS, "max-parallel", "expires", "team"])
def test_an_empty_limit_is_no_wish_for_none(folder: Path, option: str) -> None:
    for empty in ("", " "):
        made = run(folder, "keys", "create", "--name", "mine", f"--{option}", empty)
        assert (made.code, made.out) == (2, "")
        assert made.err == f"Error: --{option} is empty; allowed: a value, or none\n"
    assert run(folder, "keys", "list", "--json").json()["data"] == []


@pytest.mark.parametrize("command", ["show", "update", "rotate", "revoke"])
def test_a_key_is_named_by_its_id_its_name_or_its_prefix(folder: Path, command: str) -> None:
    made = create(folder)
    run(folder, "keys", "create", "--name", "other")
    options = ("--tpm", "5") if command == "update" else ()
    for name in (made["id"], "mine"):
        changed = run(folder, "keys", command, name, *options, "--json").json()
        assert changed["id"] == made["id"]
        if command == "revoke":
            break
        for prefix in (changed["prefix"], f"{changed['prefix']}..."):
            if command != "rotate":  # which changes it
                shown = run(folder, "keys", command, prefix, *options, "--json").json()
                assert shown["id"] == made["id"]


def test_a_name_of_several_keys_is_refused_until_one_is_left(folder: Path) -> None:
    first, second = create(folder), create(folder)
    ended = run(folder, "keys", "revoke", "mine")
    assert ended.code == 2
    assert ended.err.startswith("Error: 2 keys are called 'mine', name one by its id: ")
    assert first["id"] in ended.err
    assert second["id"] in ended.err
    assert run(folder, "keys", "revoke", first["id"]).code == 0
    assert run(folder, "keys", "show", "mine", "--json").json()["id"] == second["id"]


def test_limits_that_are_not_enforced_yet_are_warned_of(folder: Path) -> None:
    options = ("--rpm", "5", "--tpm", "9", "--conversation-budget", "2.00")
    ended = run(folder, "keys", "create", "--name", "mine", *options, "--json")
    assert ended.json()["conversation_budget_usd"] == "2.00"
    warning = "Warning: stored, but not enforced yet: --rpm, --tpm\n"
    assert ended.err == warning
    assert run(folder, "keys", "update", "mine", "--rpm", "none").err == ""
    assert run(folder, "keys", "update", "mine", "--max-parallel", "3").err == (
        "Warning: stored, but not enforced yet: --max-parallel\n"
    )


def test_budgets_by_model_are_given_one_by_one_and_replace_the_old_ones(folder: Path) -> None:
    made = create(folder, "--model-budget", "haiku=1.00", "--model-budget", "sonnet=2")
    assert made["model_budgets"] == {
        "claude-haiku-4-5-20251001": "1.00",
        "claude-sonnet-4-6": "2.00",
    }
    shown = run(folder, "keys", "show", "mine").out
    assert "of claude-haiku-4-5-20251001  1.00 USD, 1.00 USD remain" in shown
    changed = run(folder, "keys", "update", "mine", "--model-budget", "sonnet=3", "--json").json()
    assert changed["model_budgets"] == {"claude-sonnet-4-6": "3.00"}
    changed = run(folder, "keys", "update", "mine", "--model-budget", "none", "--json").json()
    assert changed["model_budgets"] == {}


def test_a_name_that_would_command_the_terminal_is_shown_with_escapes(folder: Path) -> None:
    nasty = "\x1b]0;owned\x07\x9b2J\u202ename"
    made = on_database(folder, lambda database: Keys(database).create({"name": nasty}))[0]
    commands = (
        ("show", made["id"]),
        ("list",),
        ("list", "--json"),
        ("update", made["id"], "--tpm", "5"),
        ("show", nasty),
        ("show", f"{nasty}?"),
        ("revoke", made["id"]),
    )
    for command in commands:
        ended = run(folder, "keys", *command, COLUMNS="200")
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", ended.out + ended.err)
    assert "\\x1b]0;owned\\x07\\x9b2J\\u202ename" in run(folder, "keys", "list", COLUMNS="200").out


def test_an_update_without_a_change_is_wrong_usage(folder: Path) -> None:
    assert run(folder, "keys", "update", create(folder)["id"]).code == 2


@pytest.mark.parametrize("command", ["show", "rotate", "revoke"])
def test_an_unknown_key_fails(folder: Path, command: str) -> None:
    ended = run(folder, "keys", command, "key_0")
    assert ended.code == 1
    assert ended.err == "Error: there is no key 'key_0'\n"


def test_without_a_database_nothing_is_made_and_it_says_how_to_make_one(tmp_path: Path) -> None:
    ended = run(tmp_path, "keys", "list")
    assert ended.code == 1
    assert ended.err.endswith("run: tollkeeper db upgrade\n")
    assert list(tmp_path.iterdir()) == []


def test_a_database_without_tables_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    ended = run(tmp_path, "keys", "list", TOLLKEEPER_DATABASE_URL="sqlite:///empty.db")
    assert ended.code == 1
    assert "sqlite:///empty.db has not the tables of this version" in ended.err


def test_keys_made_and_revoked_beside_a_running_gateway_count_at_once(tmp_path: Path) -> None:
    folder = tmp_path
    with serving(folder, "--simulate") as served:
        made = create(folder)
        headers = {"x-api-key": made["key"]}
        answer = served.http.get(f"{served.url}/v1/key", headers=headers)
        assert answer.json()["id"] == made["id"]
        other = create(folder)
        run(folder, "keys", "revoke", other["id"])
        answer = served.http.get(f"{served.url}/v1/key", headers={"x-api-key": other["key"]})
        assert answer.status_code == 401
