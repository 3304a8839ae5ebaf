"""What an admin may say about a key or a team: contract JSON -> column values, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import orjson

from app.core.budgets import WINDOWS
from app.core.errors import BadRequest
from app.core.money import nano_usd
from app.store.database.moments import parse_us

MOST_NAME_CHARS = 200
MOST_LIST_ITEMS = 500
MOST_COUNT = 10**12

Fields = Mapping[str, object]
_Reader = Callable[[str, object], Any]


def key_columns(fields: Fields) -> dict[str, Any]:
    """The columns of a key that `fields` sets; None removes a limit.

    `team` is left as it came: only the database knows it. Raises BadRequest with `param`.
    """
    return _columns(fields, _KEY_FIELDS)


def team_columns(fields: Fields) -> dict[str, Any]:
    """The columns of a team that `fields` sets.  Raises BadRequest with `param`."""
    return _columns(fields, _TEAM_FIELDS)


def _columns(fields: Fields, known: Mapping[str, tuple[str, _Reader]]) -> dict[str, Any]:
    for name in fields:
        if name not in known:
            raise BadRequest(
                f"unknown field {name!r}; known: {', '.join(sorted(known))}", param=name
            )
    return {known[name][0]: known[name][1](name, value) for name, value in fields.items()}


def clean_text(text: str) -> str:
    """The text without what a database can't store: NUL and lone surrogates."""
    return text.replace("\0", "�").encode("utf-8", "replace").decode()


def _name(param: str, value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value.strip()) <= MOST_NAME_CHARS:
        raise BadRequest(
            f"{param} must be a text of 1 to {MOST_NAME_CHARS} characters", param=param
        )
    return clean_text(value.strip())


def _name_or_none(param: str, value: object) -> str | None:
    return None if value is None else _name(param, value)


def _amount(param: str, value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise BadRequest(f'{param} must be a decimal text of USD such as "10.00"', param=param)
    try:
        return nano_usd(value)
    except ValueError as error:
        raise BadRequest(f"{param}: {error}", param=param) from error


def _window(param: str, value: object) -> str:
    if value is None:
        return "none"
    if value not in WINDOWS:
        raise BadRequest(f"{param} must be one of {', '.join(WINDOWS)}", param=param)
    return str(value)


def _count(param: str, value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_COUNT:
        raise BadRequest(f"{param} must be a whole number from 1 on, or null", param=param)
    return value


def _models(param: str, value: object) -> str | None:
    if value is None:
        return None
    if (
        not isinstance(value, Sequence)
        or isinstance(value, str | bytes)
        or not 0 < len(value) <= MOST_LIST_ITEMS
    ):
        raise BadRequest(f"{param} must be a list of model ids, or null for all", param=param)
    return orjson.dumps([_name(param, item) for item in value]).decode()


def _model_budgets(param: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, Mapping) or len(value) > MOST_LIST_ITEMS:
        raise BadRequest(f"{param} must be an object of model -> USD text", param=param)
    budgets = {
        _name(param, model): _amount(f"{param}.{model}", amount)
        for model, amount in value.items()
        if amount is not None
    }
    return orjson.dumps(budgets).decode() if budgets else None


def _moment(param: str, value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise BadRequest(f"{param} must be a date or an ISO 8601 time", param=param)
    return parse_us(value, param=param)


def _metadata(param: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, Mapping) or len(value) > MOST_LIST_ITEMS:
        raise BadRequest(f"{param} must be an object of texts", param=param)
    for name, text in value.items():
        if not isinstance(text, str):
            raise BadRequest(f"{param}.{name} must be a text", param=param)
    cleaned = {clean_text(str(name)): clean_text(text) for name, text in value.items()}
    return orjson.dumps(cleaned).decode()


_KEY_FIELDS: Final[Mapping[str, tuple[str, _Reader]]] = {
    "name": ("name", _name),
    "max_budget_usd": ("max_budget_nano_usd", _amount),
    "budget_window": ("budget_window", _window),
    "models": ("models", _models),
    "model_budgets": ("model_budgets", _model_budgets),
    "rpm": ("rpm", _count),
    "tpm": ("tpm", _count),
    "max_parallel": ("max_parallel", _count),
    "expires_at": ("expires_us", _moment),
    "team": ("team_id", _name_or_none),
    "metadata": ("metadata", _metadata),
}
_TEAM_FIELDS: Final[Mapping[str, tuple[str, _Reader]]] = {
    "name": ("name", _name),
    "max_budget_usd": ("max_budget_nano_usd", _amount),
    "budget_window": ("budget_window", _window),
}
