"""The processes of a run: the mock, the bare proxy, and the gateway as a user starts it."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.parts import processes
from bench.parts.scenarios import SMALL, body_for

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 30.0
LOG_TAIL_BYTES = 3_000
SETTINGS_OF_OTHERS = ("TOLLKEEPER_", "ANTHROPIC_", "OPENROUTER_", "LANGFUSE_", "OTEL_")
CONFIG = """\
upstreams:
  anthropic: {kind: anthropic, api_key: "${ANTHROPIC_API_KEY}", base_url: "${ANTHROPIC_BASE_URL}"}
models:
  claude-haiku-4-5-20251001: {upstream: anthropic, aliases: [claude-haiku-4-5]}
  claude-sonnet-4-6: {upstream: anthropic}
tiers: {haiku: claude-haiku-4-5-20251001, sonnet: claude-sonnet-4-6}
"""


class BrokenServerError(Exception):
    """A server did not start, or did not do what the benchmark relies on."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running process and how to send it a chat request."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    port: int
    path: str
    headers: Mapping[str, str]

    @property
    def openai(self) -> bool:
        return self.path == "/v1/chat/completions"

    def broken(self, problem: str) -> BrokenServerError:
        tail = self.log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")
        return BrokenServerError(f"{self.name}: {problem}\n{tail}")


def call(
    port: int,
    method: str,
    path: str,
    body: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def wait_until(server: Server, answered: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while True:
        if server.process.poll() is not None:
            raise server.broken(f"ended with exit code {server.process.returncode}")
        try:
            if answered():
                return
        except ConnectionError:
            pass  # not listening yet
        if time.monotonic() > deadline_s:
            raise server.broken(f"no good answer within {START_TIMEOUT_S:g} s")
        time.sleep(0.005)


def answers_chat(server: Server) -> None:
    """Return at the first good answer to a small chat request."""
    body = body_for(SMALL, openai=server.openai, number=0)
    headers = {"content-type": "application/json", **server.headers}

    def answered() -> bool:
        status, answer = call(server.port, "POST", server.path, body, headers)
        if status not in (200, 503):  # 503: not ready yet
            raise server.broken(f"{server.path}: {status} {answer.decode(errors='replace')}")
        return status == 200

    wait_until(server, answered)


def child_environment() -> dict[str, str]:
    """Ours without what would configure a gateway, so that every machine measures the same."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(SETTINGS_OF_OTHERS)
    }
    return {**kept, "PYTHONPATH": str(ROOT)}


def started_part(part: str, folder: Path, to: set[int], *arguments: str) -> Server:
    """A module of `bench.parts`, which binds a port of its own and prints it."""
    log = folder / f"{part}.log"
    log.unlink(missing_ok=True)
    command = [sys.executable, "-m", f"bench.parts.{part}", *arguments]
    process = processes.start(command, log, to=to, env=child_environment(), cwd=ROOT)
    server = Server(part, process, log, 0, "/v1/messages", {})
    try:
        wait_until(server, lambda: printed_port(log) is not None)
    except BrokenServerError:
        processes.stop(process)
        raise
    return replace(server, port=printed_port(log) or 0)


def printed_port(log: Path) -> int | None:
    line, newline, _ = log.read_text().partition("\n")
    return int(line) if newline and line.isdigit() else None


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Bare:
    folder: Path
    upstream_port: int
    to: set[int]
    name: str = "bare"

    def started(self) -> Server:
        return started_part("bare", self.folder, self.to, str(self.upstream_port))


@dataclass(frozen=True, slots=True)
class Gateway:
    """`tollkeeper serve` in a folder of its own, with a key that has a budget to hold from."""

    name: str
    environment: dict[str, str]
    folder: Path
    to: set[int]
    headers: dict[str, str]

    @classmethod
    def prepared(
        cls, name: str, folder: Path, upstream_port: int, to: set[int], database_url: str
    ) -> Gateway:
        """Started once to migrate the database and to make the key."""
        folder.mkdir()
        (folder / "config.yaml").write_text(CONFIG)
        master_key = f"bench-{secrets.token_hex(16)}"
        environment = {
            **child_environment(),
            "ANTHROPIC_API_KEY": "bench",
            "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{upstream_port}",
            "TOLLKEEPER_CONFIG": str(folder / "config.yaml"),
            "TOLLKEEPER_DATABASE_URL": database_url,
            "TOLLKEEPER_MASTER_KEY": master_key,
        }
        gateway = cls(name, environment, folder, to, {})
        with running(gateway.spawned()) as server:
            wait_until(server, lambda: call(server.port, "GET", "/health/ready")[0] == 200)
            key = made_key(server, master_key)
        return cls(name, environment, folder, to, {"authorization": f"Bearer {key}"})

    def spawned(self) -> Server:
        port = free_port()
        # The command stands beside the interpreter that it was installed for.
        command = [str(Path(sys.executable).with_name("tollkeeper"))]
        log = self.folder / "gateway.log"
        process = processes.start(
            [*command, "serve", "--host", "127.0.0.1", "--port", str(port)],
            log,
            to=self.to,
            env=self.environment,
            cwd=self.folder,
        )
        return Server(self.name, process, log, port, "/v1/chat/completions", self.headers)

    def started(self) -> Server:
        return self.spawned()


def made_key(server: Server, master_key: str) -> str:
    wanted = {"name": "bench", "max_budget_usd": "1000000.00", "budget_window": "month"}
    headers = {"authorization": f"Bearer {master_key}", "content-type": "application/json"}
    status, body = call(server.port, "POST", "/admin/keys", json.dumps(wanted), headers)
    if status != 201:
        raise server.broken(f"POST /admin/keys: {status} {body.decode(errors='replace')}")
    made: dict[str, Any] = json.loads(body)
    return str(made["key"])


def spent_usd(server: Server) -> str:
    """What the ledger says the key has spent: the proof that calls were charged."""
    status, body = call(server.port, "GET", "/v1/key", headers=server.headers)
    if status != 200:
        raise server.broken(f"GET /v1/key: {status} {body.decode(errors='replace')}")
    return str(json.loads(body)["spent_usd"])


@contextmanager
def running(server: Server) -> Iterator[Server]:
    try:
        yield server
    finally:
        processes.stop(server.process)
