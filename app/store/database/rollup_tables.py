"""Sums over finished calls by the UTC hour and day of their hold, and which calls have a tag."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, Column, Index, Table, Text

from app.core.latencies import BUCKETS
from app.store.database.columns import (
    COST_COLUMNS,
    METADATA,
    SUM_COLUMNS,
)
from app.store.database.kinds import count, in_range

# How sure a cost is; what is in none of these is computed from the answer's own usage.
CERTAINTY_COLUMNS: Final = ("estimated_nano_usd", "orphaned_nano_usd", "billed_nano_usd")
LATENCY_COLUMNS: Final = tuple(f"latency_{place}" for place in range(BUCKETS))
TTFT_COLUMNS: Final = tuple(f"ttft_{place}" for place in range(BUCKETS))
ROLLUP_SUMS: Final = (
    *("requests", "errors", "retried"),
    *CERTAINTY_COLUMNS,
    *SUM_COLUMNS,
    *COST_COLUMNS,
    *LATENCY_COLUMNS,
    *TTFT_COLUMNS,
)
ROLLUP_KEY: Final = ("grain", "from_us", "key_id", "team_id", "model")
LABEL_KEY: Final = ("kind", "grain", "from_us", "label", "process_id")

HOUR: Final = "hour"
DAY: Final = "day"

MODEL: Final = "model"
USER: Final = "user"
TAG: Final = "tag"
OWN: Final = "="  # what a label of its own begins with
OTHERS: Final = "others"  # each call once that has a label beyond those that a day may have
ANY: Final = "any"  # each call once that has a tag


def _key(names: tuple[str, ...]) -> list[Column[Any]]:
    kinds: dict[str, Any] = {"from_us": BigInteger}
    return [Column(name, kinds.get(name, Text), primary_key=True) for name in names]


def _sums(table: str) -> list[Any]:
    return [*(count(name) for name in ROLLUP_SUMS), *in_range(table, *SUM_COLUMNS)]


# By key; `team_id` is '' for none. `grain` is `hour` or `day`, `from_us` where that begins.
rollups = Table(
    "rollups",
    METADATA,
    *_key(ROLLUP_KEY),
    *_sums("rollups"),
    Index("ix_rollups_key_id", "key_id", "grain", "from_us"),
)

# Over all keys, by `kind`: `model` (by hour alone), `user` and `tag`. Each process adds to rows of
# its own: a row that all of them lock would make them wait for each other.
label_rollups = Table(
    "label_rollups",
    METADATA,
    *_key(LABEL_KEY),
    *_sums("label_rollups"),
)

# The calls of each tag, each tag of a call once.
tagged = Table(
    "tagged",
    METADATA,
    Column("tag", Text, primary_key=True),
    Column("created_us", BigInteger, primary_key=True),
    Column("request_id", Text, primary_key=True),
)
