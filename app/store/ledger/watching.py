"""Who is told of the ledger's own work when nobody watches it."""

from __future__ import annotations


class Unwatched:
    """Implements ports.LedgerWatcher: counts nothing."""

    def committed(self, entries: int, seconds: float) -> None:
        """See ports.LedgerWatcher."""

    def orphaned(self, holds: int) -> None:
        """See ports.LedgerWatcher."""
