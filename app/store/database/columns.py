"""What several tables share: their metadata, and the names of what is counted and paid."""

from __future__ import annotations

from sqlalchemy import MetaData

from app.store.database.kinds import MOST_STORED

__all__ = [
    "COST_CATEGORIES",
    "COST_COLUMNS",
    "METADATA",
    "MOST_STORED",
    "SUM_COLUMNS",
    "TOKEN_COLUMNS",
]

METADATA = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"}
)

TOKEN_COLUMNS = (
    "input_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "cache_read_tokens",
    "output_tokens",
    "reasoning_tokens",
    "web_search_requests",
)
COST_CATEGORIES = (
    "input",
    "cache_write_5m",
    "cache_write_1h",
    "cache_read",
    "output",
    "server_tools",
)
COST_COLUMNS = tuple(f"{category}_nano_usd" for category in COST_CATEGORIES)
SUM_COLUMNS = (
    "cost_nano_usd",
    "cache_savings_nano_usd",
    "routing_savings_nano_usd",
    *TOKEN_COLUMNS,
)
