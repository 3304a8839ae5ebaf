"""A row's model is the one that answered; where another was held, it stands beside it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "2026_11_30_1915"
down_revision = "2026_11_21_1900"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("requests", sa.Column("held_model", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("requests", "held_model")
