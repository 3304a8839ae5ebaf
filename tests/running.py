"""Real processes for end-to-end tests: the simulated upstream and a gateway in front of it."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx2

from app.simulator.server import running_simulator
from app.store.database.migrate import migrate

MASTER_KEY = "mk-for-tests-0123456789"
START_S = 60.0
READY = re.compile(r"^Tollkeeper is ready on (\S+)$", re.MULTILINE)
STOP_S = 20.0


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


@dataclass
class Simulated:
    """The upstream's own side of the story, over HTTP."""

    url: str
    http: httpx2.Client = field(default_factory=lambda: httpx2.Client(timeout=30))

    def log(self) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.http.get(f"{self.url}/_sim/log").json()["entries"]
        return entries

    def messages(self) -> list[dict[str, Any]]:
        """What arrived at `/v1/messages` itself, token counts aside."""
        return [entry for entry in self.log() if entry["path"] == "/v1/messages"]

    def billed_nano_usd(self) -> int:
        billed: int = self.http.get(f"{self.url}/_sim/log?summary=1").json()["billed_nano_usd"]
        return billed

    def reset(self) -> None:
        self._post("reset", {})

    def faults(self, *faults: dict[str, Any], **more: Any) -> None:
        self._post("faults", {"faults": list(faults), **more})

    def replies(self, *replies: dict[str, Any]) -> None:
        self._post("replies", {"replies": list(replies)})

    def pace(self, **seconds: float) -> None:
        self._post("pace", seconds)

    def turn_to(self, day: str) -> None:
        """Its clock goes on from that moment, until the next reset."""
        self._post("clock", {"now": day})

    def forward(self, seconds: float) -> None:
        """Its clock goes forward by so much, until the next reset."""
        self._post("clock", {"advance_s": seconds})

    def _post(self, what: str, body: dict[str, Any]) -> None:
        answer = self.http.post(f"{self.url}/_sim/{what}", json=body)
        assert answer.status_code == 200, answer.text


@dataclass
class Gateway:
    """A gateway process and its admin API."""

    url: str
    process: subprocess.Popen[bytes]
    folder: Path
    http: httpx2.Client = field(default_factory=lambda: httpx2.Client(timeout=60))

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.http.request(
            method,
            f"{self.url}/admin/{path}",
            json=body,
            headers={"authorization": f"Bearer {MASTER_KEY}"},
        )
        assert answer.status_code < 300, answer.text
        return answer.json()

    def key(self, **fields: Any) -> str:
        """A new key's secret."""
        made: str = self.admin("POST", "keys", {"name": "test", **fields})["key"]
        return made

    def chat(self, secret: str, body: dict[str, Any], **headers: str) -> httpx2.Response:
        return self.post("/v1/chat/completions", secret, body, **headers)

    def post(self, path: str, secret: str, body: dict[str, Any], **headers: str) -> httpx2.Response:
        sent = {"authorization": f"Bearer {secret}", **headers}
        return self.http.post(f"{self.url}{path}", json=body, headers=sent)

    def own_key(self, secret: str) -> dict[str, Any]:
        answer = self.http.get(f"{self.url}/v1/key", headers={"x-api-key": secret})
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    def row(self, request_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.admin("GET", f"requests/{request_id}")
        return found

    def rows(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.admin("GET", "requests?limit=1000")["data"]
        return listed

    def metrics(self) -> str:
        headers = {"authorization": f"Bearer {MASTER_KEY}"}
        return self.http.get(f"{self.url}/metrics", headers=headers).text

    def log_text(self) -> str:
        return (self.folder / "gateway.log").read_text()

    def stop(self) -> int:
        """SIGTERM, as an operator would; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)


@contextmanager
def simulator() -> Iterator[Simulated]:
    with running_simulator() as url:
        simulated = Simulated(url)
        with simulated.http:
            yield simulated


@contextmanager
def gateway(
    folder: Path,
    upstream_url: str,
    *,
    config: str | None = None,
    environ: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
) -> Iterator[Gateway]:
    """`tollkeeper serve` in `folder`, calling `upstream_url` as if it were Anthropic."""
    if config is not None:
        (folder / "config.yaml").write_text(config)
    own = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TOLLKEEPER_MASTER_KEY": MASTER_KEY,
        "ANTHROPIC_API_KEY": "sk-ant-upstream-secret-for-tests",
        "ANTHROPIC_BASE_URL": upstream_url,
        **(environ or {}),
    }
    database = own.get("TOLLKEEPER_DATABASE_URL", "sqlite:///data/tollkeeper.db")
    if database.startswith("sqlite:///"):
        _have_database(folder / database.removeprefix("sqlite:///"))
    command = [sys.executable, "-m", "app.cli", "serve", "--port", "0", *options]
    own["PYTHONPATH"] = str(Path(__file__).parents[1])
    with (folder / "gateway.log").open("ab") as log:
        told_before = log.tell()
        process = subprocess.Popen(command, cwd=folder, env=own, stdout=log, stderr=log)
    running = Gateway("", process, folder)
    try:
        with running.http:
            running.url = _address(running, told_before)
            _wait_until_ready(running)
            yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _have_database(path: Path) -> None:
    """A migrated one where `serve` looks for it; tests/cli ask what it makes of an empty folder."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        shutil.copy(_migrated(), path)
        path.chmod(0o600)


@cache
def _migrated() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tollkeeper-empty-"))
    atexit.register(shutil.rmtree, folder)
    migrate(f"sqlite:///{folder / 'empty.db'}")
    return folder / "empty.db"


def _address(running: Gateway, told_before: int) -> str:
    """It says itself which port it has taken: one that was free before may not be any more."""
    deadline_s = time.monotonic() + START_S
    log = running.folder / "gateway.log"
    while time.monotonic() < deadline_s and running.process.poll() is None:
        if ready := READY.search(log.read_bytes()[told_before:].decode(errors="replace")):
            return ready[1]
        time.sleep(0.05)
    raise AssertionError(f"the gateway did not start:\n{running.log_text()}")


def _wait_until_ready(running: Gateway) -> None:
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s and running.process.poll() is None:
        with suppress(httpx2.TransportError):
            if running.http.get(f"{running.url}/health/ready").status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError(f"the gateway did not start:\n{running.log_text()}")
