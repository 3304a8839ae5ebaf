"""Sums by the hour, by tag and by end user, with errors, certainty and latencies; and indexes.

They are added up anew from the ledger's rows. Where a day has more labels than have rows of their
own, those with the most calls get one.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "2026_11_30_2243"
down_revision = "2026_11_30_2242"
branch_labels = None
depends_on = None

MOST_STORED = 9 * 10**18
MOST_LABELS = {"user": 5_000, "tag": 1_000}
US_PER_HOUR = 3_600_000_000
US_PER_DAY = 24 * US_PER_HOUR
BOUNDS_MS = (
    *(12, 25, 50, 75, 100, 150, 225, 338, 506, 759, 1139, 1709, 2563, 3844, 5767, 8650, 12975),
    *(19462, 29193, 43789, 65684, 98526, 147789, 300000, 600000),
)
SUMS = (
    "cost_nano_usd",
    "cache_savings_nano_usd",
    "routing_savings_nano_usd",
    "input_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "cache_read_tokens",
    "output_tokens",
    "reasoning_tokens",
    "web_search_requests",
)
COSTS = (
    *("input_nano_usd", "cache_write_5m_nano_usd", "cache_write_1h_nano_usd"),
    *("cache_read_nano_usd", "output_nano_usd", "server_tools_nano_usd"),
)
COUNTED = {
    "requests": "1",
    "errors": "CASE WHEN error_code IS NULL THEN 0 ELSE 1 END",
    "retried": "CASE WHEN attempts > 1 THEN 1 ELSE 0 END",
    "estimated_nano_usd": (
        "CASE WHEN cost_source = 'estimated' AND state <> 'orphaned' THEN cost_nano_usd ELSE 0 END"
    ),
    "orphaned_nano_usd": "CASE WHEN state = 'orphaned' THEN cost_nano_usd ELSE 0 END",
    "billed_nano_usd": (
        "CASE WHEN cost_source = 'billed' AND state <> 'orphaned' THEN cost_nano_usd ELSE 0 END"
    ),
    **{name: name for name in (*SUMS, *COSTS)},
}
for _name in ("latency", "ttft"):
    for _place, (_from, _to) in enumerate(zip((None, *BOUNDS_MS), (*BOUNDS_MS, None), strict=True)):
        _within = [f"{_name}_ms >= {_from}"] if _from is not None else []
        _within += [f"{_name}_ms < {_to}"] if _to is not None else []
        COUNTED[f"{_name}_{_place}"] = f"CASE WHEN {' AND '.join(_within)} THEN 1 ELSE 0 END"

INDEXES = {
    "team": (("team_id", "created_us"), "team_id IS NOT NULL"),
    "user": (("end_user", "created_us"), "end_user IS NOT NULL"),
    "failed": (("status", "created_us"), "status <> 200"),
    "unsettled": (("state", "created_us"), "state IN ('released', 'orphaned')"),
    "unsure": (("cost_source", "created_us"), "cost_source <> 'computed'"),
    "dear": (("cost_nano_usd", "id", "created_us"), "cost_nano_usd > 0"),
}


def upgrade() -> None:
    op.drop_table("rollups")
    _make("rollups", "grain", "from_us", "key_id", "team_id", "model")
    op.create_index("ix_rollups_key_id", "rollups", ["key_id", "grain", "from_us"])
    _make("label_rollups", "kind", "grain", "from_us", "label", "process_id")
    op.create_table(
        "tagged",
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tag", "created_us", "request_id", name=op.f("pk_tagged")),
    )
    tagged = (
        f"SELECT DISTINCT each.value, requests.created_us, requests.id FROM requests, {_each_tag()}"  # noqa: S608
    )
    op.execute(f"INSERT INTO tagged (tag, created_us, request_id) {tagged}")
    _add_up_keys()
    _add_up_models()
    _choose_labels()
    _add_up_users()
    _add_up_tags()
    op.drop_table("own_labels")
    for name, (columns, where) in INDEXES.items():
        rows = sa.text(where)
        op.create_index(
            f"ix_requests_{name}",
            "requests",
            list(columns),
            sqlite_where=rows,
            postgresql_where=rows,
        )
    op.create_index("ix_requests_model", "requests", ["model", "created_us"])


def downgrade() -> None:
    for name in (*INDEXES, "model"):
        op.drop_index(f"ix_requests_{name}", table_name="requests")
    for table in ("tagged", "label_rollups", "rollups"):
        op.drop_table(table)
    key = [sa.Column(name, sa.Text(), nullable=False) for name in ("day", *_KEY)]
    op.create_table(
        "rollups",
        *key,
        *(_count(name) for name in ("requests", *SUMS)),
        *_in_range("rollups"),
        sa.PrimaryKeyConstraint("day", *_KEY, name=op.f("pk_rollups")),
    )
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    day = (
        "strftime('%Y-%m-%d', created_us / 1000000, 'unixepoch')"
        if is_sqlite
        else "to_char(to_timestamp(created_us / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD')"
    )
    op.execute(
        f"INSERT INTO rollups (day, {', '.join(_KEY)}, requests, {', '.join(SUMS)})"  # noqa: S608
        f" SELECT {day}, key_id, COALESCE(team_id, ''), model, COUNT(*),"
        f" {', '.join(f'SUM({name})' for name in SUMS)}"
        " FROM requests WHERE state <> 'reserved' GROUP BY 1, 2, 3, 4"
    )


_KEY = ("key_id", "team_id", "model")
_ALL = ", ".join(COUNTED)
_SUMMED = ", ".join(f"SUM({name})" for name in COUNTED)
_COUNTED = ", ".join(f"SUM({rule})" for rule in COUNTED.values())
_HOUR = f"created_us - created_us % {US_PER_HOUR}"
_DAY_OF = f"created_us - created_us % {US_PER_DAY}"
_TAGGED = "tagged JOIN requests ON requests.id = tagged.request_id"
_DAY = f"from_us - from_us % {US_PER_DAY}"


def _make(table: str, *key: str) -> None:
    columns = [
        sa.Column(name, sa.BigInteger() if name == "from_us" else sa.Text(), nullable=False)
        for name in key
    ]
    op.create_table(
        table,
        *columns,
        *(_count(name) for name in COUNTED),
        *_in_range(table),
        sa.PrimaryKeyConstraint(*key, name=op.f(f"pk_{table}")),
    )


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)


def _in_range(table: str) -> list[sa.CheckConstraint]:
    return [
        sa.CheckConstraint(
            f"{name} BETWEEN -{MOST_STORED} AND {MOST_STORED}", name=op.f(f"ck_{table}_{name}")
        )
        for name in SUMS
    ]


def _each_tag() -> str:
    if op.get_bind().dialect.name == "sqlite":
        return "json_each(requests.tags) AS each"
    return "json_array_elements_text(CAST(requests.tags AS JSON)) AS each(value)"


def _add_up_keys() -> None:
    whose = ", ".join(_KEY)
    op.execute(
        f"INSERT INTO rollups (grain, from_us, {whose}, {_ALL})"  # noqa: S608
        f" SELECT 'hour', {_HOUR}, key_id, COALESCE(team_id, ''), model, {_COUNTED}"
        " FROM requests WHERE state <> 'reserved' GROUP BY 2, 3, 4, 5"
    )
    op.execute(
        f"INSERT INTO rollups (grain, from_us, {whose}, {_ALL})"  # noqa: S608
        f" SELECT 'day', {_DAY}, {whose}, {_SUMMED} FROM rollups GROUP BY 2, 3, 4, 5"
    )


def _add_up_models() -> None:
    op.execute(
        f"INSERT INTO label_rollups (kind, grain, from_us, label, process_id, {_ALL})"  # noqa: S608
        f" SELECT 'model', 'hour', from_us, model, '', {_SUMMED}"
        " FROM rollups WHERE grain = 'hour' GROUP BY 3, 4"
    )


def _choose_labels() -> None:
    """Which labels of a day have rows of their own: a table, so that each is found at once."""
    op.create_table(
        "own_labels",
        sa.Column("kind", sa.Text(), primary_key=True),
        sa.Column("day_us", sa.BigInteger(), primary_key=True),
        sa.Column("label", sa.Text(), primary_key=True),
    )
    users = (
        f"SELECT 'user' AS kind, {_DAY_OF} AS day_us, end_user AS label, COUNT(*) AS calls"  # noqa: S608
        " FROM requests WHERE end_user IS NOT NULL AND state <> 'reserved' GROUP BY 2, 3"
    )
    day = f"tagged.created_us - tagged.created_us % {US_PER_DAY}"
    tags = (
        f"SELECT 'tag' AS kind, {day} AS day_us, tag AS label, COUNT(*) AS calls"  # noqa: S608
        f" FROM {_TAGGED} WHERE state <> 'reserved' GROUP BY 2, 3"
    )
    for kind, counted in (("user", users), ("tag", tags)):
        ranked = (
            "SELECT kind, day_us, label, ROW_NUMBER() OVER"  # noqa: S608
            " (PARTITION BY day_us ORDER BY calls DESC, label) AS place"
            f" FROM ({counted}) AS counted"
        )
        op.execute(
            "INSERT INTO own_labels (kind, day_us, label) SELECT kind, day_us, label"  # noqa: S608
            f" FROM ({ranked}) AS ranked WHERE place <= {MOST_LABELS[kind]}"
        )


def _add_up_users() -> None:
    op.execute(
        f"INSERT INTO label_rollups (kind, grain, from_us, label, process_id, {_ALL})"  # noqa: S608
        f" SELECT 'user', 'hour', {_HOUR}, CASE WHEN own.label IS NULL THEN 'others'"
        f" ELSE '=' || own.label END, '', {_COUNTED}"
        " FROM requests LEFT JOIN own_labels AS own ON own.kind = 'user'"
        f" AND own.day_us = {_DAY_OF} AND own.label = requests.end_user"
        " WHERE requests.end_user IS NOT NULL AND state <> 'reserved' GROUP BY 3, 4"
    )
    _add_up_days("user")


def _add_up_tags() -> None:
    day = f"tagged.created_us - tagged.created_us % {US_PER_DAY}"
    labelled = (
        "SELECT DISTINCT requests.id AS request_id,"  # noqa: S608
        " CASE WHEN own.label IS NULL THEN 'others' ELSE '=' || own.label END AS label"
        f" FROM {_TAGGED} LEFT JOIN own_labels AS own ON own.kind = 'tag'"
        f" AND own.day_us = {day} AND own.label = tagged.tag WHERE state <> 'reserved'"
    )
    into = f"INSERT INTO label_rollups (kind, grain, from_us, label, process_id, {_ALL})"
    op.execute(
        f"{into} SELECT 'tag', 'hour', {_HOUR}, labelled.label, '', {_COUNTED}"  # noqa: S608
        f" FROM ({labelled}) AS labelled JOIN requests ON requests.id = labelled.request_id"
        " GROUP BY 3, 4"
    )
    op.execute(
        f"{into} SELECT 'tag', 'hour', {_HOUR}, 'any', '', {_COUNTED}"  # noqa: S608
        " FROM requests WHERE state <> 'reserved' AND id IN (SELECT request_id FROM tagged)"
        " GROUP BY 3"
    )
    _add_up_days("tag")


def _add_up_days(kind: str) -> None:
    op.execute(
        f"INSERT INTO label_rollups (kind, grain, from_us, label, process_id, {_ALL})"  # noqa: S608
        f" SELECT kind, 'day', {_DAY}, label, process_id, {_SUMMED}"
        f" FROM label_rollups WHERE kind = '{kind}' GROUP BY 1, 3, 4, 5"
    )
