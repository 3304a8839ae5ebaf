"""Keys, teams, the ledger, its sums, the audit log and the processes' leases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "2026_11_21_1900"
down_revision = None
branch_labels = None
depends_on = None

MOST_STORED = 9 * 10**18
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


def _in_range(table: str, *names: str) -> list[sa.CheckConstraint]:
    return [
        sa.CheckConstraint(
            f"{name} BETWEEN -{MOST_STORED} AND {MOST_STORED}", name=op.f(f"ck_{table}_{name}")
        )
        for name in names
    ]


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_table(
        "key_secrets",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("valid_until_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_key_secrets")),
    )
    op.create_index(op.f("ix_key_secrets_key_id"), "key_secrets", ["key_id"], unique=False)
    op.create_table(
        "keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=True),
        sa.Column("revoked_us", sa.BigInteger(), nullable=True),
        sa.Column("team_id", sa.Text(), nullable=True),
        sa.Column("models", sa.Text(), nullable=True),
        sa.Column("max_budget_nano_usd", sa.BigInteger(), nullable=True),
        sa.Column("budget_window", sa.Text(), nullable=False),
        sa.Column("model_budgets", sa.Text(), nullable=True),
        sa.Column("rpm", sa.BigInteger(), nullable=True),
        sa.Column("tpm", sa.BigInteger(), nullable=True),
        sa.Column("max_parallel", sa.BigInteger(), nullable=True),
        sa.Column("metadata", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_keys")),
    )
    op.create_index(op.f("ix_keys_created_us_id"), "keys", ["created_us", "id"], unique=False)
    op.create_table(
        "processes",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("started_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_processes")),
    )
    op.create_table(
        "requests",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("team_id", sa.Text(), nullable=True),
        sa.Column("process_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("dialect", sa.Text(), nullable=False),
        sa.Column("requested_model", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("route_reason", sa.Text(), nullable=False),
        sa.Column("routing", sa.Text(), nullable=False),
        sa.Column("cache_plan", sa.Text(), nullable=False),
        sa.Column("upstream", sa.Text(), nullable=False),
        sa.Column("stream", sa.Boolean(), nullable=False),
        sa.Column("end_user", sa.Text(), nullable=True),
        sa.Column("tags", sa.Text(), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("key_period", sa.Text(), nullable=True),
        sa.Column("key_model_period", sa.Text(), nullable=True),
        sa.Column("team_period", sa.Text(), nullable=True),
        sa.Column("global_period", sa.Text(), nullable=True),
        sa.Column("reserved_nano_usd", sa.BigInteger(), nullable=False),
        sa.Column("upstream_request_id", sa.Text(), nullable=True),
        sa.Column("upstream_message_id", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("attempt_details", sa.Text(), nullable=True),
        sa.Column("input_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "cache_write_5m_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column(
            "cache_write_1h_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column(
            "cache_read_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column("output_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "web_search_requests", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column("cost_nano_usd", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("input_nano_usd", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "cache_write_5m_nano_usd", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column(
            "cache_write_1h_nano_usd", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column(
            "cache_read_nano_usd", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column("output_nano_usd", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "server_tools_nano_usd", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column("other_nano_usd", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cost_source", sa.Text(), nullable=True),
        sa.Column("rates", sa.Text(), nullable=True),
        sa.Column(
            "cache_savings_nano_usd", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column(
            "routing_savings_nano_usd", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column("cache_discount_nano_usd", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("latency_ms", sa.BigInteger(), nullable=True),
        sa.Column("ttft_ms", sa.BigInteger(), nullable=True),
        *_in_range("requests", "cost_nano_usd", "reserved_nano_usd"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_requests")),
    )
    op.create_index(
        op.f("ix_requests_created_us_id"), "requests", ["created_us", "id"], unique=False
    )
    op.create_index(
        op.f("ix_requests_key_id_created_us"), "requests", ["key_id", "created_us"], unique=False
    )
    op.create_index(
        "ix_requests_open",
        "requests",
        ["process_id"],
        unique=False,
        sqlite_where=sa.text("state = 'reserved'"),
        postgresql_where=sa.text("state = 'reserved'"),
    )
    op.create_index(
        "ux_requests_idempotency",
        "requests",
        ["key_id", "idempotency_key"],
        unique=True,
        sqlite_where=sa.text("idempotency_key IS NOT NULL AND state <> 'released'"),
        postgresql_where=sa.text("idempotency_key IS NOT NULL AND state <> 'released'"),
    )
    op.create_table(
        "rollups",
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("requests", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cost_nano_usd", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "cache_savings_nano_usd", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column(
            "routing_savings_nano_usd", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column("input_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "cache_write_5m_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column(
            "cache_write_1h_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column(
            "cache_read_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column("output_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "web_search_requests", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        *_in_range("rollups", *SUMS),
        sa.PrimaryKeyConstraint("day", "key_id", "team_id", "model", name=op.f("pk_rollups")),
    )
    op.create_table(
        "teams",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("max_budget_nano_usd", sa.BigInteger(), nullable=True),
        sa.Column("budget_window", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_teams")),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "windows",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("scope_kind", sa.Text(), nullable=False),
        sa.Column("scope_id", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("spent_nano_usd", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("held_nano_usd", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "uncounted_nano_usd", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        *_in_range("windows", "spent_nano_usd", "held_nano_usd"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_windows")),
    )
    op.create_index(
        op.f("ix_windows_scope_kind_scope_id"), "windows", ["scope_kind", "scope_id"], unique=False
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_windows_scope_kind_scope_id"), table_name="windows")
    op.drop_table("windows")
    op.drop_table("teams")
    op.drop_table("rollups")
    op.drop_index(
        "ux_requests_idempotency",
        table_name="requests",
        sqlite_where=sa.text("idempotency_key IS NOT NULL AND state <> 'released'"),
        postgresql_where=sa.text("idempotency_key IS NOT NULL AND state <> 'released'"),
    )
    op.drop_index(
        "ix_requests_open",
        table_name="requests",
        sqlite_where=sa.text("state = 'reserved'"),
        postgresql_where=sa.text("state = 'reserved'"),
    )
    op.drop_index(op.f("ix_requests_key_id_created_us"), table_name="requests")
    op.drop_index(op.f("ix_requests_created_us_id"), table_name="requests")
    op.drop_table("requests")
    op.drop_table("processes")
    op.drop_index(op.f("ix_keys_created_us_id"), table_name="keys")
    op.drop_table("keys")
    op.drop_index(op.f("ix_key_secrets_key_id"), table_name="key_secrets")
    op.drop_table("key_secrets")
    op.drop_table("audit")
