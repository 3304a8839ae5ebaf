"""Every table.  Money is nano-USD (`*_nano_usd`), a moment is whole microseconds UTC (`*_us`)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Index,
    Integer,
    Table,
    Text,
    literal_column,
    text,
)

from app.store.database.columns import (
    COST_CATEGORIES,
    COST_COLUMNS,
    METADATA,
    MOST_STORED,
    SUM_COLUMNS,
    TOKEN_COLUMNS,
)
from app.store.database.kinds import count as _count
from app.store.database.kinds import in_range as _in_range
from app.store.database.kinds import text_column as _text
from app.store.database.kinds import text_or_null as _text_or_null
from app.store.database.kinds import whole as _whole
from app.store.database.kinds import whole_or_null as _whole_or_null
from app.store.database.rollup_tables import label_rollups, rollups, tagged

__all__ = [
    "COST_CATEGORIES",
    "COST_COLUMNS",
    "IS_OPEN",
    "METADATA",
    "MOST_STORED",
    "REVISION",
    "SUM_COLUMNS",
    "TOKEN_COLUMNS",
    "audit",
    "key_secrets",
    "keys",
    "label_rollups",
    "outcomes",
    "processes",
    "refusals",
    "repricings",
    "requests",
    "rollups",
    "stamp",
    "tagged",
    "teams",
    "windows",
]

REVISION = "2026_12_01_0250"  # what `alembic_version` holds when these tables are in place


def _index_where(name: str, rows: Any, *columns: Column[Any], unique: bool = False) -> None:  # noqa: ANN401
    """An index of some of a table's rows."""
    Index(name, *columns, unique=unique, sqlite_where=rows, postgresql_where=rows)


teams = Table(
    "teams",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    _whole("created_us"),
    _whole_or_null("max_budget_nano_usd"),
    _text("budget_window"),
)

# `models` and `model_budgets` (model -> nano-USD) are JSON: never read without their key.
keys = Table(
    "keys",
    METADATA,
    Column("id", Text, primary_key=True),
    _text("name"),
    _text("prefix"),
    _whole("created_us"),
    _whole_or_null("expires_us"),
    _whole_or_null("revoked_us"),
    _text_or_null("team_id"),
    _text_or_null("models"),
    _whole_or_null("max_budget_nano_usd"),
    _text("budget_window"),
    _text_or_null("model_budgets"),
    _whole_or_null("conversation_budget_nano_usd"),
    _whole_or_null("rpm"),
    _whole_or_null("tpm"),
    _whole_or_null("max_parallel"),
    _text_or_null("metadata"),
    Index(None, "created_us", "id"),
)

# A rotated secret stays valid until `valid_until_us`.
key_secrets = Table(
    "key_secrets",
    METADATA,
    Column("sha256", Text, primary_key=True),
    _text("key_id"),
    _whole_or_null("valid_until_us"),
    Index(None, "key_id"),
)

# One row per scope and window: `key:<id>@day:2026-11-21`.  A new window is a new row.
# `uncounted_nano_usd` is the part of what was spent whose requests do not name the window.
windows = Table(
    "windows",
    METADATA,
    Column("id", Text, primary_key=True),
    _text("scope_kind"),
    _text("scope_id"),
    _text("period"),
    _count("spent_nano_usd"),
    _count("held_nano_usd"),
    _count("uncounted_nano_usd"),
    *_in_range("windows", "spent_nano_usd", "held_nano_usd"),
    Index(None, "scope_kind", "scope_id"),
)

