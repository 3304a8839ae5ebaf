"""What one ledger transaction writes: on PostgreSQL one statement, on SQLite one per table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import BigInteger, Connection, Table, Text, bindparam, insert, text, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Dialect

from app.store.database.prepared import Prepared, Values
from app.store.database.rollup_tables import (
    LABEL_KEY,
    ROLLUP_KEY,
    ROLLUP_SUMS,
    label_rollups,
    rollups,
    tagged,
)
from app.store.database.tables import COST_COLUMNS, SUM_COLUMNS, requests, windows

HELD_COLUMNS = (
    *("id", "key_id", "team_id", "process_id", "state", "created_us", "dialect"),
    *("requested_model", "model", "route_reason", "routing", "cache_plan", "upstream", "stream"),
    *("end_user", "tags", "idempotency_key", "key_period", "key_model_period", "team_period"),
    *("global_period", "conversation", "conversation_period", "reserved_nano_usd"),
    *("stake_input_nano_usd", "stake_output_pico_usd", "stake_max_tokens"),
)
CLOSED_COLUMNS = (
    *("state", "upstream", "upstream_request_id", "upstream_message_id", "attempts"),
    *("attempt_details", "cost_source", "rates", "status", "error_code", "latency_ms", "ttft_ms"),
    *("model", "held_model", "other_nano_usd", "generation_id", "lookup_due_us"),
    *("waiting_trace", "prefix", "cache_miss_reason", "cache_miss_nano_usd"),
    "cache_miss_tokens",
    *(*SUM_COLUMNS, *COST_COLUMNS),
)
CLOSED_ROW = (*CLOSED_COLUMNS, "id", "was", "windows_moved")
MOVED_ROW = ("spent", "held", "id")
EXTENDED_ROW = ("more", "id")
ROLLUP_COLUMNS = (*ROLLUP_KEY, *ROLLUP_SUMS)
LABEL_COLUMNS = (*LABEL_KEY, *ROLLUP_SUMS)
TAGGED_ROW = ("tag", "created_us", "request_id")


@dataclass(slots=True)
class Changes:
    """Rows of values.

    `moved` windows as MOVED_ROW, with what to add to each sum; `held` requests as HELD_COLUMNS,
    `extended` ones as EXTENDED_ROW; `closed` ones as CLOSED_ROW, with the state that each was in
    and how often it was moved; `rolled_up` as ROLLUP_COLUMNS, `labelled` as LABEL_COLUMNS,
    `tagged` as TAGGED_ROW.
    """

    moved: Sequence[Values] = ()
    held: Sequence[Values] = ()
    extended: Sequence[Values] = ()
    closed: Sequence[Values] = ()
    rolled_up: Sequence[Values] = ()
    labelled: Sequence[Values] = ()
    tagged: Sequence[Values] = ()


class SqliteWrites:
    """Each kind of change in one executemany."""

    def __init__(self, dialect: Dialect) -> None:
        self._moved = Prepared(_moved(), dialect, given=MOVED_ROW)
        self._held = Prepared(insert(requests), dialect, HELD_COLUMNS)
        self._extended = Prepared(_extended(), dialect, given=EXTENDED_ROW)
        self._closed = Prepared(_closed(), dialect, given=CLOSED_ROW)
        self._rolled_up = Prepared(_added_to(rollups, ROLLUP_KEY), dialect, ROLLUP_COLUMNS)
        self._labelled = Prepared(_added_to(label_rollups, LABEL_KEY), dialect, LABEL_COLUMNS)
        self._tagged = Prepared(insert(tagged), dialect, TAGGED_ROW)

    def write(self, connection: Connection, changes: Changes) -> int:
        """How many requests were extended and closed.

        Fewer than asked when one was not as it was thought to be: another process changed it.
        """
        self._moved.many(connection, changes.moved)
        self._held.many(connection, changes.held)
        extended = self._extended.many(connection, changes.extended)
        closed = self._closed.many(connection, changes.closed)
        self._rolled_up.many(connection, changes.rolled_up)
        self._labelled.many(connection, changes.labelled)
        self._tagged.many(connection, changes.tagged)
        return extended + closed


class PostgresWrites:
    """Everything in one statement and one round trip, the rows as JSON."""

    def __init__(self, dialect: Dialect) -> None:
        held, tags = ", ".join(HELD_COLUMNS), ", ".join(TAGGED_ROW)
        # The column names are this module's own.
        self._text = f"""
