"""A row tells by what name its vendor is asked for its bill, when next and how often it was."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "2026_11_30_2035"
down_revision = "2026_11_30_1950"
branch_labels = None
depends_on = None

INDEX = "ix_requests_lookups"


def upgrade() -> None:
    op.add_column("requests", sa.Column("generation_id", sa.Text(), nullable=True))
    op.add_column("requests", sa.Column("lookup_due_us", sa.BigInteger(), nullable=True))
    op.add_column(
        "requests",
        sa.Column("lookups", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )
    waiting = sa.text("lookup_due_us IS NOT NULL")
    op.create_index(
        INDEX, "requests", ["lookup_due_us"], sqlite_where=waiting, postgresql_where=waiting
    )


def downgrade() -> None:
    op.drop_index(INDEX, table_name="requests")
    for name in ("lookups", "lookup_due_us", "generation_id"):
        op.drop_column("requests", name)