# One row per call that was held.  The five periods name the window rows that its cost landed in;
# `windows_moved` counts how often they were changed while it ran. What an attempt of it puts at
# stake is NULL where nothing less than all that was reserved is safe.
# `other_nano_usd` is the part of the cost outside the categories: bounds that stayed charged,
# or what a correction added. `model` answered; `held_model` is the one that it was held for, whose
# window its cost landed in, and null where they are the same. `generation_id` is what its vendor is
# asked for its bill by: from `lookup_due_us` on (0: it wasn't yet), NULL once that is over.
# `waiting_trace` is the caller's traceparent ('' without one) while the call's trace waits for it.
# `prefix` tells which tools and system prompt the call came with; NULL where it had neither.
# `cache_miss_tokens` of the prompt were in the cache, as far as is known; NULL where that costs 0.
requests = Table(
    "requests",
    METADATA,
    Column("id", Text, primary_key=True),
    _text("key_id"),
    _text_or_null("team_id"),
    _text("process_id"),
    _text("state"),
    _whole("created_us"),
    _text("dialect"),
    _text("requested_model"),
    _text("model"),
    _text_or_null("held_model"),
    _text("route_reason"),
    _text("routing"),
    _text("cache_plan"),
    _text("upstream"),
    Column("stream", Boolean, nullable=False),
    _text_or_null("end_user"),
    _text_or_null("tags"),
    _text_or_null("idempotency_key"),
    _text_or_null("key_period"),
    _text_or_null("key_model_period"),
    _text_or_null("team_period"),
    _text_or_null("global_period"),
    _text_or_null("conversation"),
    _text_or_null("conversation_period"),
    _whole("reserved_nano_usd"),
    _whole_or_null("stake_input_nano_usd"),
    _whole_or_null("stake_output_pico_usd"),
    _whole_or_null("stake_max_tokens"),
    _count("windows_moved"),
    _text_or_null("upstream_request_id"),
    _text_or_null("upstream_message_id"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    _text_or_null("attempt_details"),
    *(_count(name) for name in TOKEN_COLUMNS),
    _count("cost_nano_usd"),
    *(_count(name) for name in COST_COLUMNS),
    _count("other_nano_usd"),
    _text_or_null("cost_source"),
    _text_or_null("rates"),
    _count("cache_savings_nano_usd"),
    _count("routing_savings_nano_usd"),
    _whole_or_null("cache_discount_nano_usd"),
    _text_or_null("prefix"),
    _text_or_null("cache_miss_reason"),
    _whole_or_null("cache_miss_nano_usd"),
    _whole_or_null("cache_miss_tokens"),
    _text_or_null("generation_id"),
    _whole_or_null("lookup_due_us"),
    _count("lookups"),
    _text_or_null("waiting_trace"),
    Column("status", Integer, nullable=True),
    _text_or_null("error_code"),
    _whole_or_null("latency_ms"),
    _whole_or_null("ttft_ms"),
    *_in_range("requests", "cost_nano_usd", "reserved_nano_usd"),
    Index(None, "created_us", "id"),
    Index(None, "key_id", "created_us"),
)
# A parameter in place of the word would hide from SQLite that the index has all of them.
IS_OPEN: ColumnElement[bool] = requests.c.state == literal_column("'reserved'")
_LOOKED_UP = requests.c.lookup_due_us.is_not(None)
_UNTRACED = requests.c.waiting_trace.is_not(None)
_NAMED = requests.c.conversation.is_not(None)
_ONCE = text("idempotency_key IS NOT NULL AND state <> 'released'")
_index_where("ix_requests_open", IS_OPEN, requests.c.process_id)
_index_where("ix_requests_lookups", _LOOKED_UP, requests.c.lookup_due_us)
_index_where("ix_requests_waiting_trace", _UNTRACED, requests.c.process_id)
_index_where("ix_requests_conversation", _NAMED, requests.c.conversation, requests.c.created_us)
_index_where(
    *("ux_requests_idempotency", _ONCE, requests.c.key_id, requests.c.idempotency_key), unique=True
)

# What a list of calls may be narrowed to; a plain call that went well is in the last two alone.
for _name, _rows, _columns in (
    ("team", "team_id IS NOT NULL", ("team_id", "created_us")),
    ("user", "end_user IS NOT NULL", ("end_user", "created_us")),
    ("failed", "status <> 200", ("status", "created_us")),
    ("unsettled", "state IN ('released', 'orphaned')", ("state", "created_us")),
    ("unsure", "cost_source <> 'computed'", ("cost_source", "created_us")),
    ("dear", "cost_nano_usd > 0", ("cost_nano_usd", "id", "created_us")),
):
    _index_where(f"ix_requests_{_name}", text(_rows), *(requests.c[_each] for _each in _columns))
Index("ix_requests_model", requests.c.model, requests.c.created_us)

audit = Table(
    "audit",
    METADATA,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    _whole("at_us"),
    _text("actor"),
    _text("action"),
    _text("target"),
    _text("details"),
)

# A call that was refused before its hold: `id` is the one that its caller was shown. `calls` is how
# many it stands for, as of a busy second only so many are kept one by one; `budget` is JSON.
refusals = Table(
    "refusals",
    METADATA,
    Column("id", Text, primary_key=True),
    _whole("created_us"),
    _text_or_null("key_id"),
    _whole("status"),
    _text("code"),
    _text("message"),
    _text_or_null("model"),
    _text_or_null("dialect"),
    _text_or_null("budget"),
    Column("calls", BigInteger, nullable=False, server_default=text("1")),
    Index(None, "created_us", "id"),
    Index(None, "key_id", "created_us"),
    Index(None, "code", "created_us"),
)

# What was last said of a call: whether its answer did.
outcomes = Table(
    "outcomes",
    METADATA,
    Column("request_id", Text, primary_key=True),
    Column("ok", Boolean, nullable=False),
    _text_or_null("note"),
    _whole("noted_us"),
)

# What one pricing of a past range anew changed, never altered: `before` and `after` are JSON.
repricings = Table(
    "repricings",
    METADATA,
    Column("run_id", Text, primary_key=True),
    Column("request_id", Text, primary_key=True),
    _whole("at_us"),
    _whole("more_nano_usd"),
    _text("before"),
    _text("after"),
    Index(None, "request_id"),
)

# A gateway process and until when it is believed alive.
processes = Table(
    "processes",
    METADATA,
    Column("id", Text, primary_key=True),
    _whole("started_us"),
    _whole("expires_us"),
)

# One row, made at the first start: whether this ledger's money is `real` or `simulated`.
stamp = Table(
    "stamp",
    METADATA,
    Column("kind", Text, primary_key=True),
    _whole("stamped_us"),
)
