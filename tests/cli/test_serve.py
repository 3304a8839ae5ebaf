from __future__ import annotations

import json
import shlex
import signal
import socket
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from tests.cli.processes import run, serving
from tests.running import simulator

CHAT = {"model": "auto", "messages": [{"role": "user", "content": "Hello!"}]}
MASTER_KEY = "mk-given-by-the-environment"


def test_a_first_start_in_an_empty_folder_makes_all_it_needs_and_answers(tmp_path: Path) -> None:
    with serving(tmp_path, "--simulate") as served:
        key_file = tmp_path / "data" / "master.key"
        master_key = served.secret("mk")
        assert key_file.read_text() == f"{master_key}\n"
        assert len(master_key) == 46
        assert f"it is kept in {key_file}" in served.welcome
        assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
        assert stat.S_IMODE(key_file.parent.stat().st_mode) == 0o700
        assert [path.name for path in key_file.parent.glob("master*")] == ["master.key"]
        listed = served.http.get(
            f"{served.url}/admin/keys", headers={"authorization": f"Bearer {master_key}"}
        )
        assert [key["name"] for key in listed.json()["data"]] == ["first key"]
        assert served.end() == 0


def test_the_printed_curl_line_works_as_it_is_pasted(tmp_path: Path) -> None:
    with serving(tmp_path, "--simulate") as served:
        (line,) = (text for text in served.welcome.splitlines() if text.startswith("  curl "))
        command, url, *options = shlex.split(line)
        assert command == "curl"
        assert options[0::2] == ["-H", "-H", "-d"]
        headers = dict(option.split(": ", 1) for option in (options[1], options[3]))
        assert headers["Authorization"] == f"Bearer {served.secret('tk')}"
        answer = served.http.post(url, headers=headers, content=options[5])
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-tollkeeper-simulated"] == "true"
        text = answer.json()["choices"][0]["message"]["content"]
        assert text.startswith("This answer is simulated.")


def test_it_says_loudly_that_answers_are_simulated(tmp_path: Path) -> None:
    with serving(tmp_path, "--simulate", TOLLKEEPER_MASTER_KEY=MASTER_KEY) as served:
        frame, first, *_ = served.welcome.splitlines()
        assert set(frame) == {"+", "-"}
        assert "SIMULATED UPSTREAM" in first


def test_a_second_start_shows_no_secret_and_keeps_both_keys(tmp_path: Path) -> None:
    with serving(tmp_path, "--simulate") as served:
        master_key, secret = served.secret("mk"), served.secret("tk")
        assert served.end() == 0
    with serving(tmp_path, "--simulate") as again:
        assert "mk-" not in again.welcome
        assert "tk-" not in again.welcome
        bearer = {"authorization": f"Bearer {secret}"}
        answer = again.http.post(f"{again.url}/v1/chat/completions", json=CHAT, headers=bearer)
        assert answer.status_code == 200
        admin = {"authorization": f"Bearer {master_key}"}
        assert len(again.http.get(f"{again.url}/admin/keys", headers=admin).json()["data"]) == 1
    assert secret not in (tmp_path / "stderr.txt").read_text()


def test_a_master_key_of_the_environment_is_neither_shown_nor_written(tmp_path: Path) -> None:
    with serving(tmp_path, "--simulate", TOLLKEEPER_MASTER_KEY=MASTER_KEY) as served:
        assert MASTER_KEY not in served.welcome
        assert not (tmp_path / "data" / "master.key").exists()
        bearer = {"authorization": f"Bearer {MASTER_KEY}"}
        assert served.http.get(f"{served.url}/admin/keys", headers=bearer).status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_running_request_finish_and_ends_with_0(
    tmp_path: Path, number: signal.Signals
) -> None:
    with (
        simulator() as upstream,
        serving(tmp_path, ANTHROPIC_API_KEY="sk-ant-x", ANTHROPIC_BASE_URL=upstream.url) as served,
        ThreadPoolExecutor(1) as threads,
    ):
        upstream.pace(latency_s=1.0)
        bearer = {"authorization": f"Bearer {served.secret('tk')}"}
        call = threads.submit(
            httpx2.post, f"{served.url}/v1/chat/completions", json=CHAT, headers=bearer, timeout=30
        )
        while not upstream.messages():
            assert not call.done()
        assert served.end(number) == 0
        assert call.result().status_code == 200
        assert "x-tollkeeper-simulated" not in call.result().headers


