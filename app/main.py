"""The composition root: settings and secrets in, a running gateway out."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp

from app.api.app import build
from app.calls.gateway import Gateway
from app.config.environment import environment
from app.config.problems import ConfigError
from app.config.settings import Settings, settings_file
from app.dashboard.app import Dashboard
from app.lookups import follow_lookups
from app.ports import LedgerWatcher, Memory
from app.reload import follow_config
from app.store.database.engine import Database, open_database
from app.store.database.sqlite import DatabaseInUse
from app.store.ledger.ledger import SqlLedger
from app.store.records.lookups import Lookups
from app.store.records.traces import Traces
from app.store.store import store_over
from app.telemetry.logs import start_logging
from app.telemetry.recorders import Recorders
from app.traces import follow_bills, tell_the_rest
from app.upstream.breakers import Breakers
from app.web.bodies import BODY_TIMEOUT_S
from app.web.errors import outcome_of
from app.web.protocol import REFUSED_UNREAD
from app.web.running import RunningGateway
from app.wiring import Boot, global_budget, memory_of, policy_of, recorders, retries_of, upstreams

DEFAULT_DATABASE_URL = "sqlite:///data/tollkeeper.db"
GC_THRESHOLD = 10_000
SIMULATOR_VARIABLE = "TOLLKEEPER_SIMULATED_UPSTREAM"
GOOD_CONFIG_VARIABLE = "TOLLKEEPER_GOOD_CONFIG"
LOG_LEVEL_VARIABLE = "TOLLKEEPER_WORKERS_LOG_LEVEL"
METRICS_VARIABLE = "TOLLKEEPER_WORKERS_METRICS"
STARTUP_FAILURE = 3  # what tells a supervisor that a restart would fail the same way

_log = logging.getLogger("tollkeeper")


def boot_from(environ: Mapping[str, str]) -> Boot:
    """The boot values of a process that was told everything by its environment."""
    return Boot(
        config_file=settings_file(None, environ),
        environ=environ,
        database_url=environ.get("TOLLKEEPER_DATABASE_URL") or DEFAULT_DATABASE_URL,
        master_key=environ["TOLLKEEPER_MASTER_KEY"],
        metrics_token=environ.get("TOLLKEEPER_METRICS_TOKEN") or None,
        simulated_url=environ.get(SIMULATOR_VARIABLE) or None,
        metrics_folder=Path(folder) if (folder := environ.get(METRICS_VARIABLE)) else None,
    )


def app_from_environment() -> ASGIApp:
    """What each of several worker processes serves."""
    start_logging(os.environ.get(LOG_LEVEL_VARIABLE, "info"))
    boot = boot_from(environment(os.environ))
    try:
        return create_app(boot.settings(), boot)
    except ConfigError as error:
        good = os.environ.get(GOOD_CONFIG_VARIABLE)
        _log.error("config refused", extra={"problem": str(error), "last_good": good})
        if good is None:
            sys.exit(STARTUP_FAILURE)
        kept = replace(boot, config_file=Path(good)).settings()
        return create_app(kept, boot, config_refusal=str(error))


def now_utc() -> datetime:
    """The moment by which prices apply and models are retired."""
    return datetime.now(UTC)


def gateway_of(
    settings: Settings,
    ledger: SqlLedger,
    recorder: Recorders,
    memory: Memory,
    now: Callable[[], datetime],
) -> Gateway:
    """Everything that a call needs.  Raises ConfigError and ValueError."""
    return Gateway(
        ledger=ledger,
        upstreams=upstreams(settings),
        policy=policy_of(settings),
        retries=retries_of(settings),
        now=now,
        outcome_of=outcome_of,
        recorder=recorder,
        keeps_content=settings.telemetry.langfuse.include_content
        and settings.telemetry.langfuse.enabled,
        breaker=Breakers(recorder.metrics.breaker_changed),
        memory=memory,
    )


def ledger_of(settings: Settings, database: Database, watcher: LedgerWatcher) -> SqlLedger:
    """The ledger as the settings have it, not yet started."""
    ledger = SqlLedger(
        database,
        lease_s=float(settings.ledger.lease_s),
        global_budget=global_budget(settings),
        watcher=watcher,
    )
    ledger.set_wait_for_holds(float(settings.budgets.wait_for_holds_s))
    return ledger


def create_app(
    settings: Settings,
    boot: Boot,
    *,
    now: Callable[[], datetime] = now_utc,
    config_refusal: str | None = None,
) -> ASGIApp:
    """The gateway as an ASGI application; `now` (UTC) decides which prices apply.

    `config_refusal` says why `settings` are not those of the file as it stands.
    Raises ConfigError and ValueError.
    """
    database = open_database(boot.database_url)
    recorder = recorders(settings, boot)
    ledger = ledger_of(settings, database, recorder.metrics)
    running = RunningGateway(
        gateway=gateway_of(settings, ledger, recorder, memory_of(boot.environ), now),
        settings=settings,
        store=store_over(database, ledger, recorder.metrics.refusals_lost),
        recorder=recorder,
        master_key=boot.master_key,
        metrics_token=boot.metrics_token,
        every=((b"x-tollkeeper-simulated", b"true"),) if boot.simulated_url else (),
        config_refusal=config_refusal,
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, object]]:
        await _open(ledger)
        _settle_memory()
        recorder.start()
        recorder.metrics.config_refused(refused=config_refusal is not None)
        _log.info("ready", extra={"pid": os.getpid()})
        try:
            async with _at_the_same_time(
                follow_config(running, boot, recorder),
                follow_lookups(running, Lookups(database), recorder.metrics),
                running.store.refusals.run(),
                follow_bills(recorder.waiting, Traces(database)),
            ):
                yield _for_the_protocol(running)
        finally:
            await _stop(running, recorder)
            _log.info("stopped", extra={"pid": os.getpid()})

    return build(running, lifespan, partial(Dashboard, running))


def _for_the_protocol(running: RunningGateway) -> dict[str, object]:
    """What the server's protocol is told of the gateway, by the lifespan's state."""
    return {
        BODY_TIMEOUT_S: lambda: float(running.settings.server.body_timeout_s),
        REFUSED_UNREAD: running.tell_refused,
    }


@asynccontextmanager
async def _at_the_same_time(*watches: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """What goes on for as long as the gateway does."""
    watchers = [asyncio.create_task(watch) for watch in watches]
    try:
        yield
    finally:
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)


async def _open(ledger: SqlLedger) -> None:
    """Why a ledger can't be opened stands in the log, in one line."""
    try:
        await ledger.start()
    except (SQLAlchemyError, OSError, TimeoutError, DatabaseInUse) as error:
        problem = str(getattr(error, "orig", None) or error) or type(error).__name__
        _log.critical("the ledger can't be opened", extra={"problem": problem})
        raise


async def _stop(running: RunningGateway, recorder: Recorders) -> None:
    """The ledger first: what is still written down by then can be told."""
    store = running.store
    await store.ledger.close()
    await running.gateway.memory.close()
    await store.refusals.close()
    await tell_the_rest(recorder.waiting, Traces(store.database))
    await asyncio.to_thread(recorder.close)
    for upstream in (*running.gateway.upstreams.values(), *running.retired):
        await upstream.close()
    await store.database.close()


def _settle_memory() -> None:
    """What start-up made stays: the collector need not look at it again with every request."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
