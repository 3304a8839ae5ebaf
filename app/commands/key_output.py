"""Keys as people read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from app.commands.output import Column, say, show_table

COLUMNS = (
    Column("ID", whole=True),
    Column("Name"),
    Column("State"),
    Column("Spent USD", "right", whole=True),
    Column("Limit USD", "right"),
    Column("Per"),
)
NO_LIMIT = "-"


def show_secret(secret: str) -> None:
    say(f"The secret, shown only now:\n\n  {secret}\n")


def show_keys(keys: Sequence[Mapping[str, Any]]) -> None:
    show_table(
        COLUMNS,
        (
            (
                key["id"],
                key["name"],
                _state(key),
                key["spent_usd"],
                key["max_budget_usd"] or NO_LIMIT,
                NO_LIMIT if key["budget_window"] == "none" else key["budget_window"],
            )
            for key in keys
        ),
    )


def show_key(key: Mapping[str, Any]) -> None:
    window = key["budget_window"]
    resets = f", starts again {_minute(key['resets_at'])}" if key["resets_at"] else ""
    lines = {
        "id": key["id"],
        "name": key["name"],
        "secret": f"{key['prefix']}...",
        "state": _state(key),
        "created": _minute(key["created_at"]),
        "expires": _minute(key["expires_at"]) if key["expires_at"] else "never",
        "team": key["team"] or "none",
        "models": ", ".join(key["models"]) if key["models"] else "all",
        "budget": "no limit" if key["max_budget_usd"] is None else f"{key['max_budget_usd']} USD",
        "window": window + resets,
        "spent": f"{key['spent_usd']} USD, {key['lifetime_spent_usd']} USD in all",
        "reserved": f"{key['reserved_usd']} USD",
        "remaining": "no limit" if key["remaining_usd"] is None else f"{key['remaining_usd']} USD",
        "requests/min": _count(key["rpm"]),
        "tokens/min": _count(key["tpm"]),
        "in parallel": _count(key["max_parallel"]),
        **{f"of {model}": f"{usd} USD" for model, usd in key["model_budgets"].items()},
    }
    width = max(map(len, lines))
    for label, text in lines.items():
        say(f"{label.ljust(width)}  {text}")


def _state(key: Mapping[str, Any]) -> str:
    if key["revoked_at"]:
        return "revoked"
    if key["expires_at"] and datetime.fromisoformat(key["expires_at"]) <= datetime.now(UTC):
        return "expired"
    return "active"


def _minute(moment: str) -> str:
    return f"{moment[:16].replace('T', ' ')} UTC"


def _count(limit: int | None) -> str:
    return "no limit" if limit is None else f"{limit:,}"