def test_without_a_key_for_anthropic_it_says_what_to_do_and_makes_nothing(tmp_path: Path) -> None:
    ended = run(tmp_path, "serve", "--port", "0", ANTHROPIC_API_KEY="")
    assert ended.code == 2
    assert "with Anthropic off, serve needs --simulate" in ended.err
    assert not (tmp_path / "data").exists()


def test_a_key_of_openrouters_alone_does_not_serve_tiers_of_anthropics(tmp_path: Path) -> None:
    ended = run(tmp_path, "serve", "--port", "0", OPENROUTER_API_KEY="sk-or-x")
    assert ended.code == 2
    assert "with Anthropic off, serve needs --simulate" in ended.err


def test_several_workers_on_sqlite_are_refused(tmp_path: Path) -> None:
    ended = run(tmp_path, "serve", "--port", "0", "--simulate", "--workers", "2")
    assert ended.code == 2
    assert "--workers 2 needs PostgreSQL" in ended.err


def test_a_master_key_of_15_characters_is_refused(tmp_path: Path) -> None:
    ended = run(tmp_path, "serve", "--simulate", TOLLKEEPER_MASTER_KEY="mk-456789012345")
    assert ended.code == 2
    assert ended.err == (
        "Error: TOLLKEEPER_MASTER_KEY: the master key has 15 characters; allowed: at least 16\n"
    )


def test_an_invalid_configuration_is_told_by_file_path_value_and_what_is_allowed(
    tmp_path: Path,
) -> None:
    (tmp_path / "mine.yaml").write_text("routing:\n  threshold: 7\n")
    ended = run(tmp_path, "serve", "--simulate", "--config", "mine.yaml")
    assert ended.code == 2
    assert "mine.yaml, line 2: routing.threshold: 7; allowed:" in ended.err
    assert not (tmp_path / "data").exists()


def test_a_taken_port_is_told_in_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = run(tmp_path, "serve", "--simulate", "--port", port)
    assert ended.code == 1
    assert ended.err.startswith(f"Error: can't listen on 127.0.0.1 port {port}: ")
    assert "mk-" not in ended.out


def test_a_second_gateway_on_one_sqlite_file_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path, "--simulate"):
        ended = run(tmp_path, "serve", "--simulate", "--port", "0")
        assert ended.code == 1
        assert "another gateway process is using data/simulated.db" in ended.err


