"""The composition root: settings and secrets in, a running gateway out."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TypeAlias

from fastapi import FastAPI
from pydantic import SecretStr
from starlette.types import ASGIApp

from app.api.app import build
from app.calls.attempts import Retries, RetryOptions
from app.config.catalog import build_catalog, cache_rules, routing_rules
from app.config.prices import bundled_books
from app.config.problems import ConfigError, Problem
from app.config.sections import UpstreamSettings
from app.config.settings import Settings, read_settings, settings_file
from app.core.preparation import Policy
from app.pipeline import Gateway
from app.ports import Upstream
from app.store.database.engine import open_database
from app.store.ledger.ledger import SqlLedger
from app.store.ledger.windows import GlobalBudget
from app.store.store import store_over
from app.telemetry.logs import start_logging
from app.telemetry.metrics import Metrics
from app.upstream.factory import open_upstream
from app.upstream.options import UpstreamOptions
from app.web.errors import outcome_of
from app.web.running import RunningGateway

DEFAULT_DATABASE_URL = "sqlite:///data/tollkeeper.db"
CONFIG_POLL_S = 1.0
CONFIG_SETTLES_S = 0.2
GC_THRESHOLD = 10_000
SIMULATED_KEY = "simulated"
SPOKEN = ("anthropic",)
SIMULATOR_VARIABLE = "TOLLKEEPER_SIMULATED_UPSTREAM"

_log = logging.getLogger("tollkeeper")
Stamp: TypeAlias = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class Boot:
    """What a process is started with; `simulated_url` puts every Anthropic call there."""

    config_file: Path | None
    environ: Mapping[str, str] = field(repr=False)
    database_url: str = field(repr=False)
    master_key: str = field(repr=False)
    metrics_token: str | None = field(default=None, repr=False)
    simulated_url: str | None = None

    def settings(self) -> Settings:
        """The config file as it stands now.  Raises ConfigError."""
        if self.simulated_url is None:
            return spoken(read_settings(self.config_file, self.environ))
        environ = {**self.environ, "ANTHROPIC_API_KEY": SIMULATED_KEY}
        return simulated(spoken(read_settings(self.config_file, environ)), self.simulated_url)


def boot_from(environ: Mapping[str, str]) -> Boot:
    """The boot values of a process that was told everything by its environment."""
    return Boot(
        config_file=settings_file(None, environ),
        environ=environ,
        database_url=environ.get("TOLLKEEPER_DATABASE_URL") or DEFAULT_DATABASE_URL,
        master_key=environ["TOLLKEEPER_MASTER_KEY"],
        metrics_token=environ.get("TOLLKEEPER_METRICS_TOKEN") or None,
        simulated_url=environ.get(SIMULATOR_VARIABLE) or None,
    )


def app_from_environment() -> ASGIApp:
    """What each of several worker processes serves."""
    start_logging()
    boot = boot_from(os.environ)
    return create_app(boot.settings(), boot)


def today_utc() -> date:
    """The day whose prices apply now."""
    return datetime.now(UTC).date()


def create_app(settings: Settings, boot: Boot, *, today: Callable[[], date] = today_utc) -> ASGIApp:
    """The gateway as an ASGI application; `today` is the day (UTC) whose prices apply.

    Raises ConfigError and ValueError.
    """
    database = open_database(boot.database_url)
    recorder = Metrics()
    ledger = SqlLedger(
        database,
        lease_s=float(settings.ledger.lease_s),
        global_budget=global_budget(settings),
        outcome_of=outcome_of,
        recorder=recorder,
    )
    running = RunningGateway(
        gateway=Gateway(
            ledger, upstreams(settings), policy_of(settings), today, retries_of(settings)
        ),
        settings=settings,
        store=store_over(database, ledger),
        recorder=recorder,
        master_key=boot.master_key,
        metrics_token=boot.metrics_token,
        every=((b"x-tollkeeper-simulated", b"true"),) if boot.simulated_url else (),
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await ledger.start()
        _settle_memory()
        watcher = asyncio.create_task(_follow_config(running, boot, recorder))
        try:
            yield
        finally:
            watcher.cancel()
            await ledger.close()
            for upstream in running.gateway.upstreams.values():
                await upstream.close()
            await database.close()

    return build(running, lifespan)


def _settle_memory() -> None:
    """What start-up made stays: the collector need not look at it again with every request."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)


def policy_of(settings: Settings) -> Policy:
    """What a reload may change.  Raises ConfigError."""
    budgets = settings.budgets
    return Policy(
        catalog=build_catalog(settings, bundled_books()),
        rules=routing_rules(settings),
        cache=cache_rules(settings),
        default_max_tokens=budgets.default_max_tokens,
        min_output_tokens=budgets.min_output_tokens,
        shrink=budgets.shrink_max_tokens,
        globally_limited=budgets.everyone.max_budget_nano_usd is not None,
    )


