"""What a command is told by its environment."""

from __future__ import annotations

import os

DEFAULT_DATABASE_URL = "sqlite:///data/tollkeeper.db"


def database_url() -> str:
    """$TOLLKEEPER_DATABASE_URL, or the SQLite file beside which everything else is kept."""
    return os.environ.get("TOLLKEEPER_DATABASE_URL") or DEFAULT_DATABASE_URL
