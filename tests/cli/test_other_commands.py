from __future__ import annotations

import json
import re
import socket
import subprocess
from pathlib import Path

import httpx2
import pytest

from tests.cli.processes import COMMAND, END_S, environment, run


def test_db_upgrade_makes_the_default_database_and_again_changes_nothing(tmp_path: Path) -> None:
    for _ in range(2):
        ended = run(tmp_path, "db", "upgrade")
        assert ended.lines() == ["The database sqlite:///data/tollkeeper.db is up to date."]
    assert run(tmp_path, "keys", "list", "--json").json() == {"data": [], "next_cursor": None}


def test_db_upgrade_tells_scripts_what_it_did(tmp_path: Path) -> None:
    for options in (("--json",), ("--json", "--quiet")):
        told = run(tmp_path, "db", "upgrade", *options).json()
        assert set(told) == {"database", "revision"}
        assert told["database"] == "sqlite:///data/tollkeeper.db"
        assert re.fullmatch(r"\d{4}_\d{2}_\d{2}_\d{4}", told["revision"])


def test_db_upgrade_of_postgresql(tmp_path: Path, blank_postgres_url: str) -> None:
    given = {"TOLLKEEPER_DATABASE_URL": blank_postgres_url}
    assert run(tmp_path, "keys", "list", **given).code == 1
    assert run(tmp_path, "db", "upgrade", **given).code == 0
    assert run(tmp_path, "keys", "list", "--json", **given).json()["data"] == []


UNUSABLE = [
    ("mysql://me:secret@127.0.0.1/x", 2, "sqlite:///… or postgresql://…"),
    ("nonsense", 2, "TOLLKEEPER_DATABASE_URL is not a database's URL"),
    (
        "postgresql://me:secret@127.0.0.1:1/x",
        1,
        "postgresql://me:***@127.0.0.1:1/x does not answer",
    ),
]


@pytest.mark.parametrize(("url", "code", "told"), UNUSABLE)
@pytest.mark.parametrize("command", [("db", "upgrade"), ("keys", "list"), ("serve", "--simulate")])
def test_a_database_that_cannot_be_used_is_told_without_its_password(
    tmp_path: Path, command: tuple[str, ...], url: str, code: int, told: str
) -> None:
    options = ("--port", "0") if command[0] == "serve" else ()
    ended = run(tmp_path, *command, *options, TOLLKEEPER_DATABASE_URL=url)
    assert ended.code == code
    assert told in ended.err
    assert "secret" not in ended.err


def test_the_simulated_upstream_alone_answers_and_ends_with_0(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "simulate", "--port", "0"],
        cwd=tmp_path,
        env=environment(tmp_path, {}),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        ready = re.fullmatch(
            r"The simulated upstream is ready on (\S+)\n", process.stdout.readline()
        )
        assert ready is not None
        assert httpx2.get(f"{ready[1]}/_sim/log").status_code == 200
        process.terminate()
        assert process.wait(END_S) == 0


def test_scripts_are_told_the_simulated_upstreams_url_in_one_line(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "simulate", "--port", "0", "--json"],
        cwd=tmp_path,
        env=environment(tmp_path, {}),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        assert set(told) == {"url"}
        assert httpx2.get(f"{told['url']}/_sim/log").status_code == 200
        process.terminate()
        assert process.wait(END_S) == 0


def test_a_taken_port_of_the_simulated_upstream_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = run(tmp_path, "simulate", "--port", port)
    assert ended.code == 1
    assert ended.err.startswith(f"Error: can't listen on 127.0.0.1 port {port}: ")


def test_help_names_every_command(tmp_path: Path) -> None:
    lines = run(tmp_path, "--help").lines()
    commands = [line.split()[0] for line in lines[lines.index("Commands:") + 1 :]]
    assert set(commands) >= {
        *("serve", "keys", "spend", "prices", "route", "config", "db", "simulate")
    }


@pytest.mark.parametrize("arguments", [("nix",), ("serve", "--port", "x"), ("keys", "create")])
def test_wrong_usage_ends_with_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    ended = run(tmp_path, *arguments)
    assert ended.code == 2
    assert "Usage: tollkeeper" in ended.err
