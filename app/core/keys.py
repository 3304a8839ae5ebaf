"""A virtual key as the gateway sees it: who calls, what for, how much."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from app.core.budgets import Window


@dataclass(frozen=True, slots=True)
class Key:
    """One virtual key.  Budgets in nano-USD; None means no limit.

    `models` None means every offered model; `team_limited` says that the key's team has a budget.
    `secret_sha256` tells which of its secrets a caller showed; None where none was;
    `secret_ends_at` until when that one is good, if the key was rotated.
    """

    id: str
    name: str
    prefix: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    team_id: str | None = None
    team_limited: bool = False
    models: tuple[str, ...] | None = None
    max_budget_nano_usd: int | None = None
    budget_window: Window = "none"
    model_budgets_nano_usd: Mapping[str, int] = field(default_factory=dict)
    conversation_budget_nano_usd: int | None = None
    rpm: int | None = None
    tpm: int | None = None
    max_parallel: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    secret_sha256: str | None = field(default=None, repr=False)
    secret_ends_at: datetime | None = None

    @property
    def limited(self) -> bool:
        """Whether a budget of the key's own or of its team stands over its calls."""
        return (
            self.max_budget_nano_usd is not None
            or bool(self.model_budgets_nano_usd)
            or self.conversation_budget_nano_usd is not None
            or self.team_limited
        )
