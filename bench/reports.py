"""Reads of reports and lists over a large ledger: server time of each, in milliseconds.

    python bench/reports.py [--url sqlite:///… | postgresql://…] [--rows 5000000] [--days 90]
                            [--keep] [--rounds 5]

The ledger is made by the database itself in the schema from before the hourly roll-ups, and then
carried over by the migrations, so that its sums are those that the gateway keeps. Without --url it
is a SQLite file in a temporary folder, with --keep one that is there already is measured again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from app.core.zones import zone_named
from app.store.database.engine import Database, open_database
from app.store.database.migrate import migrate, migrations_folder
from app.store.records.requests import Requests
from app.store.reports.query import SpendQuery
from app.store.reports.reports import Reports

BEFORE = "2026_11_30_2242"
KEYS, TEAMS, USERS, TAGS, PREFIXES = 200, 8, 2_000, 42, 60
US_PER_DAY = 86_400_000_000
AT_ONCE = 20_000
NUMBERS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n"
    " WHERE i + 1 < {after})",
    "postgresql": "WITH n(i) AS (SELECT generate_series({first}, {after} - 1)::bigint)",
}
# Each column by the row's number: figures that look random and are the same in every run.
COLUMNS = {
    "id": "'req_' || ({start} + i * {apart})",
    "key_id": f"'key_' || (i * 7919 % 104729 % {KEYS})",
    "team_id": f"'team_' || (i * 7919 % 104729 % {KEYS} % {TEAMS})",
    "process_id": "'proc_1'",
    "state": "CASE WHEN i % 5003 = 0 THEN 'orphaned' WHEN i % 101 = 0 THEN 'released'"
    " ELSE 'settled' END",
    "created_us": "{start} + i * {apart}",
    "dialect": "'openai_chat'",
    "requested_model": "'auto'",
    "model": "CASE WHEN i % 10 < 6 THEN 'claude-haiku-4-5-20251001'"
    " WHEN i % 10 < 9 THEN 'claude-sonnet-4-6' ELSE 'claude-opus-5-5' END",
    "route_reason": "CASE WHEN i % 4 = 0 THEN 'default' ELSE 'classified' END",
    "routing": """'{{"tier":"haiku","score":0.2,"reason":"default","threshold":0.5,"features":"""
    """{{"chars":[812,0.1],"messages":[3,0.05],"tools":[0,0],"lists":[1,0.05]}}}}'""",
    "cache_plan": """'{{"placed":' || CASE WHEN i % 3 = 0 THEN '[]' ELSE '["system"]' END"""
    """ || ',"lifetimes":["5m"],"callers":' || i % 8 / 7 || ',"ttl":"5m","why":"auto"}}'""",
    "upstream": "'anthropic'",
    "stream": "{true}",
    "end_user": f"'user_' || (i * 6151 % 98317 % {USERS})",
    "tags": f"""CASE WHEN i % 3 = 0 THEN NULL ELSE '["tag_' || (i * 31 % 1009 % {TAGS})"""
    """ || '","env=' || CASE WHEN i % 4 = 0 THEN 'test' ELSE 'prod' END || '"]' END""",
    "conversation": "CASE WHEN i % 5 > 0 THEN 'conversation_' || (i / 60 * 5 + i % 5) END",
    "reserved_nano_usd": "5000000",
    "upstream_message_id": "'msg_' || i",
    "attempts": "CASE WHEN i % 50 = 0 THEN 2 ELSE 1 END",
    "attempt_details": """'[{{"upstream":"anthropic","model":"claude-haiku-4-5-20251001","""
    """"status":200,"error":null,"message":null,"latency_ms":' || (200 + i * 101 % 9001)"""
    """ || ',"request_id":"' || i || '","charged":false,"cost_usd":"0.01","basis":"usage"}}]'""",
    "input_tokens": "i * 17 % 4001",
    "output_tokens": "i * 13 % 907",
    "cache_read_tokens": "CASE WHEN i % 3 > 0 THEN i * 19 % 20011 ELSE 0 END",
    "cache_write_5m_tokens": "CASE WHEN i % 12 = 1 THEN i * 23 % 20011 ELSE 0 END",
    "cache_savings_nano_usd": "CASE WHEN i % 12 = 1 THEN -250 * (i * 23 % 20011)"
    " WHEN i % 3 > 0 THEN 900 * (i * 19 % 20011) ELSE 0 END",
    "routing_savings_nano_usd": "CASE WHEN i % 4 > 0 THEN 4000 * (i * 17 % 4001) ELSE 0 END",
    "prefix": "CASE WHEN i % 7 = 0 THEN NULL WHEN i % 29 = 0 THEN 'once_' || i"
    f" ELSE 'prefix_' || (i * 271 % 997 % {PREFIXES}) END",
    "cache_miss_reason": "CASE WHEN i % 40 = 1 THEN 'expired' WHEN i % 40 = 2"
    " THEN 'system_changed' END",
    "cache_miss_nano_usd": "CASE WHEN i % 40 IN (1, 2) THEN 900 * (i * 19 % 20011) END",
    "rates": """'{{"model":"claude-haiku-4-5-20251001","usd_per_token":{{"input":"0.000001","""
    """"output":"0.000005","cache_read":"0.0000001"}},"source":"book","day":"2026-10-01"}}'""",
    "cost_nano_usd": "CASE WHEN i % 101 = 0 THEN 0 ELSE 1000 * (i * 7907 % 1000003) END",
    "output_nano_usd": "CASE WHEN i % 101 = 0 THEN 0 ELSE 1000 * (i * 7907 % 1000003) END",
    "cost_source": "CASE WHEN i % 101 = 0 THEN NULL WHEN i % 997 = 0 OR i % 5003 = 0"
    " THEN 'estimated' ELSE 'computed' END",
    "status": "CASE WHEN i % 101 = 0 THEN 529 WHEN i % 997 = 0 THEN 504 ELSE 200 END",
    "error_code": "CASE WHEN i % 101 = 0 THEN 'upstream_overloaded' END",
    "latency_ms": "200 + i * 101 % 9001",
    "ttft_ms": "100 + i * 103 % 1501",
}


