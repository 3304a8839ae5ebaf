"""Which models the vendor offers at a moment, and what they still do then."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from app.simulator.errors import ApiError, invalid
from app.simulator.facts import CATALOGUE, MODELS, Model

RETIREMENT_HOUR: Final = timedelta(hours=17)
"""9 in the morning, Pacific time, in UTC."""


def find_model(name: object, now_s: float) -> Model:
    """The model as it is at that moment.  Raises ApiError when there is none of that name."""
    if name is None:
        raise invalid("model: Field required")
    if not isinstance(name, str):
        raise invalid("model: Input should be a valid string")
    model = MODELS.get(name)
    if model is None or _is_retired(model, now_s):
        raise ApiError(404, f"model: {name}")
    if model.fast_until is not None and now_s >= _midnight_s(model.fast_until):
        return replace(model, fast="refused")
    return model


def offered(now_s: float) -> list[Model]:
    """Newest first."""
    return [model for model in CATALOGUE if not _is_retired(model, now_s)]


def is_deprecated(model: Model, now_s: float) -> bool:
    return model.deprecated_on is not None and now_s >= _midnight_s(model.deprecated_on)


def _is_retired(model: Model, now_s: float) -> bool:
    if model.retires_on is None:
        return False
    return now_s >= _midnight_s(model.retires_on) + RETIREMENT_HOUR.total_seconds()


def _midnight_s(day: str) -> float:
    return datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()
