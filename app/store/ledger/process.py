"""What every transaction of one gateway process goes by."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.store.ledger.labels import KnownLabels
from app.store.ledger.statements import Statements
from app.store.ledger.windows import GlobalBudget


@dataclass(slots=True)
class Process:
    """`budget` is the limit over all keys together.

    `counted` is the id of its window's row once that is known to hold what was spent in it, and
    what running calls held, before the limit was set.
    """

    id: str
    statements: Statements
    budget: GlobalBudget = field(default_factory=GlobalBudget)
    counted: str | None = None
    labels: KnownLabels = field(default_factory=KnownLabels)