def global_budget(settings: Settings) -> GlobalBudget:
    """The limit over all keys together."""
    everyone = settings.budgets.everyone
    return GlobalBudget(everyone.max_budget_nano_usd, everyone.window)


def retries_of(settings: Settings) -> Retries:
    """How calls are tried again."""
    return Retries(
        RetryOptions(
            max_attempts=settings.retries.max_attempts,
            max_elapsed_s=float(settings.retries.max_elapsed_s),
            max_retry_after_s=float(settings.retries.max_retry_after_s),
        )
    )


def upstreams(settings: Settings) -> dict[str, Upstream]:
    """Every upstream that is on, by name."""
    return {
        name: open_upstream(_options(written, written.api_key))
        for name, written in settings.upstreams.items()
        if written.api_key is not None
    }


def _options(written: UpstreamSettings, api_key: SecretStr) -> UpstreamOptions:
    return UpstreamOptions(
        kind=written.kind,
        api_key=api_key.get_secret_value(),
        base_url=written.base_url,
        transport=written.transport,
        connect_timeout_s=float(written.connect_timeout_s),
        first_byte_timeout_s=float(written.first_byte_timeout_s),
        idle_timeout_s=float(written.idle_timeout_s),
        total_timeout_s=float(written.total_timeout_s),
        stream_timeout_s=float(written.stream_timeout_s),
    )


def spoken(settings: Settings) -> Settings:
    """The settings with every upstream off that this version can't call."""
    kept = {}
    for name, written in settings.upstreams.items():
        off = written.api_key is not None and written.kind not in SPOKEN
        if off:
            _log.warning("upstream %s stays off: this version calls Anthropic alone", name)
        kept[name] = written.model_copy(update={"api_key": None}) if off else written
    return settings.model_copy(update={"upstreams": kept})


def simulated(settings: Settings, url: str) -> Settings:
    """The settings with every Anthropic upstream replaced by the simulated one."""
    changed = {
        name: written.model_copy(update={"base_url": url, "api_key": SecretStr(SIMULATED_KEY)})
        if written.kind == "anthropic"
        else written
        for name, written in settings.upstreams.items()
    }
    return settings.model_copy(update={"upstreams": changed})


def reload(running: RunningGateway, boot: Boot, recorder: Metrics) -> None:
    """Take prices, routing and limits from the file as it is now; a bad one changes nothing."""
    try:
        _refuse_empty(boot.config_file)
        settings = with_open_upstreams(boot.settings(), running.gateway.upstreams)
        policy = policy_of(settings)
    except (ConfigError, OSError) as error:
        running.config_refusal = str(error)
        recorder.config_refused(refused=True)
        _log.error("config refused, the old one stays in force", extra={"problem": str(error)})
        return
    if (
        settings.upstreams != running.settings.upstreams
        or settings.server != running.settings.server
    ):
        _log.warning("upstreams and server settings change with a restart only")
    running.gateway = replace(running.gateway, policy=policy)
    running.store.ledger.set_global_budget(global_budget(settings))
    running.settings = settings
    running.config_refusal = None
    recorder.config_refused(refused=False)
    _log.info("config reloaded")


def _refuse_empty(file: Path | None) -> None:
    """At a start an empty file means the defaults; under a running gateway it is an accident."""
    if file is not None and not file.read_bytes().strip():
        raise ConfigError(str(file), [Problem("", "an empty file", "settings")])


def with_open_upstreams(settings: Settings, opened: Mapping[str, Upstream]) -> Settings:
    """The settings with every upstream off that was not opened at the start."""
    kept = {
        name: written if name in opened else written.model_copy(update={"api_key": None})
        for name, written in settings.upstreams.items()
    }
    return settings.model_copy(update={"upstreams": kept})


async def _follow_config(running: RunningGateway, boot: Boot, recorder: Metrics) -> None:
    """Reload on SIGHUP and whenever the file changes."""
    asked = asyncio.Event()
    with suppress(NotImplementedError, AttributeError, RuntimeError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, asked.set)
    seen = _stamp(boot.config_file)
    while True:
        with suppress(TimeoutError):
            await asyncio.wait_for(asked.wait(), CONFIG_POLL_S)
        now = await _settled_stamp(boot.config_file, seen)
        if asked.is_set() or now != seen:
            asked.clear()
            seen = now
            reload(running, boot, recorder)


async def _settled_stamp(file: Path | None, seen: Stamp) -> Stamp:
    """The file's stamp; one that is just being written is waited for."""
    now = _stamp(file)
    while now != seen:
        await asyncio.sleep(CONFIG_SETTLES_S)
        seen, now = now, _stamp(file)
    return now


def _stamp(file: Path | None) -> Stamp:
    if file is None:
        return None
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
