"""Runs the migrations on the connection that `app.store.database.migrate` hands over."""

from __future__ import annotations

from alembic import context

from app.store.database.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=True,
    transaction_per_migration=False,
)
context.run_migrations()
