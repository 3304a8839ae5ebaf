"""Keys, ledger and reports on SQLite and PostgreSQL; rate limits."""
