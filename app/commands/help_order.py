"""The order in which `tollkeeper --help` tells the commands."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

ORDER = (
    *("serve", "doctor", "config", "keys", "teams", "spend", "requests", "audit", "reconcile"),
    *("prices", "route", "routing", "whatif", "reprice", "connect", "db", "simulate"),
)


class InOrder(TyperGroup):
    """As commands are needed: first what starts the gateway, then what is asked of it."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 - typer's own
        """Those of ORDER, then the others."""
        return sorted(super().list_commands(ctx), key=[*ORDER, *self.commands].index)
