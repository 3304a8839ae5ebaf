"""A row tells how many tokens its cache miss is about, so that the miss can be priced anew."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "2026_12_01_0250"
down_revision = "2026_11_30_2243"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("requests", sa.Column("cache_miss_tokens", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("requests", "cache_miss_tokens")
