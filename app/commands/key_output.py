"""Keys as people read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from app.commands.output import Column, complain, say, show_table
from app.core.money import nano_usd, usd_text
from app.core.pace import Pace, used_up_at
from app.core.printable import printable

COLUMNS = (
    Column("ID", whole=True),
    Column("Name"),
    Column("State"),
    Column("Spent USD", "right", whole=True),
    Column("Limit USD", "right"),
    Column("Per"),
    Column("Lasts"),
)
NO_LIMIT = "-"
OPTIONS = {  # what a key's limits are called on the command line
    "max_budget_usd": "--budget",
    "budget_window": "--window",
    "models": "--model",
    "model_budgets": "--model-budget",
    "conversation_budget_usd": "--conversation-budget",
    "rpm": "--rpm",
    "tpm": "--tpm",
    "max_parallel": "--max-parallel",
    "expires_at": "--expires",
    "team": "--team",
}


def show_secret(secret: str) -> None:
    say(f"The secret, shown only now:\n\n  {secret}\n")


def warn_of_unserved(fields: Mapping[str, Any]) -> None:
    """Say on stderr which of the limits that were given are not enforced yet."""
    # Imported here: asking for help must not load what checks fields.
    from app.store.records.fields import unserved  # noqa: PLC0415

    names = [OPTIONS[name] for name in unserved(fields)]
    if names:
        complain(f"Warning: stored, but not enforced yet: {', '.join(names)}")


def show_keys(keys: Sequence[Mapping[str, Any]], paces: Mapping[str, Pace | None]) -> None:
    """`paces` are by key id: how fast each has spent lately."""
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
                _lasts(key, paces.get(key["id"])),
            )
            for key in keys
        ),
    )


def show_key(key: Mapping[str, Any], pace: Pace | None = None) -> None:
    window = key["budget_window"]
    resets = f", starts again {_minute(key['resets_at'])}" if key["resets_at"] else ""
    lines = {
        "id": key["id"],
        "name": key["name"],
        "secret": f"{key['prefix']}...",
        "state": _state(key),
        "created": _minute(key["created_at"]),
        "expires": _minute(key["expires_at"]) if key["expires_at"] else "never",
        "last used": _minute(key["last_used_at"]) if key["last_used_at"] else "never",
        "team": key["team"] or "none",
        "models": ", ".join(key["models"]) if key["models"] else "all",
        "budget": _usd(key["max_budget_usd"]),
        "window": window + resets,
        "spent": f"{key['spent_usd']} USD, {key['lifetime_spent_usd']} USD in all",
        "reserved": f"{key['reserved_usd']} USD",
        "remaining": _usd(key["remaining_usd"]),
        **({} if pace is None else {"lasts": _told_pace(key, pace)}),
        "a conversation": _usd(key["conversation_budget_usd"]),
        "requests/min": _count(key["rpm"]),
        "tokens/min": _count(key["tpm"]),
        "in parallel": _count(key["max_parallel"]),
        **{
            f"of {model}": f"{usd} USD, {key['model_spend'][model]['remaining_usd']} USD remain"
            for model, usd in key["model_budgets"].items()
        },
    }
    width = max(map(len, lines))
    for label, text in lines.items():
        say(f"{printable(label).ljust(width)}  {printable(text)}")


def _lasts(key: Mapping[str, Any], pace: Pace | None) -> str:
    """Till when its budget lasts at that pace, where it does not last till it starts again."""
    if key["remaining_usd"] is None or key["revoked_at"]:
        return NO_LIMIT
    ends = _ends(key, pace)
    if ends is None:
        return NO_LIMIT if pace is None else "yes"
    return "used up" if _left(key) <= 0 else f"to {ends:%Y-%m-%d}"


def _told_pace(key: Mapping[str, Any], pace: Pace) -> str:
    mean = f"{usd_text(pace.a_day_nano_usd)} USD a day, the mean of {pace.days} whole days"
    ends = None if key["remaining_usd"] is None else _ends(key, pace)
    return mean if ends is None else f"till {ends:%Y-%m-%d %H:%M} UTC at {mean}"


def _ends(key: Mapping[str, Any], pace: Pace | None) -> datetime | None:
    return used_up_at(_left(key), pace, key["budget_window"], datetime.now(UTC))


def _left(key: Mapping[str, Any]) -> int:
    remaining: str = key["remaining_usd"]
    return -nano_usd(remaining[1:]) if remaining.startswith("-") else nano_usd(remaining)


def _usd(amount: str | None) -> str:
    return "no limit" if amount is None else f"{amount} USD"


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
