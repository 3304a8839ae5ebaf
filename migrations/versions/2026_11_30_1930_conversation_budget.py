"""A key may have a budget for each conversation."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "2026_11_30_1930"
down_revision = "2026_11_30_1915"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("keys", sa.Column("conversation_budget_nano_usd", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("keys", "conversation_budget_nano_usd")
