"""The doctor tells what is wrong apart: each trouble fails its own line, and no other."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from app.commands.diagnoses import Asked, clock_finding, disk_finding, upstream_finding
from tests.cli.processes import COMMAND, environment, run
from tests.running import free_port, simulator

KEY = "sk-ant-a-key-that-is-secret-0123"
WELL = ["config", "database", "upstream anthropic", "upstream openrouter", "clock", "redis", "disk"]


@contextmanager
def upstream(status: int = 200, ahead: timedelta = timedelta(0)) -> Iterator[str]:
    """An upstream that answers each question so, by a clock that is ahead of ours."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(status)
            self.send_header("date", format_datetime(datetime.now(UTC) + ahead, usegmt=True))
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def looked(folder: Path, url: str, code: int, **given: str) -> dict[str, tuple[bool, str]]:
    """Each check of `doctor --json`: whether it is well, and what it says."""
    ended = run(folder, "doctor", "--json", ANTHROPIC_API_KEY=KEY, ANTHROPIC_BASE_URL=url, **given)
    assert ended.code == code, ended.err
    assert KEY not in ended.out + ended.err
    told: dict[str, Any] = json.loads(ended.out)
    assert told["healthy"] is (code == 0)
    return {each["check"]: (each["ok"], each["says"]) for each in told["checks"]}


def bad(found: dict[str, tuple[bool, str]]) -> list[str]:
    return [check for check, (ok, _) in found.items() if not ok]


def test_all_is_well_beside_an_upstream_that_takes_the_key(folder: Path) -> None:
    with simulator() as simulated:
        found = looked(folder, simulated.url, 0)
        lines = run(
            folder, "doctor", ANTHROPIC_API_KEY=KEY, ANTHROPIC_BASE_URL=simulated.url
        ).lines()
    assert list(found) == WELL
    assert [line.split()[0] for line in lines] == ["ok"] * 7


def test_a_wrong_key_fails_that_line_alone(folder: Path) -> None:
    with upstream(status=401) as url:
        found = looked(folder, url, 1)
    assert bad(found) == ["upstream anthropic"]
    assert "refuses the api_key (status 401)" in found["upstream anthropic"][1]


def test_an_upstream_that_is_not_there_fails_that_line_alone(folder: Path) -> None:
    found = looked(folder, f"http://127.0.0.1:{free_port()}", 1)
    assert bad(found) == ["upstream anthropic"]
    assert "can't be reached" in found["upstream anthropic"][1]


def test_an_upstream_in_trouble_is_told_by_its_status(folder: Path) -> None:
    with upstream(status=503) as url:
        found = looked(folder, url, 1)
    assert bad(found) == ["upstream anthropic"]
    assert found["upstream anthropic"][1].endswith("answers with status 503")


def test_a_skewed_clock_fails_that_line_alone(folder: Path) -> None:
    with upstream(ahead=timedelta(hours=1)) as url:
        found = looked(folder, url, 1)
    assert bad(found) == ["clock"]
    assert found["clock"][1].endswith("s behind anthropic")


def test_a_database_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with upstream() as url:
        found = looked(tmp_path, url, 1)
    assert bad(found) == ["database"]
    assert found["database"][1].endswith("run: tollkeeper db upgrade")


def test_redis_that_does_not_answer_is_told_without_its_password(folder: Path) -> None:
    with upstream() as url:
        redis = f"redis://:hidden@127.0.0.1:{free_port()}/0"
        found = looked(folder, url, 1, TOLLKEEPER_REDIS_URL=redis)
    assert bad(found) == ["redis"]
    assert "hidden" not in found["redis"][1]


def test_a_config_that_cannot_be_used_is_the_only_line(folder: Path) -> None:
    (folder / "config.yaml").write_text("server: {max_bodybytes: 1}\n")
    found = looked(folder, "http://127.0.0.1:1", 1)
    assert bad(found) == list(found) == ["config"]
    assert "server.max_bodybytes" in found["config"][1]


def test_a_file_of_weights_that_is_none_is_a_config_that_cannot_be_used(folder: Path) -> None:
    (folder / "config.yaml").write_text("routing: {weights: nowhere.yaml}\n")
    found = looked(folder, "http://127.0.0.1:1", 1)
    assert bad(found) == list(found) == ["config"]
    assert "nowhere.yaml" in found["config"][1]


def test_no_upstream_at_all_is_told_unless_it_is_simulated(folder: Path) -> None:
    told = run(folder, "doctor")
    assert told.code == 1
    assert "every upstream is off" in told.out
    assert run(folder, "db", "upgrade", TOLLKEEPER_SIMULATE="1").code == 0
    assert run(folder, "doctor", TOLLKEEPER_SIMULATE="1").code == 0


def test_a_disk_that_takes_no_more_fails(folder: Path) -> None:
    limited = "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)); "
    limited += "os.execv(sys.argv[1], sys.argv[1:])"
    with upstream() as url:
        given = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": url}
        ended = subprocess.run(
            [sys.executable, "-c", limited, *COMMAND, "doctor"],
            cwd=folder,
            env=environment(folder, given),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert ended.returncode == 1
    disk = ended.stdout.splitlines()[-1]
    assert disk.split()[:2] == ["FAILED", "disk"]
    assert disk.endswith("but: File too large")


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
DISKS = [
    # error, bytes free, well, says
    (None, 300 * 2**20, True, "0.3 GiB free"),
    (None, 255 * 2**20, False, "almost full: 255 MiB free"),
    (FULL, 10 * 2**30, False, "but: No space left on device"),
]


@pytest.mark.parametrize(("error", "free_bytes", "ok", "says"), DISKS)
def test_what_a_disk_is_said_to_be(
    tmp_path: Path, error: OSError | None, free_bytes: int, *, ok: bool, says: str
) -> None:
    found = disk_finding(tmp_path, error, free_bytes)
    assert found.ok is ok
    assert says in found.says


def test_a_minute_of_skew_is_borne_and_a_second_more_is_not() -> None:
    assert clock_finding({"anthropic": 60.0, "the database": -60.0}).ok
    found = clock_finding({"anthropic": 61.0, "the database": 0.0})
    assert not found.ok
    assert found.says.endswith("61 s ahead of anthropic")


def test_an_upstream_without_a_clock_says_nothing_of_ours() -> None:
    for date in (None, "", "yesterday"):
        assert Asked("http://upstream", 200, date, 0.0).ahead_s is None
    assert upstream_finding("anthropic", Asked("http://upstream", 403)).ok is False
