"""A row tells which prompt prefix it had, why the cache missed and what that cost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "2026_11_30_2217"
down_revision = "2026_11_30_2216"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("requests", sa.Column("prefix", sa.Text(), nullable=True))
    op.add_column("requests", sa.Column("cache_miss_reason", sa.Text(), nullable=True))
    op.add_column("requests", sa.Column("cache_miss_nano_usd", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    for name in ("cache_miss_nano_usd", "cache_miss_reason", "prefix"):
        op.drop_column("requests", name)
