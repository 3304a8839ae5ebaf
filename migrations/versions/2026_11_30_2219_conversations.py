"""A call belongs to a conversation, which may have a budget of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "2026_11_30_2219"
down_revision = "2026_11_30_2217"
branch_labels = None
depends_on = None

INDEX = "ix_requests_conversation"
COLUMNS = ("conversation", "conversation_period")


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("requests", sa.Column(name, sa.Text(), nullable=True))
    named = sa.text("conversation IS NOT NULL")
    op.create_index(
        INDEX,
        "requests",
        ["conversation", "created_us"],
        sqlite_where=named,
        postgresql_where=named,
    )


def downgrade() -> None:
    op.drop_index(INDEX, table_name="requests")
    for name in reversed(COLUMNS):
        op.drop_column("requests", name)
