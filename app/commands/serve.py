"""`tollkeeper serve`: from an empty folder to a gateway that answers."""

from __future__ import annotations

import asyncio
import math
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from app.commands.database import answering, is_sqlite, opened
from app.commands.environment import database_url
from app.commands.failure import CommandFailed, WrongUsage
from app.commands.first_start import prepare
from app.commands.master_key import MasterKey, master_key
from app.commands.output import boxed, say
from app.commands.signals import end_on_signals
from app.config.settings import Settings, settings_file
from app.main import SIMULATOR_VARIABLE, Boot, create_app, policy_of
from app.store.database.sqlite import DatabaseInUse
from app.telemetry.logs import start_logging

BACKLOG = 2048
KEEP_ALIVE_S = 75
WORKERS_START_S = 60.0
WORKER_APP = "app.main:app_from_environment"
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - names what is listened on
ANTHROPIC_OFF = (
    "ANTHROPIC_API_KEY is not set. Set it to call Anthropic, or try the gateway without it: "
    "with Anthropic off, serve needs --simulate"
)
SIMULATED = (
    "SIMULATED UPSTREAM: nothing reaches Anthropic, every answer is made up.",
    "Each one carries x-tollkeeper-simulated: true. For real answers set",
    "ANTHROPIC_API_KEY and start again without --simulate.",
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for; port 0 takes a free one."""

    config: Path | None
    host: str
    port: int
    workers: int
    simulate: bool


def serve(wanted: Wanted) -> None:
    """Serve until SIGTERM or SIGINT, then let running requests finish.

    Raises ConfigError, WrongUsage and CommandFailed before anything is served.
    """
    end_on_signals()
    url = database_url()
    if wanted.workers > 1 and is_sqlite(url):
        raise WrongUsage(
            f"--workers {wanted.workers} needs PostgreSQL: a SQLite file has one gateway process. "
            "Set TOLLKEEPER_DATABASE_URL=postgresql://... or leave --workers out"
        )
    with _simulator(wanted=wanted.simulate) as simulated_url:
        boot = Boot(
            config_file=settings_file(wanted.config, os.environ),
            environ=os.environ,
            database_url=url,
            master_key="",
            metrics_token=os.environ.get("TOLLKEEPER_METRICS_TOKEN") or None,
            simulated_url=simulated_url,
        )
        settings = boot.settings()
        policy_of(settings)
        if not _anthropic_is_on(settings):
            raise WrongUsage(ANTHROPIC_OFF)
        key = master_key(os.environ)
        with _listening(wanted.host, wanted.port) as listening:
            address = _address(wanted.host, listening)
            secret = answering(url, lambda: asyncio.run(_prepared(url)))
            _welcome(address, key, secret, simulated=wanted.simulate)
            _run(replace(boot, master_key=key.value), settings, listening, wanted.workers, address)


@contextmanager
def _simulator(*, wanted: bool) -> Iterator[str | None]:
    if not wanted:
        yield None
        return
    # Imported here: a gateway that calls Anthropic never needs it.
    from app.simulator.server import running_simulator  # noqa: PLC0415

    with running_simulator() as url:
        yield url


def _anthropic_is_on(settings: Settings) -> bool:
    return any(
        upstream.kind == "anthropic" and upstream.api_key is not None
        for upstream in settings.upstreams.values()
    )


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = error.strerror or str(error)
        raise CommandFailed(
            f"can't listen on {host} port {port}: {reason}. Choose another port with --port"
        ) from error
    with listening:
        yield listening


def _address(host: str, listening: socket.socket) -> str:
    """The URL to call; a gateway that listens everywhere is called on this machine."""
    name = EVERYWHERE.get(host) or (f"[{host}]" if ":" in host else host)
    return f"http://{name}:{listening.getsockname()[1]}"


async def _prepared(url: str) -> str | None:
    database = opened(url)
    try:
        return await prepare(database, url)
    except DatabaseInUse as error:
        raise CommandFailed(str(error)) from error
    finally:
        await database.close()


def _welcome(address: str, master: MasterKey, secret: str | None, *, simulated: bool) -> None:
    """Secrets are shown when they are made, and never again."""
    if simulated:
        say(boxed(SIMULATED))
    if master.made:
        say(f"\nA master key for /admin was made; it is kept in {master.file}:\n  {master.value}")
    if secret is not None:
        say(f"\nA first virtual key was made; it is shown only now:\n  {secret}")
        say("\nTry it:")
        say(
            f"  curl {address}/v1/chat/completions -H 'Authorization: Bearer {secret}'"
            " -H 'Content-Type: application/json'"
            """ -d '{"model": "auto", "messages": [{"role": "user", "content": "Hello!"}]}'"""
        )
    if master.made or secret is not None:
        say()


def _run(
    boot: Boot, settings: Settings, listening: socket.socket, workers: int, address: str
) -> None:
    start_logging()
    if workers > 1:
        os.environ |= _for_workers(boot)
        supervisor = _Workers(_server_config(WORKER_APP, settings, workers), [listening], address)
        supervisor.run()
        failed = supervisor.failed
    else:
        server = _Server(_server_config(create_app(settings, boot), settings), address)
        try:
            server.run([listening])
        except SystemExit as stopped:
            if stopped.code != STARTUP_FAILURE:
                raise
        failed = not server.started
    if failed:
        raise CommandFailed("the gateway did not start; the log above says why")


def _for_workers(boot: Boot) -> dict[str, str]:
    """What `app_from_environment` reads in each worker process."""
    told = {
        "TOLLKEEPER_CONFIG": None if boot.config_file is None else str(boot.config_file),
        "TOLLKEEPER_DATABASE_URL": boot.database_url,
        "TOLLKEEPER_MASTER_KEY": boot.master_key,
        SIMULATOR_VARIABLE: boot.simulated_url,
    }
    return {name: value for name, value in told.items() if value is not None}


def _server_config(app: object, settings: Settings, workers: int = 1) -> uvicorn.Config:
    proxies = list(settings.server.trusted_proxies)
    return uvicorn.Config(
        app,  # type: ignore[arg-type]  # an ASGI application or the name of its factory
        factory=isinstance(app, str),
        workers=workers,
        loop="auto",  # uvloop wherever it is installed
        http="app.web.protocol:LimitedProtocol",
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies or None,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=math.ceil(settings.server.shutdown_grace_s),
    )


class _Server(uvicorn.Server):
    """Says when it is ready."""

    def __init__(self, config: uvicorn.Config, address: str) -> None:
        super().__init__(config)
        self._address = address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            say(f"Tollkeeper is ready on {self._address}")


class _Workers(Multiprocess):
    """Says when all are ready; `failed` tells that one could not start."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket], address: str) -> None:
        super().__init__(config, sockets)
        self._address = address

    def init_processes(self) -> None:
        super().init_processes()
        if all(process.wait_until_ready(WORKERS_START_S) for process in self.processes):
            say(f"Tollkeeper is ready on {self._address} with {len(self.processes)} workers")

    @property
    def failed(self) -> bool:
        return any(process.exitcode == STARTUP_FAILURE for process in self.processes)
