"""`tollkeeper serve`: from an empty folder to a gateway that answers."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from app.commands.database import answering, is_sqlite, opened
from app.commands.environment import served_database_url, told
from app.commands.failure import CommandFailed, WrongUsage
from app.commands.first_start import FirstKeys, prepare
from app.commands.master_key import MasterKey, master_key
from app.commands.output import DASHBOARD, boxed, say
from app.commands.signals import end_on_signals
from app.commands.workers import GoodConfig, Workers
from app.config.destinations import traced
from app.config.names import config_warnings
from app.config.prices import bundled_books
from app.config.settings import Settings, settings_file
from app.config.unserved import unserved_variables
from app.core.preparation import Policy
from app.main import LOG_LEVEL_VARIABLE, METRICS_VARIABLE, SIMULATOR_VARIABLE, create_app
from app.store.database.sqlite import DatabaseInUse
from app.store.database.stamp import Kind
from app.telemetry.logs import start_logging
from app.wiring import Boot, memory_of, policy_of

_log = logging.getLogger("tollkeeper")

BACKLOG = 2048
KEEP_ALIVE_S = 75
WORKER_APP = "app.main:app_from_environment"
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - names what is listened on
ANTHROPIC_OFF = (
    "ANTHROPIC_API_KEY is not set. Set it to call Anthropic, or try the gateway without it: "
    "with Anthropic off, serve needs --simulate"
)
SIMULATED = (
    "SIMULATED UPSTREAM: nothing reaches a vendor, every answer is made up.",
    "Each one says so, and carries x-tollkeeper-simulated: true. For real answers set",
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
    log_level: str = "info"


def serve(wanted: Wanted) -> None:
    """Serve until SIGTERM or SIGINT, then let running requests finish.

    Raises ConfigError, WrongUsage and CommandFailed before anything is served.
    """
    end_on_signals()
    environ = told()
    if environ.get("TOLLKEEPER_SIMULATE") == "1":
        wanted = replace(wanted, simulate=True)
    url = served_database_url(environ, simulated=wanted.simulate)
    if wanted.workers > 1 and is_sqlite(url):
        raise WrongUsage(
            f"--workers {wanted.workers} needs PostgreSQL: a SQLite file has one gateway process. "
            "Set TOLLKEEPER_DATABASE_URL=postgresql://... or leave --workers out"
        )
    with _simulator(wanted=wanted.simulate) as simulated_url:
        boot = Boot(
            config_file=settings_file(wanted.config, environ),
            environ=environ,
            database_url=url,
            master_key="",
            metrics_token=environ.get("TOLLKEEPER_METRICS_TOKEN") or None,
            simulated_url=simulated_url,
        )
        settings = boot.settings()
        policy = policy_of(settings)
        traced(settings, environ)
        memory_of(environ)
        if not _can_serve(settings, policy):
            raise WrongUsage(ANTHROPIC_OFF)
        key = master_key(environ)
        with _listening(wanted.host, wanted.port) as listening:
            address = _address(wanted.host, listening)
            kind: Kind = "simulated" if wanted.simulate else "real"
            keys = answering(url, lambda: asyncio.run(_prepared(url, kind, key)))
            _welcome(address, key, keys, simulated=wanted.simulate)
            _run(replace(boot, master_key=key.value), settings, listening, wanted, address)


@contextmanager
def _simulator(*, wanted: bool) -> Iterator[str | None]:
    if not wanted:
        yield None
        return
    # Imported here: a gateway that calls Anthropic never needs it.
    from app.simulator.app import create_simulator  # noqa: PLC0415
    from app.simulator.server import running_simulator  # noqa: PLC0415

    with running_simulator(create_simulator(announced=True)) as url:
        yield url


def _can_serve(settings: Settings, policy: Policy) -> bool:
    """Whether Anthropic is on, or the tiers were all moved to upstreams that are."""
    on = [written.kind for written in settings.upstreams.values() if written.api_key is not None]
    catalog = policy.catalog
    return "anthropic" in on or (bool(on) and catalog.offered_tiers == tuple(catalog.tiers) != ())


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


async def _prepared(url: str, kind: Kind, master: MasterKey) -> FirstKeys:
    database = opened(url)
    try:
        # Whoever brings a master key makes the keys: one without a limit is not theirs to guess.
        return await prepare(database, url, kind, first_key=master.file is not None)
    except DatabaseInUse as error:
        raise CommandFailed(str(error)) from error
    finally:
        await database.close()


def _welcome(address: str, master: MasterKey, keys: FirstKeys, *, simulated: bool) -> None:
    """Secrets are shown when they are made, and never again."""
    secret = keys.secret
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
    if keys.none:
        say("\nThere is no virtual key yet. Make one:")
        say("  tollkeeper keys create --name mine --budget 10.00")
    if master.made or secret is not None or keys.none:
        say()


def _run(
    boot: Boot, settings: Settings, listening: socket.socket, wanted: Wanted, address: str
) -> None:
    start_logging(wanted.log_level)
    for warning in (*_warnings(settings), *unserved_variables(boot.environ)):
        _log.warning(warning)
    if wanted.workers > 1:
        os.environ |= {**_for_workers(boot), LOG_LEVEL_VARIABLE: wanted.log_level}
        with (
            tempfile.TemporaryDirectory(prefix="tollkeeper-metrics-") as metrics,
            GoodConfig(boot) as good,
        ):
            os.environ[METRICS_VARIABLE] = metrics
            config = _server_config(WORKER_APP, settings, wanted.workers)
            supervisor = Workers(config, [listening], address, good)
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


def _warnings(settings: Settings) -> list[str]:
    return config_warnings(settings, bundled_books(), datetime.now(UTC))


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
    """Says when it is ready, and when it begins to drain."""

    def __init__(self, config: uvicorn.Config, address: str) -> None:
        super().__init__(config)
        self._address = address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            say(f"Tollkeeper is ready on {self._address}")
            say(DASHBOARD.format(self._address))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        _log.info("draining", extra={"running": len(self.server_state.tasks)})
        await super().shutdown(sockets)
