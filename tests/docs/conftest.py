from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.house.repository import ROOT

START_S = 60.0
SETTINGS = ("ANTHROPIC_", "LANGFUSE_", "OPENROUTER_", "OTEL_", "TOLLKEEPER_")


@dataclass(frozen=True, slots=True)
class Served:
    """A gateway that a reader of the documents has just started in `folder`."""

    folder: Path
    url: str
    key: str
    environ: Mapping[str, str]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env=dict(self.environ),
            check=False,
            text=True,
            capture_output=True,
            timeout=90,
        )

    def as_here(self, text: str) -> str:
        """The snippet with this gateway's address and key."""
        return text.replace("http://127.0.0.1:4000", self.url).replace("tk-...", self.key)


@pytest.fixture(scope="session")
def reader_environ() -> dict[str, str]:
    """The environment without settings of the machine that runs the tests."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(SETTINGS)}
    environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environ['PATH']}"
    return environ


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, reader_environ: dict[str, str]
) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("reader")
    shutil.copy(ROOT / "config.yaml", folder)
    out, err = folder / "out.txt", folder / "err.txt"
    with out.open("w") as stdout, err.open("w") as stderr:
        process = subprocess.Popen(
            ["tollkeeper", "serve", "--simulate", "--port", "0"],
            cwd=folder,
            env=reader_environ,
            stdout=stdout,
            stderr=stderr,
        )
    try:
        told = _told(process, out, err)
        url, key = re.search(r"http://[\d.]+:\d+", told), re.search(r"\btk-[\w-]{20,}", told)
        assert url is not None
        assert key is not None
        master_key = (folder / "data/master.key").read_text().strip()
        secrets = {"TOLLKEEPER_KEY": key[0], "TOLLKEEPER_MASTER_KEY": master_key}
        yield Served(folder, url[0], key[0], reader_environ | secrets)
    finally:
        process.terminate()
        process.wait(30)


def _told(process: subprocess.Popen[bytes], out: Path, err: Path) -> str:
    """What the first start printed, once the gateway answers."""
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s:
        assert process.poll() is None, out.read_text() + err.read_text()
        told = out.read_text()
        url = re.search(r"http://[\d.]+:\d+", told)
        if url is not None and _is_alive(url[0]):
            return told
        time.sleep(0.1)
    raise AssertionError(f"the gateway did not start: {out.read_text()}{err.read_text()}")


def _is_alive(url: str) -> bool:
    answer = subprocess.run(
        ["curl", "-sf", "--max-time", "5", f"{url}/health/ready"], check=False, capture_output=True
    )
    return answer.returncode == 0