def test_a_folder_of_the_same_name_as_the_package_is_not_taken_for_it(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text("raise RuntimeError('not this one')")
    with serving(tmp_path, "--simulate") as served:
        assert served.http.get(f"{served.url}/health/ready").status_code == 200


def test_workers_on_postgresql_share_one_port_one_master_key_and_one_upstream(
    tmp_path: Path, blank_postgres_url: str
) -> None:
    given = {"TOLLKEEPER_DATABASE_URL": blank_postgres_url}
    with serving(tmp_path, "--simulate", "--workers", "2", **given) as served:
        assert served.welcome.endswith("with 2 workers\n")
        bearer = {"authorization": f"Bearer {served.secret('tk')}"}
        for _ in range(8):
            answer = httpx2.post(f"{served.url}/v1/chat/completions", json=CHAT, headers=bearer)
            assert answer.status_code == 200, answer.text
            assert answer.headers["x-tollkeeper-simulated"] == "true"
        spent = run(tmp_path, "spend", "--by", "model", "--json", **given).json()
        assert [row["requests"] for row in spent["data"]] == [8]
        assert served.end() == 0


def test_what_a_gateway_logs_is_json_and_holds_no_secret(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("routing: {threshold: 0.4}\n")
    with serving(tmp_path, "--simulate") as served:
        served.process.send_signal(signal.SIGHUP)
        log = tmp_path / "stderr.txt"
        while "config reloaded" not in log.read_text():
            assert served.process.poll() is None
            time.sleep(0.02)
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert "config reloaded" in [line["message"] for line in lines]
        assert served.secret("tk") not in log.read_text()


@pytest.mark.parametrize("given", ["environment", "option"])
def test_play_money_has_a_ledger_of_its_own_and_real_money_never_joins_it(
    tmp_path: Path, given: str
) -> None:
    real = {"ANTHROPIC_API_KEY": "sk-ant-x"}
    options = ["--simulate"] if given == "option" else []
    play = {"TOLLKEEPER_SIMULATE": "1"} if given == "environment" else {}
    with serving(tmp_path, *options, **play) as served:
        assert served.end() == 0
    assert sorted(path.name for path in (tmp_path / "data").glob("*.db")) == ["simulated.db"]
    same = {"TOLLKEEPER_DATABASE_URL": "sqlite:///data/simulated.db"}
    ended = run(tmp_path, "serve", "--port", "0", **real, **same)
    assert ended.code == 2
    assert "holds the simulated upstream's play money" in ended.err
    assert "serve with --simulate, or name another database" in ended.err
    with serving(tmp_path, **real) as served:
        assert served.end() == 0
    ended = run(
        tmp_path,
        "serve",
        "--simulate",
        *("--port", "0"),
        TOLLKEEPER_DATABASE_URL="sqlite:///data/tollkeeper.db",
    )
    assert ended.code == 2
    assert "holds real money" in ended.err


def test_commands_find_the_only_ledger_there_is(tmp_path: Path) -> None:
    with serving(tmp_path, "--simulate") as served:
        bearer = {"authorization": f"Bearer {served.secret('tk')}"}
        answer = httpx2.post(f"{served.url}/v1/chat/completions", json=CHAT, headers=bearer)
        assert answer.status_code == 200
        spent = run(tmp_path, "spend", "--by", "key", "--json").json()
        assert [row["key_name"] for row in spent["data"]] == ["first key"]


def test_whoever_brings_a_master_key_is_told_how_to_make_the_first_key(tmp_path: Path) -> None:
    with serving(tmp_path, "--simulate", TOLLKEEPER_MASTER_KEY=MASTER_KEY) as served:
        assert "tk-" not in served.welcome
        assert "  tollkeeper keys create --name mine --budget 10.00\n" in served.welcome
        bearer = {"authorization": f"Bearer {MASTER_KEY}"}
        listed = served.http.get(f"{served.url}/admin/keys", headers=bearer).json()
        assert listed["data"] == []


def test_a_line_feed_after_the_database_url_opens_no_second_ledger(tmp_path: Path) -> None:
    url = "sqlite:///data/mine.db"
    with serving(tmp_path, "--simulate", TOLLKEEPER_DATABASE_URL=url) as served:
        assert served.secret("tk")
        assert served.end() == 0
    with serving(tmp_path, "--simulate", TOLLKEEPER_DATABASE_URL=f"{url}\n") as served:
        assert "tk-" not in served.welcome
    assert [path.name for path in (tmp_path / "data").glob("*.db")] == ["mine.db"]


def test_a_control_character_within_an_environment_value_is_refused(tmp_path: Path) -> None:
    ended = run(tmp_path, "spend", TOLLKEEPER_DATABASE_URL="sqlite:///data/a\nb.db")
    assert ended.code == 2
    assert ended.err == (
        "The configuration can't be used:\nthe environment: TOLLKEEPER_DATABASE_URL: a value with "
        "a control character (hidden); allowed: text without line breaks and other control "
        "characters\n"
    )
    assert not (tmp_path / "data").exists()


def test_the_version_is_told(tmp_path: Path) -> None:
    assert run(tmp_path, "--version").lines() == ["tollkeeper 0.1.0"]


def test_what_is_set_to_no_avail_is_warned_of_in_the_log(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("retention: {requests_days: 30}\n")
    with serving(tmp_path, "--simulate", ANTHROPIC_ADMIN_KEY="key"):
        pass
    lines = (tmp_path / "stderr.txt").read_text().splitlines()
    warned = [json.loads(line)["message"] for line in lines if '"warning"' in line]
    assert "retention.requests_days has no effect in this version" in warned
    assert "ANTHROPIC_ADMIN_KEY has no effect in this version" in warned
