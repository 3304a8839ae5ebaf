from __future__ import annotations

import csv
import json
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from tests.cli.processes import run, serving

REAL_MODEL = "claude-haiku-4-5-20251001"


@dataclass(frozen=True)
class Called:
    """A ledger with a served call whose cost was then called a guess, and a refused one."""

    folder: Path
    served: str
    refused: str


@pytest.fixture(scope="module")
def called(tmp_path_factory: pytest.TempPathFactory) -> Called:
    folder = tmp_path_factory.mktemp("requests")
    with serving(folder, "--simulate") as gateway:
        secret = gateway.secret("tk")
        asked = {
            "model": "haiku",
            "max_tokens": 100,
            "messages": [{"role": "user", "content": "Say hello."}],
            "metadata": {"env": "prod"},
        }
        url, authorized = (
            f"{gateway.url}/v1/chat/completions",
            {"authorization": f"Bearer {secret}"},
        )
        answer = gateway.http.post(url, json=asked, headers=authorized)
        assert answer.status_code == 200, answer.text
        refused = gateway.http.post(url, json=asked | {"model": "nobody"}, headers=authorized)
        assert refused.status_code == 404
        ids = [each.headers["x-request-id"] for each in (answer, refused)]
    return Called(folder, *ids)


@pytest.mark.parametrize("columns", ["60", "80", "120", "200"])
def test_the_list_of_calls_fits_the_terminal(called: Called, columns: str) -> None:
    ended = run(called.folder, "requests", "list", COLUMNS=columns)
    assert max(map(len, ended.out.splitlines())) <= int(columns)
    assert called.served in ended.out
    assert (REAL_MODEL in ended.out) is (int(columns) >= 120)


@pytest.mark.parametrize("columns", ["60", "200"])
def test_a_receipt_is_a_sum_that_can_be_done_again(called: Called, columns: str) -> None:
    row = run(called.folder, "requests", "show", called.served, "--json").json()
    ended = run(called.folder, "requests", "show", called.served, COLUMNS=columns)
    assert max(map(len, ended.out.splitlines())) <= int(columns)
    # Haiku 4.5 costs $1 per million tokens of input and $5 per million of output.
    cost = Decimal(row["input_tokens"]) / 10**6 + Decimal(row["output_tokens"]) * 5 / 10**6
    assert Decimal(row["cost_usd"]) == cost
    assert re.search(
        rf"Input, not\s+cached\s.*|Input, not cached +{row['input_tokens']} ", ended.out
    )
    assert "$1.00" in ended.out
    assert "$5.00" in ended.out
    assert "price book since" in ended.out
    assert f"${row['cost_usd']}" in ended.out
    assert f"${row['reserved_usd']}" in ended.out
    assert "env=prod" in ended.out
    assert "attempt 1" in ended.out


def test_a_refused_call_is_shown_with_its_reason(called: Called) -> None:
    ended = run(called.folder, "requests", "show", called.refused)
    assert "it cost nothing" in ended.out
    assert "404 model_not_found" in ended.out
    assert run(called.folder, "requests", "show", called.refused, "--json").json()["state"] == (
        "refused"
    )
    assert run(called.folder, "requests", "show", "req_none").code == 1


def test_calls_are_filtered_as_by_the_api(called: Called) -> None:
    def found(*options: str) -> list[str]:
        page = run(called.folder, "requests", "list", *options, "--json").json()
        return [row["id"] for row in page["data"]]

    assert found() == found("--model", "haiku") == found("--tag", "env=prod") == [called.served]
    assert found("--state", "settled", "--status", "200", "--sort", "cost") == [called.served]
    assert found("--cost-source", "computed", "--min-cost", "0.000001") == [called.served]
    assert found("--tag", "env=test") == found("--model", "sonnet") == found("--user", "x") == []
    assert found("--min-cost", "1") == found("--to", "2020-01-01") == []
    ended = run(called.folder, "requests", "list", "--user", "x")
    assert ended.lines() == ["No call fits the filters."]
    for options in (
        ("--state", "odd"),
        ("--sort", "odd"),
        ("--min-cost", "-1"),
        ("--csv", "--json"),
    ):
        assert run(called.folder, "requests", "list", *options).code == 2


def test_a_ledger_of_play_money_says_so_beside_the_output(called: Called) -> None:
    ended = run(called.folder, "requests", "list", "--json")
    assert "SIMULATED" in ended.err
    assert "SIMULATED" not in ended.out


def test_the_csv_holds_no_formula_and_every_column(called: Called) -> None:
    (row,) = csv.DictReader(run(called.folder, "requests", "list", "--csv").out.splitlines())
    assert (row["id"], json.loads(row["tags"])) == (called.served, ["env=prod"])


def test_what_callers_wrote_in_a_receipt_commands_no_terminal(called: Called) -> None:
    with closing(sqlite3.connect(called.folder / "data" / "simulated.db")) as ledger, ledger:
        ledger.execute(
            "UPDATE requests SET end_user = ?, tags = ?",
            ["=1+1\x1b[2J", json.dumps(["env=prod", "\x9b2J\u202ered"])],
        )
    for options in (("show", called.served), ("list",), ("list", "--json")):
        for columns in ("60", "200"):
            out = run(called.folder, "requests", *options, COLUMNS=columns).out
            assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", out)
    (row,) = csv.DictReader(run(called.folder, "requests", "list", "--csv").out.splitlines())
    assert row["end_user"].startswith("'=1+1")


def test_a_guess_is_settled_once_and_an_exact_cost_never(called: Called) -> None:
    settle = ("requests", "settle", called.served, "0.5", "--note", "bill of November")
    assert run(called.folder, *settle).code == 2
    with closing(sqlite3.connect(called.folder / "data" / "simulated.db")) as ledger, ledger:
        ledger.execute("UPDATE requests SET cost_source = 'estimated'")
    assert "~ marks 1 guessed" in run(called.folder, "requests", "list").err
    assert "a guess" in run(called.folder, "requests", "show", called.served).out
    assert run(called.folder, *settle[:3], "much", "--note", "x").code == 2
    assert run(called.folder, *settle[:4], "--note", " ").code == 2
    assert "-> 0.50 USD." in run(called.folder, *settle).out
    entry = run(called.folder, "audit", "--json").json()["data"][0]
    assert (entry["action"], entry["details"]["note"]) == ("request.settle", "bill of November")
    assert "Correction by hand" in run(called.folder, "requests", "show", called.served).out


def test_without_a_call_the_next_step_is_told(folder: Path) -> None:
    assert "tollkeeper connect" in run(folder, "requests", "list").out
