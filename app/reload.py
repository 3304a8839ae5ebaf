"""The config file taken up again while the gateway runs: on SIGHUP, and when it changes."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from app.config.changes import changes
from app.config.names import config_warnings
from app.config.prices import bundled_books
from app.config.problems import ConfigError, Problem
from app.config.settings import DEFAULT_FILE, Settings
from app.core.errors import LedgerUnavailable
from app.web.running import Recorder, RunningGateway
from app.wiring import Boot, global_budget, policy_of, retries_of, upstreams

ACTOR = "config file"
CONFIG_POLL_S = 1.0
CONFIG_SETTLES_S = 0.2
ONLY_AT_START = (
    *("server.shutdown_grace_s", "server.trusted_proxies", "ledger.lease_s"),
    "telemetry",
)

_log = logging.getLogger("tollkeeper")
Changes: TypeAlias = tuple[dict[str, Any], dict[str, Any]]
Stamp: TypeAlias = tuple[int, int, int] | None


def reload(running: RunningGateway, boot: Boot, recorder: Recorder) -> Changes | None:
    """Take up the file as it is now; one that can't be used changes nothing.

    What it changed, as it was and as it is; None where it was refused.
    """
    try:
        settings = _refuse_empty(boot.settings())
        policy = policy_of(settings)
    except (ConfigError, OSError) as error:
        running.config_refusal = str(error)
        recorder.reloaded(refused=True)
        _log.error("config refused, the old one stays in force", extra={"problem": str(error)})
        return None
    before = running.settings
    for name in needs_restart(before, settings):
        _log.warning("changes with a restart only", extra={"setting": name})
    if global_budget(before).limit_nano_usd and not global_budget(settings).limit_nano_usd:
        _log.warning("there is no budget over all keys any more")
    old = running.gateway.upstreams
    kept = upstreams(settings, before.upstreams, old)
    running.retired += [old[name] for name in old if kept.get(name) is not old[name]]
    running.gateway = replace(
        running.gateway, policy=policy, upstreams=kept, retries=retries_of(settings)
    )
    running.store.ledger.set_global_budget(global_budget(settings))
    running.store.ledger.set_wait_for_holds(float(settings.budgets.wait_for_holds_s))
    running.settings = settings
    running.config_refusal = None
    recorder.reloaded(refused=False)
    _log.info("config reloaded")
    for warning in config_warnings(settings, bundled_books(), running.gateway.now()):
        _log.warning(warning)
    return changes(before, settings)


def needs_restart(before: Settings, after: Settings) -> list[str]:
    """The key paths of changed settings that are only read at a start."""
    return [
        path
        for path in ONLY_AT_START
        if _setting(before, path.split(".")) != _setting(after, path.split("."))
    ]


def _setting(settings: Settings, path: Iterable[str]) -> object:
    found: object = settings
    for name in path:
        found = getattr(found, name)
    return found


def _refuse_empty(settings: Settings) -> Settings:
    """A file that says nothing means the defaults at a start, and is an accident later.

    It would drop the budget over all keys.
    """
    if settings.says_nothing:
        file = settings.document.file
        raise ConfigError(file, [Problem("", "a file that says nothing", "settings")])
    return settings


async def follow_config(running: RunningGateway, boot: Boot, recorder: Recorder) -> None:
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
            await _tell(running, boot, reload(running, boot, recorder))


async def _tell(running: RunningGateway, boot: Boot, changed: Changes | None) -> None:
    """An entry in the audit log: one, however many workers have taken up the file."""
    if changed is None or not changed[0]:
        return
    before, after = changed
    file = DEFAULT_FILE if boot.config_file is None else boot.config_file
    try:
        await running.store.audit.add_once(
            actor=ACTOR, action="config.reload", target=file.name, before=before, after=after
        )
    except LedgerUnavailable:
        _log.warning("the audit log can't be written", extra={"changed": sorted(after)})


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
