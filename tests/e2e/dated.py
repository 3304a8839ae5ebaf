"""A gateway whose day or moment is written in a file: a test may turn the calendar's page."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.running import MASTER_KEY, STOP_S, Gateway, _wait_until_ready, free_port

TODAY = "today.txt"  # in the gateway's folder


@contextmanager
def dated_gateway(
    folder: Path, upstream_url: str, day: str, config: str | None = None
) -> Iterator[Gateway]:
    """The application of `tollkeeper serve`, with the prices of `day`."""
    port = free_port()
    if config is not None:
        (folder / "config.yaml").write_text(config)
    turn_to(folder, day)
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "TOLLKEEPER_MASTER_KEY": MASTER_KEY,
        "TOLLKEEPER_DATABASE_URL": "sqlite:///tollkeeper.db",
        "ANTHROPIC_API_KEY": "sk-ant-upstream-secret-for-tests",
        "ANTHROPIC_BASE_URL": upstream_url,
    }
    command = [sys.executable, "-m", "tests.e2e.dated_server", str(port), TODAY]
    with (folder / "gateway.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=log, stderr=log)
    running = Gateway(f"http://127.0.0.1:{port}", process, folder)
    try:
        with running.http:
            _wait_until_ready(running)
            yield running
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def turn_to(folder: Path, day: str) -> None:
    """From the next call on it is `day`."""
    new = folder / f"{TODAY}.new"
    new.write_text(day)
    new.replace(folder / TODAY)
