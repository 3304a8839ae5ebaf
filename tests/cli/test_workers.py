"""Several workers on one port: a reload replaces none, a dead one comes back, slowly if need be."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from tests.cli.processes import Served, serving

MASTER_KEY = "mk-of-the-workers-tests"
ADMIN = {"authorization": f"Bearer {MASTER_KEY}"}
SOON_S = 30.0
CONFIG = "routing: {{threshold: {threshold}}}\n"


def eventually(holds: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + SOON_S
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


def children(pid: int) -> set[int]:
    """The processes that have `pid` for their parent and serve, the tracker of semaphores not."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {
        int(child)
        for child in listed
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
    }


def logged(folder: Path, message: str) -> int:
    lines = (folder / "stderr.txt").read_text().splitlines()
    return sum(json.loads(line)["message"] == message for line in lines if line.startswith("{"))


def answers(served: Served) -> bool:
    try:
        return httpx2.get(f"{served.url}/health/ready", timeout=5).status_code == 200
    except httpx2.TransportError:
        return False


@pytest.mark.timeout(240)
def test_a_reload_replaces_no_worker_and_a_killed_one_comes_back_whatever_the_file_says(
    tmp_path: Path, blank_postgres_url: str
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(threshold=0.5))
    given = {"TOLLKEEPER_DATABASE_URL": blank_postgres_url, "TOLLKEEPER_MASTER_KEY": MASTER_KEY}
    with serving(tmp_path, "--simulate", "--workers", "2", **given) as served:
        pid = served.process.pid
        workers = children(pid)
        assert len(workers) == 2

        config.write_text(CONFIG.format(threshold=0.4))
        served.process.send_signal(signal.SIGHUP)
        eventually(lambda: logged(tmp_path, "config reloaded") >= 2)
        assert children(pid) == workers

        config.write_text(CONFIG.format(threshold=7))
        served.process.send_signal(signal.SIGHUP)
        eventually(lambda: logged(tmp_path, "config refused, the old one stays in force") >= 2)
        assert children(pid) == workers

        killed = min(workers)
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: len(children(pid) - {killed}) == 2)
        eventually(lambda: logged(tmp_path, "config refused") == 1)
        assert all(answers(served) for _ in range(8))
        assert "Traceback" not in (tmp_path / "stderr.txt").read_text()
        assert served.end() == 0