async def seed(database: Database, rows: int, days: int) -> None:
    """Rows over the last `days`, in the schema from before the hourly roll-ups."""
    await database.write(_to_the_schema_before)
    kind = database.dialect.name
    end_us = int(time.time()) * 1_000_000
    span_us = days * US_PER_DAY
    given = {"start": end_us - span_us, "apart": span_us // rows, "true": "true"}
    if kind == "sqlite":
        given["true"] = "1"
    values = ", ".join(rule.format(**given) for rule in COLUMNS.values())
    await database.write(_with_names)
    for first in range(0, rows, AT_ONCE):
        numbers = NUMBERS[kind].format(first=first, after=min(first + AT_ONCE, rows))
        names = ", ".join(COLUMNS)
        chosen = f"SELECT {values} FROM n"  # noqa: S608  # this file's own words
        statement = (
            f"INSERT INTO requests ({names}) {numbers} {chosen}"
            if kind == "sqlite"
            else f"{numbers} INSERT INTO requests ({names}) {chosen}"
        )
        await database.write(lambda c, sql=statement: c.exec_driver_sql(sql))  # type: ignore[misc]


def _to_the_schema_before(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    config.attributes["connection"] = connection
    command.upgrade(config, BEFORE)


def _with_names(connection: Connection) -> None:
    for n in range(TEAMS):
        connection.execute(
            text(
                "INSERT INTO teams (id, name, created_us, budget_window)"  # noqa: S608
                f" VALUES ('team_{n}', 'team {n}', {n}, 'month')"
            )
        )
    for n in range(KEYS):
        connection.execute(
            text(
                "INSERT INTO keys (id, name, prefix, created_us, budget_window)"  # noqa: S608
                f" VALUES ('key_{n}', 'key {n}', 'tk-{n}', {n}, 'month')"
            )
        )


def reads(reports: Reports, requests: Requests) -> dict[str, Callable[[], Awaitable[Any]]]:
    """What pages ask for."""
    today = datetime.now(UTC).date()
    month = (today - timedelta(days=30)).isoformat()
    since = {"from_": month}

    def spend(*groups: str, **more: Any) -> Callable[[], Awaitable[Any]]:  # noqa: ANN401
        return lambda: reports.spend(SpendQuery(groups, **more))

    def calls(sort: str = "created", **filters: str) -> Callable[[], Awaitable[Any]]:
        return lambda: requests.listed(filters, sort=sort)

    berlin, kathmandu = zone_named("Europe/Berlin"), zone_named("Asia/Kathmandu")
    return {
        "overview: days by model": spend("day", "model", latencies=False, **since),
        "overview: days by model, Berlin": spend(
            "day", "model", latencies=False, zone=berlin, **since
        ),
        "overview: keys by day": spend("key", "day", latencies=False, **since),
        "overview: teams": spend("team", latencies=False, **since),
        "spend: keys": spend("key", limit=100, sort="-cost_usd", **since),
        "spend: keys, all time": spend("key", limit=100, sort="-cost_usd"),
        "spend: days by key": spend("day", "key", limit=100, **since),
        "spend: days, Kathmandu": spend("day", zone=kathmandu, **since),
        "spend: keys, Kathmandu": spend("key", zone=kathmandu, limit=100, **since),
        "spend: days by key, Berlin": spend("day", "key", zone=berlin, limit=100, **since),
        "spend: users": spend("user", limit=100, sort="-cost_usd", **since),
        "spend: tags": spend("tag", limit=100, sort="-cost_usd", **since),
        "spend: days of a key": spend("day", filters={"key_id": "key_7"}, **since),
        "spend: days of a tag": spend("day", filters={"tag": "tag_7"}, **since),
        "spend: keys of a user": spend("key", filters={"user": "user_7"}, **since),
        "calls": calls(),
        "calls, dearest": calls("cost"),
        "calls, dearest of a day": calls("cost", **{"from": today.isoformat()}),
        "calls, dearest of 30 days": calls("cost", **{"from": month}),
        **{
            f"calls, {name}={value}{', dearest' if sort == 'cost' else ''}": calls(
                sort, **{name: value}
            )
            for name, values in {
                "status": ("529", "418", "200"),
                "state": ("orphaned", "released", "reserved"),
                "key_id": ("key_7", "none"),
                "team": ("team_3", "none"),
                "model": ("claude-opus-5-5", "none"),
                "user": ("user_7", "none"),
                "tag": ("tag_7", "env=prod", "none"),
                "conversation": ("0123456789abcdef",),
                "cost_source": ("estimated", "billed", "computed"),
                "min_cost_usd": ("0.99", "5"),
            }.items()
            for value in values
            for sort in ("created", "cost")
        },
    }


async def measured(url: str, rounds: int) -> dict[str, float]:
    database = open_database(url)
    found = {}
    try:
        for name, read in reads(Reports(database), Requests(database)).items():
            taken = []
            for _ in range(rounds):
                began_s = time.perf_counter()
                try:
                    await read()
                except Exception as error:  # noqa: BLE001  # told, and the rest is measured
                    print(f"  {name}: {type(error).__name__}: {error}")
                    break
                taken.append((time.perf_counter() - began_s) * 1_000)
            found[name] = statistics.median(taken) if taken else -1.0
            print(f"{found[name]:10.1f} ms  {name}", flush=True)
    finally:
        await database.close()
    return found


async def make(url: str, rows: int, days: int) -> None:
    database = open_database(url, patient=True)
    began_s = time.monotonic()
    try:
        await seed(database, rows, days)
        print(f"{rows:,} rows were made in {time.monotonic() - began_s:.0f} s", flush=True)
    finally:
        await database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url")
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = given.url or f"sqlite:///{folder}/ledger.db"
        if not given.keep:
            asyncio.run(make(url, given.rows, given.days))
            began_s = time.monotonic()
            migrate(url)
            print(f"the migrations took {time.monotonic() - began_s:.0f} s", flush=True)
        found = asyncio.run(measured(url, given.rounds))
    if given.json:
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
