"""`tollkeeper doctor`: what a gateway needs, looked at once, each in a line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from sqlalchemy import Connection, text

from app.commands.database import is_sqlite, on_database, shown
from app.commands.diagnoses import (
    Asked,
    Finding,
    clock_finding,
    disk_finding,
    upstream_finding,
    written,
)
from app.commands.environment import database_url, told
from app.commands.failure import CommandFailed
from app.commands.output import say, show_json
from app.config.catalog import build_catalog, routing_rules
from app.config.destinations import traced
from app.config.prices import bundled_books
from app.config.problems import ConfigError
from app.config.sections import UpstreamSettings
from app.config.settings import Settings, read_settings, settings_file
from app.store.database.engine import Database, clock_us
from app.store.database.moments import US_PER_S
from app.store.database.url import parsed

ANSWER_S = 10.0
VERSION = "2023-06-01"


def doctor(config: Path | None, *, as_json: bool) -> None:
    """Look at everything.  Raises CommandFailed when something is wrong."""
    findings = list(_findings(config))
    bad = [finding for finding in findings if not finding.ok]
    if as_json:
        checks = [{"check": f.check, "ok": f.ok, "says": f.says} for f in findings]
        show_json({"healthy": not bad, "checks": checks})
    else:
        longest = max(len(finding.check) for finding in findings)
        for finding in findings:
            mark = "ok    " if finding.ok else "FAILED"
            say(f"{mark}  {finding.check.ljust(longest)}  {finding.says}")
    if bad:
        raise CommandFailed(f"not well: {', '.join(finding.check for finding in bad)}")


def _findings(config: Path | None) -> Iterator[Finding]:
    try:
        environ = told()
        settings = read_settings(settings_file(config, environ), environ)
        traced(settings, environ)
        routing_rules(settings)
        catalog = build_catalog(settings, bundled_books())
        url = database_url()
    except ConfigError as error:
        yield Finding("config", ok=False, says=" ".join(str(error).split()))
        return
    offered = f"{settings.document.file}: {len(catalog.models)} models offered"
    yield Finding("config", ok=True, says=offered)
    here, there = _database(url)
    yield here
    yield from _upstreams(settings, environ, there)
    yield _redis(environ.get("TOLLKEEPER_REDIS_URL"))
    yield _disk(url)


def _database(url: str) -> tuple[Finding, float | None]:
    """Whether a write is committed, and how far this machine's clock is ahead of its own."""

    async def write(database: Database) -> float:
        def touch(connection: Connection) -> int:
            connection.execute(text("UPDATE alembic_version SET version_num = version_num"))
            return clock_us(connection)

        return time.time() - await database.write(touch) / US_PER_S

    try:
        ahead_s = on_database(url, write)
    except CommandFailed as error:
        return Finding("database", ok=False, says=str(error)), None
    says = f"{shown(url)} can be written"
    return Finding("database", ok=True, says=says), ahead_s


def _upstreams(
    settings: Settings, environ: Mapping[str, str], database_ahead_s: float | None
) -> Iterator[Finding]:
    """Each upstream's key, and the clock by the moments that the upstreams say it is."""
    ahead_s = {} if database_ahead_s is None else {"the database": database_ahead_s}
    simulated = environ.get("TOLLKEEPER_SIMULATE") == "1"
    on = {name: each for name, each in settings.upstreams.items() if each.api_key is not None}
    for name in settings.upstreams:
        if name not in on:
            yield Finding(f"upstream {name}", ok=True, says="off: it has no api_key")
            continue
        asked = asyncio.run(_ask(on[name]))
        if asked.ahead_s is not None:
            ahead_s[name] = asked.ahead_s
        yield upstream_finding(name, asked)
    if not on and not simulated:
        says = "every upstream is off: set ANTHROPIC_API_KEY, or serve with --simulate"
        yield Finding("upstream key", ok=False, says=says)
    yield clock_finding(ahead_s)


async def _ask(upstream: UpstreamSettings) -> Asked:
    """A question that costs nothing and that only a good key is answered."""
    # Imported here: the client costs a quarter of a second.
    import httpx2  # noqa: PLC0415

    key = "" if upstream.api_key is None else upstream.api_key.get_secret_value()
    if upstream.kind == "anthropic":
        url = f"{upstream.base_url}/v1/models?limit=1"
        headers = {"x-api-key": key, "anthropic-version": VERSION}
    else:
        url, headers = f"{upstream.base_url}/key", {"authorization": f"Bearer {key}"}
    try:
        async with httpx2.AsyncClient(timeout=ANSWER_S) as http:
            answer = await http.get(url, headers=headers)
    except httpx2.HTTPError as error:
        reason = str(error) or type(error).__name__
        return Asked(upstream.base_url, problem=reason)
    return Asked(
        upstream.base_url,
        status=answer.status_code,
        date=answer.headers.get("date"),
        now_s=time.time(),
    )


def _redis(url: str | None) -> Finding:
    if not url:
        return Finding("redis", ok=True, says="not used: TOLLKEEPER_REDIS_URL is not set")
    # Imported here: few gateways have one.
    import redis  # noqa: PLC0415

    try:
        with redis.Redis.from_url(url, socket_timeout=ANSWER_S) as client:
            client.ping()
    except (redis.RedisError, ValueError, OSError) as error:
        reason = "it refuses the password" if _is_refusal(error) else type(error).__name__
        return Finding("redis", ok=False, says=f"it does not answer: {reason}")
    return Finding("redis", ok=True, says="it answers")


def _is_refusal(error: Exception) -> bool:
    return type(error).__name__ == "AuthenticationError"


def _disk(url: str) -> Finding:
    """Where the ledger's file is written, or where the gateway stands."""
    folder = Path(parsed(url).database or ".").parent if is_sqlite(url) else Path.cwd()
    while not folder.exists():
        folder = folder.parent
    return disk_finding(folder, written(folder))
