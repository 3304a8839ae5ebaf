"""The commands as processes of their own, with nothing in their environment but what is given."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-P", "-m", "app.cli"]
READY = re.compile(r"Tollkeeper is ready on (\S+)")
END_S = 30.0


def environment(folder: Path, given: dict[str, str]) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "80",
        **given,
    }


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)

    def lines(self) -> list[str]:
        """What was printed, without blank lines and the space around them."""
        assert self.code == 0, self.err
        return [line.strip() for line in self.out.splitlines() if line.strip()]


def run(folder: Path, *arguments: str, stdin: str = "", **given: str) -> Ended:
    ended = subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(folder, given),
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    return Ended(ended.returncode, ended.stdout, ended.stderr)


@dataclass
class Served:
    """A gateway that is ready; `welcome` is all it printed until then."""

    url: str
    welcome: str
    process: subprocess.Popen[str]
    http: httpx2.Client = field(default_factory=lambda: httpx2.Client(timeout=30))

    def secret(self, prefix: str) -> str:
        """The one thing that was printed on a line of its own and begins with `prefix`."""
        (found,) = re.findall(rf"^  ({prefix}-\S+)$", self.welcome, re.MULTILINE)
        return str(found)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(END_S)


@contextmanager
def serving(folder: Path, *arguments: str, **given: str) -> Iterator[Served]:
    with (folder / "stderr.txt").open("a") as log:
        process = subprocess.Popen(
            [*COMMAND, "serve", "--port", "0", *arguments],
            cwd=folder,
            env=environment(folder, given),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None
    try:
        welcome = ""
        for line in process.stdout:
            welcome += line
            if ready := READY.match(line):
                served = Served(ready[1], welcome, process)
                with served.http:
                    yield served
                return
        raise AssertionError(f"not ready: {welcome}{(folder / 'stderr.txt').read_text()}")
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(END_S)
        process.stdout.close()


def copy_database(empty: Path, folder: Path) -> None:
    """Put a migrated database where the commands look for one."""
    (folder / "data").mkdir()
    shutil.copy(empty, folder / "data" / "tollkeeper.db")
