from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.processes import run


def test_a_team_is_made_listed_changed_and_found_by_its_name(folder: Path) -> None:
    assert run(folder, "teams", "list").lines() == [
        "There is no team yet. Make one: tollkeeper teams create --name NAME"
    ]
    made = run(folder, "teams", "create", "--name", "platform", "--budget", "10", "--json").json()
    assert (made["name"], made["max_budget_usd"], made["remaining_usd"]) == (
        *("platform", "10.00", "10.00"),
    )
    changed = run(folder, "teams", "update", "platform", "--budget", "none", "--window", "day")
    assert "budget     no limit" in changed.out
    assert run(folder, "teams", "show", "platform", "--json").json()["budget_window"] == "day"
    assert run(folder, "teams", "show", made["id"], "--json").json()["name"] == "platform"
    (row,) = run(folder, "teams", "list", COLUMNS="60").lines()[2:]
    assert row.split() == [made["id"], "platform", "0.00", "-", "day"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("show", "nobody"), 1, "there is no team 'nobody'"),
        (("update", "nobody"), 2, "nothing to change"),
        (("create", "--name", "a", "--budget", ""), 2, "--budget is empty"),
        (("create", "--name", "a", "--budget", "-1"), 2, "max_budget_usd"),
        (("create", "--name", "a", "--window", "year"), 2, "budget_window"),
    ],
)
def test_what_is_wrong_with_a_team_is_told(
    folder: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    ended = run(folder, "teams", *arguments)
    assert ended.code == code
    assert says in ended.err


@pytest.mark.parametrize("columns", ["60", "200"])
def test_the_audit_log_tells_what_was_and_what_it_has_become(folder: Path, columns: str) -> None:
    assert "Nothing was changed yet" in run(folder, "audit").out
    run(folder, "teams", "create", "--name", "platform", "--budget", "10")
    run(folder, "teams", "update", "platform", "--budget", "20")
    ended = run(folder, "audit", COLUMNS=columns)
    assert max(map(len, ended.out.splitlines())) <= int(columns)
    assert "max_budget_usd: 10.00 -> 20.00" in ended.out
    assert ended.out.index("team.update") < ended.out.index("team.create")
    older = run(folder, "audit", "--limit", "1", COLUMNS=columns)
    cursor = re.search(r"tollkeeper audit --limit 1 --cursor (\d+)", older.out)
    assert cursor is not None
    (entry,) = run(folder, "audit", "--cursor", cursor[1], "--json").json()["data"]
    assert entry["action"] == "team.create"


def test_an_entry_of_the_audit_log_commands_no_terminal(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "data" / "tollkeeper.db")) as ledger, ledger:
        details = json.dumps({"note": "\x1b[31mred\nline"})
        ledger.execute(
            "INSERT INTO audit (at_us, actor, action, target, details)"
            " VALUES (1, 'a', 'b', 'c\x1b', ?)",
            [details],
        )
    for columns in ("60", "200"):
        out = run(folder, "audit", COLUMNS=columns).out
        assert "\x1b" not in out
        assert "note: \\x1b[31mred\\x0aline" in out


def test_a_ledger_whose_sums_are_right_is_consistent_and_another_ends_with_1(folder: Path) -> None:
    ended = run(folder, "reconcile")
    assert ended.lines() == ["Consistent: every window and every sum is what 0 calls add up to."]
    assert ended.err == ""
    assert run(folder, "reconcile", "--json").json()["consistent"] is True
    with closing(sqlite3.connect(folder / "data" / "tollkeeper.db")) as ledger, ledger:
        kinds = {row[1]: row[2] for row in ledger.execute("PRAGMA table_info(windows)")}
        values = {name: 0 if "INT" in kind.upper() else "x" for name, kind in kinds.items()}
        values |= {"id": "global::all", "spent_nano_usd": 5}
        ledger.execute(
            f"INSERT INTO windows ({', '.join(values)})"  # noqa: S608 - names of columns
            f" VALUES ({', '.join('?' * len(values))})",
            list(values.values()),
        )
    for columns in ("60", "200"):
        ended = run(folder, "reconcile", COLUMNS=columns)
        assert ended.code == 1
        assert "not consistent: 1 figures differ" in ended.err
        assert "global::all" in ended.out
        assert "0.000000005" in ended.out
    ended = run(folder, "reconcile", "--json")
    assert ended.code == 1
    assert json.loads(ended.out)["consistent"] is False


@pytest.mark.parametrize(
    ("client", "line"),
    [
        ("claude-code", 'export ANTHROPIC_BASE_URL="https://gate.example"'),
        ("codex", 'base_url = "https://gate.example/v1"'),
        ("openai", 'export OPENAI_BASE_URL="https://gate.example/v1"'),
        ("anthropic", 'export ANTHROPIC_BASE_URL="https://gate.example"'),
        ("vercel", 'apiKey: "tk-secret",'),
        ("langchain-anthropic", "from langchain_anthropic import ChatAnthropic"),
    ],
)
def test_the_lines_for_a_client_hold_the_url_and_the_key(
    tmp_path: Path, client: str, line: str
) -> None:
    given = ("connect", client, "--url", "https://gate.example/v1/", "--key", "tk-secret")
    lines = run(tmp_path, *given).lines()
    assert line in lines
    assert any("tk-secret" in each for each in lines)
    told = run(tmp_path, *given, "--json").json()
    assert [each.strip() for each in told["lines"] if each.strip()] == lines[
        : len([each for each in told["lines"] if each.strip()])
    ]


def test_without_a_key_the_lines_say_what_is_to_be_filled_in(tmp_path: Path) -> None:
    out = run(tmp_path, "connect", "openai").out
    assert 'OPENAI_API_KEY="tk-..."' in out
    assert "tollkeeper keys create" in out
    assert "claude-code" in run(tmp_path, "connect").out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("vercle",), "did you mean vercel?"),
        (("openai", "--url", "gate.example"), "--url 'gate.example'"),
        (("openai", "--url", "http://[x"), "--url 'http://[x'"),
        (("openai", "--url", "http://gate.example:99999"), "--url 'http://gate.example:99999'"),
        (("openai", "--url", 'http://a"; rm'), "--url"),
        (("openai", "--key", "$(id)"), "--key is no key's secret"),
    ],
)
def test_what_is_no_client_url_or_key_is_wrong_usage(
    tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    ended = run(tmp_path, "connect", *arguments)
    assert ended.code == 2
    assert says in ended.err


@pytest.mark.parametrize("arguments", [("bill", "--json"), ("import", "litellm", "--config", "x")])
def test_a_command_that_is_not_there_yet_says_so(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    ended = run(tmp_path, *arguments)
    assert ended.code == 2
    assert f"`{arguments[0]}` is not in this version" in ended.err
