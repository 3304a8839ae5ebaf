"""A row tells what its call puts at stake, and how often it was moved to other windows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "2026_11_30_1950"
down_revision = "2026_11_30_1940"
branch_labels = None
depends_on = None

STAKE = ("stake_input_nano_usd", "stake_output_pico_usd", "stake_max_tokens")


def upgrade() -> None:
    for name in STAKE:
        op.add_column("requests", sa.Column(name, sa.BigInteger(), nullable=True))
    op.add_column(
        "requests",
        sa.Column("windows_moved", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )


def downgrade() -> None:
    for name in ("windows_moved", *STAKE):
        op.drop_column("requests", name)
