"""A field of a key or a team and its column: the one place where the two are matched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Row

from app.core.money import nano_usd, usd_text
from app.store.database.moments import iso, last_us
from app.store.records.fields import Fields


@dataclass(frozen=True, slots=True)
class Stored:
    """A column, how a field's value goes into it, and how it is shown.  None stays None."""

    column: str
    into: Callable[[Any], Any] | None = None
    shown: Callable[[Any], Any] | None = None


def _json_text(value: object) -> str:
    return orjson.dumps(value).decode()


def model_budgets(text: str | None) -> dict[str, int]:
    """Nano-USD by model."""
    return {} if text is None else orjson.loads(text)


def _budgets_text(budgets: Mapping[str, str | None]) -> str | None:
    limits = {model: nano_usd(usd) for model, usd in budgets.items() if usd is not None}
    return _json_text(limits) if limits else None


def _expiry_us(text: str) -> int:
    return last_us(text, param="expires_at")


STORED: Final[Mapping[str, Stored]] = {
    "name": Stored("name"),
    "expires_at": Stored("expires_us", _expiry_us, iso),
    "team": Stored("team_id"),  # its id; a name is resolved first
    "models": Stored("models", _json_text, orjson.loads),
    "rpm": Stored("rpm"),
    "tpm": Stored("tpm"),
    "max_parallel": Stored("max_parallel"),
    "max_budget_usd": Stored("max_budget_nano_usd", nano_usd, usd_text),
    "budget_window": Stored("budget_window"),
    "conversation_budget_usd": Stored("conversation_budget_nano_usd", nano_usd, usd_text),
    "model_budgets": Stored("model_budgets", _budgets_text),
    "metadata": Stored("metadata", _json_text),
}


def columns(fields: Fields) -> dict[str, Any]:
    """The columns that checked `fields` set."""
    found = {}
    for name, value in fields.items():
        stored = STORED[name]
        as_it_is = value is None or stored.into is None
        found[stored.column] = value if as_it_is or stored.into is None else stored.into(value)
    return found


def shown_fields(row: Row[Any]) -> dict[str, Any]:
    """The fields as a key's JSON object shows them."""
    values = row._mapping  # noqa: SLF001 - SQLAlchemy's documented name
    shown: dict[str, Any] = {}
    for name, stored in STORED.items():
        value = values[stored.column]
        shown[name] = value if value is None or stored.shown is None else stored.shown(value)
    shown["model_budgets"] = {
        model: usd_text(limit) for model, limit in model_budgets(row.model_budgets).items()
    }
    shown["metadata"] = {} if row.metadata is None else orjson.loads(row.metadata)
    return shown
