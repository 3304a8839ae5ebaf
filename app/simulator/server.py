"""Serving the simulator: a real server, whose connections can really break."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from app.simulator.app import create_simulator

_KEEP_ALIVE_S: Final = 75
_BACKLOG: Final = 2048
_START_S: Final = 20.0


def connection_state(transport: asyncio.Transport) -> dict[str, Any]:
    """What the requests of one connection share: its transport, and how many there were."""
    return {"transport": transport, "served": count()}


class _H11(H11Protocol):
    """Hands its transport to the application, so that it can reset the connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, **connection_state(transport)}


def _protocol() -> type[Any]:
    """The faster parser when it is installed."""
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol  # noqa: PLC0415
    except ImportError:
        return _H11

    class HttpTools(HttpToolsProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self.app_state = {**self.app_state, **connection_state(transport)}

    return HttpTools


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one.  Raises OSError when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)


def make_server(
    app: ASGIApp, *, http: type[Any] | None = None, loop: str = "auto"
) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        http=http or _protocol(),
        loop=loop,
        lifespan="off",
        ws="none",
        log_config=None,  # logging is the business of the process that it runs in
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,  # answers bear the simulator's own clock
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)


def serve_simulator(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    latency_s: float = 0.0,
    delta_interval_s: float = 0.0,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until interrupted; `on_ready` is told the base URL before the first request."""
    app = create_simulator(latency_s=latency_s, delta_interval_s=delta_interval_s)
    listening = listen(host, port)
    if on_ready is not None:
        on_ready(base_url(listening))
    make_server(app).run(sockets=[listening])


@contextmanager
def running_simulator(
    app: ASGIApp | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    http: type[Any] | None = None,
    loop: str = "auto",
) -> Iterator[str]:
    """A simulator in a thread of this process; yields its base URL."""
    listening = listen(host, port)
    server = make_server(app or create_simulator(), http=http, loop=loop)
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listening]}, name="simulator", daemon=True
    )
    thread.start()
    deadline_s = time.monotonic() + _START_S
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline_s:
            raise RuntimeError("the simulator did not start")
        time.sleep(0.005)
    try:
        yield base_url(listening)
    finally:
        server.should_exit = True
        thread.join(_START_S)
        listening.close()


def base_url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