WITH moved AS (
  UPDATE windows SET spent_nano_usd = spent_nano_usd + m.spent,
                     held_nano_usd = held_nano_usd + m.held
    FROM json_to_recordset($1) AS m(id text, spent bigint, held bigint)
   WHERE windows.id = m.id
), held AS (
  INSERT INTO requests ({held})
  SELECT {held} FROM json_to_recordset($2) AS m({_typed(requests, HELD_COLUMNS, dialect)})
), extended AS (
  UPDATE requests SET reserved_nano_usd = reserved_nano_usd + m.more
    FROM json_to_recordset($3) AS m(id text, more bigint)
   WHERE requests.id = m.id AND requests.state = 'reserved' AND requests.windows_moved = 0
  RETURNING 1
), closed AS (
  UPDATE requests SET {", ".join(f"{name} = m.{name}" for name in CLOSED_COLUMNS)}
    FROM json_to_recordset($4)
      AS m(id text, was text, windows_moved bigint, {_typed(requests, CLOSED_COLUMNS, dialect)})
   WHERE requests.id = m.id AND requests.state = m.was
     AND requests.windows_moved = m.windows_moved
  RETURNING 1
), rolled_up AS (
{_adding(rollups, ROLLUP_KEY, "$5", dialect)}
), labelled AS (
{_adding(label_rollups, LABEL_KEY, "$6", dialect)}
), tagged_too AS (
  INSERT INTO tagged ({tags})
  SELECT {tags} FROM json_to_recordset($7) AS m({_typed(tagged, TAGGED_ROW, dialect)})
)
SELECT (SELECT count(*) FROM extended) + (SELECT count(*) FROM closed)
"""  # noqa: S608

    def write(self, connection: Connection, changes: Changes) -> int:
        """See `SqliteWrites.write`."""
        kinds = (
            _objects(MOVED_ROW, changes.moved),
            _objects(HELD_COLUMNS, changes.held),
            _objects(EXTENDED_ROW, changes.extended),
            _objects(CLOSED_ROW, changes.closed),
            _sparse(ROLLUP_COLUMNS, changes.rolled_up),
            _sparse(LABEL_COLUMNS, changes.labelled),
            _objects(TAGGED_ROW, changes.tagged),
        )
        if not any(kinds):
            return 0
        as_json = tuple(orjson.dumps(rows).decode() for rows in kinds)
        return int(connection.exec_driver_sql(self._text, as_json).scalar_one())


def writes_for(dialect: Dialect) -> SqliteWrites | PostgresWrites:
    return SqliteWrites(dialect) if dialect.name == "sqlite" else PostgresWrites(dialect)


def _objects(names: tuple[str, ...], rows: Sequence[Values]) -> list[dict[str, Any]]:
    return [dict(zip(names, row, strict=True)) for row in rows]


def _sparse(names: tuple[str, ...], rows: Sequence[Values]) -> list[dict[str, Any]]:
    """Without the zeros, which are most of a roll-up's row."""
    return [
        {name: value for name, value in zip(names, row, strict=True) if value != 0} for row in rows
    ]


def _added_to(table: Table, key: tuple[str, ...]) -> Any:  # noqa: ANN401
    row = sqlite.insert(table)
    return row.on_conflict_do_update(
        index_elements=list(key),
        set_={name: table.c[name] + row.excluded[name] for name in ROLLUP_SUMS},
    )


def _adding(table: Table, key: tuple[str, ...], rows: str, dialect: Dialect) -> str:
    names = (*key, *ROLLUP_SUMS)
    given = (*key, *(f"COALESCE({name}, 0)" for name in ROLLUP_SUMS))
    moved = (f"{name} = {table.name}.{name} + excluded.{name}" for name in ROLLUP_SUMS)
    typed = _typed(table, names, dialect)
    return (  # the names are this module's own
        f"  INSERT INTO {table.name} ({', '.join(names)})\n"  # noqa: S608
        f"  SELECT {', '.join(given)} FROM json_to_recordset({rows}) AS m({typed})\n"
        f"  ON CONFLICT ({', '.join(key)}) DO UPDATE SET {', '.join(moved)}"
    )


def _typed(table: Table, names: tuple[str, ...], dialect: Dialect) -> str:
    return ", ".join(f"{name} {table.c[name].type.compile(dialect)}" for name in names)


def _added(name: str) -> Any:  # noqa: ANN401  # each statement has its own long type
    return bindparam(name, type_=BigInteger)


def _moved() -> Any:  # noqa: ANN401
    return (
        update(windows)
        .where(windows.c.id == bindparam("new_id", type_=Text))
        .values(
            spent_nano_usd=windows.c.spent_nano_usd + _added("spent"),
            held_nano_usd=windows.c.held_nano_usd + _added("held"),
        )
    )


def _extended() -> Any:  # noqa: ANN401
    by_id = requests.c.id == bindparam("new_id", type_=Text)
    more = requests.c.reserved_nano_usd + _added("more")
    is_open = requests.c.state == text("'reserved'")
    is_unmoved = requests.c.windows_moved == text("0")
    return update(requests).where(by_id, is_open, is_unmoved).values(reserved_nano_usd=more)


def _closed() -> Any:  # noqa: ANN401
    columns = [requests.c[name] for name in CLOSED_COLUMNS]
    return (
        update(requests)
        .where(
            requests.c.id == bindparam("new_id", type_=Text),
            requests.c.state == bindparam("was", type_=Text),
            requests.c.windows_moved == bindparam("new_windows_moved", type_=BigInteger),
        )
        .ordered_values(*((c, bindparam(f"new_{c.name}", type_=c.type)) for c in columns))
    )
