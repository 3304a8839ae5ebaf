"""A row tells that its call's trace waits for the vendor's bill, and whose trace it goes on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "2026_11_30_2240"
down_revision = "2026_11_30_2219"
branch_labels = None
depends_on = None

INDEX = "ix_requests_waiting_trace"


def upgrade() -> None:
    op.add_column("requests", sa.Column("waiting_trace", sa.Text(), nullable=True))
    waiting = sa.text("waiting_trace IS NOT NULL")
    op.create_index(
        INDEX, "requests", ["process_id"], sqlite_where=waiting, postgresql_where=waiting
    )


def downgrade() -> None:
    op.drop_index(INDEX, table_name="requests")
    op.drop_column("requests", "waiting_trace")
