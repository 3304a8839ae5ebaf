from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.processes import run, serving

HERE = "sqlite:///data/tollkeeper.db"
SIMULATED = "sqlite:///data/simulated.db"


def keys(folder: Path, url: str) -> list[tuple[str, str]]:
    found = run(folder, "keys", "list", "--json", TOLLKEEPER_DATABASE_URL=url).json()
    return [(key["id"], key["spent_usd"]) for key in found["data"]]


def test_a_gateways_database_goes_to_postgresql_and_back(
    tmp_path: Path, blank_postgres_url: str
) -> None:
    with serving(tmp_path, "--simulate") as gateway:
        secret = gateway.secret("tk")
        headers = {"authorization": f"Bearer {secret}"}
        body = {"model": "haiku", "messages": [{"role": "user", "content": "Hello"}]}
        answer = gateway.http.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers)
        assert answer.status_code == 200
        refused = run(tmp_path, "db", "copy", "--from", SIMULATED, "--to", blank_postgres_url)
        assert refused.code == 1
        assert "another gateway process is using" in refused.err
    spent = answer.headers["x-tollkeeper-cost-usd"]
    assert spent != "0.00"

    there = run(tmp_path, "db", "copy", "--from", SIMULATED, "--to", blank_postgres_url, "--json")
    told = there.json()
    assert told["from"] == SIMULATED
    assert (told["rows"]["requests"], told["rows"]["keys"], told["rows"]["teams"]) == (1, 1, 0)
    back = run(tmp_path, "db", "copy", "--from", blank_postgres_url, "--to", "sqlite:///back.db")
    lines = back.lines()
    assert "requests: 1 rows" in lines
    total = sum(told["rows"].values())
    assert any(line.endswith(f"was copied to sqlite:///back.db: {total} rows.") for line in lines)
    originals = keys(tmp_path, SIMULATED)
    assert [usd for _, usd in originals] == [spent]
    assert keys(tmp_path, blank_postgres_url) == originals
    assert keys(tmp_path, "sqlite:///back.db") == originals

    again = run(tmp_path, "db", "copy", "--from", SIMULATED, "--to", blank_postgres_url)
    assert (again.code, again.out) == (1, "")
    assert again.err.startswith("Error: the target is not empty: it has rows in ")
    url = {"TOLLKEEPER_DATABASE_URL": blank_postgres_url}
    with serving(tmp_path, "--simulate", **url) as gateway:
        answer = gateway.http.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers)
        assert answer.status_code == 200


UNUSABLE = [
    # from, to, exit code, told
    ("nonsense", HERE, 2, "--from is not a database's URL"),
    (HERE, "nonsense", 2, "--to is not a database's URL"),
    (HERE, "mysql://me:secret@127.0.0.1/x", 2, "sqlite:///… or postgresql://…"),
    ("sqlite:///missing.db", HERE, 1, "there is no database sqlite:///missing.db"),
    (HERE, HERE, 1, "the source and the target are the same database"),
    (HERE, "postgresql://me:secret@127.0.0.1:1/x", 1, "postgresql://me:***@127.0.0.1:1/x failed"),
]


@pytest.mark.parametrize(("source", "target", "code", "told"), UNUSABLE)
def test_a_copy_that_cannot_be_made_is_told_without_a_password(
    folder: Path, source: str, target: str, code: int, told: str
) -> None:
    ended = run(folder, "db", "copy", "--from", source, "--to", target)
    assert (ended.code, ended.out) == (code, "")
    assert told in ended.err
    assert "secret" not in ended.err
    assert not (folder / "missing.db").exists()


@pytest.mark.parametrize("given", [(), ("--from", HERE), ("--to", HERE)])
def test_both_databases_must_be_named(folder: Path, given: tuple[str, ...]) -> None:
    ended = run(folder, "db", "copy", *given)
    assert ended.code == 2
    assert "Usage: tollkeeper db copy" in ended.err
