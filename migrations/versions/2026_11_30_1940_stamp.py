"""What kind of upstream a ledger's money is of: real, or the simulator's."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "2026_11_30_1940"
down_revision = "2026_11_30_1930"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stamp",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("stamped_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_stamp")),
    )


def downgrade() -> None:
    op.drop_table("stamp")
