"""Names that nothing goes by, and what is said of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.core.errors import ModelNotAllowed
from app.core.model_names import check_allowed, model_not_found, nameable, nearest
from tests.core.catalogs import CATALOG, MODERN

NAMES = (
    *("auto", "haiku", "sonnet", "claude-haiku-4-5-20251001", "claude-sonnet-4-6"),
    *("claude-opus-5-5", "claude-opus-4-6", "anthropic/claude-sonnet-4.6", "claude-haiku-4-5"),
)
NEAREST = [
    ("Sonnet", "sonnet"),
    ("HAIKU ", "haiku"),
    ("claude-sonnet-4.6", "claude-sonnet-4-6"),
    ("claude_sonnet_4_6", "claude-sonnet-4-6"),
    ("claude-sonet-4-6", "claude-sonnet-4-6"),
    ("claude-opus-5.5", "claude-opus-5-5"),
    ("opus", "claude-opus-5-5"),
    ("claude-3-5-haiku-latest", "haiku"),
    ("claude-haiku-4-5@20251001", "claude-haiku-4-5-20251001"),
    ("anthropic/claude-haiku-4-5", "claude-haiku-4-5"),
    ("Auto", "auto"),
]


@pytest.mark.parametrize(("asked", "first"), NEAREST)
def test_the_nearest_name_is_told_first(asked: str, first: str) -> None:
    found = nearest(asked, NAMES)
    assert found[0] == first
    assert len(found) <= 3


@pytest.mark.parametrize("asked", ["gpt-4o", "", "x" * 100, "o"])
def test_for_a_name_that_is_like_none_the_first_ones_are_told(asked: str) -> None:
    assert nearest(asked, NAMES) == ("auto", "haiku", "sonnet")


def test_a_key_is_told_only_what_it_may_use() -> None:
    assert list(nameable(CATALOG, ("haiku",))) == ["auto", "haiku", "haiku-model", "small"]
    assert list(nameable(CATALOG, ("auto",))) == ["auto"]
    assert list(nameable(CATALOG, ("modern-model",))) == ["modern-model"]
    assert list(nameable(CATALOG, ())) == []
    told = model_not_found("Sonnet", CATALOG, ("haiku",))
    assert told.message == (
        "the model 'Sonnet' does not exist here; did you mean 'auto', 'haiku' or 'haiku-model'? "
        "GET /v1/models lists what this key may use"
    )
    assert told.param == "model"
    none = model_not_found("Sonnet", CATALOG, ())
    assert none.message == (
        "the model 'Sonnet' does not exist here; GET /v1/models lists what this key may use"
    )


def test_a_retired_model_is_neither_listed_nor_advised() -> None:
    end = datetime(2026, 11, 30, 17, tzinfo=UTC)
    old = replace(CATALOG.models["haiku-model"], retires=end)
    catalog = replace(CATALOG, models={**CATALOG.models, "haiku-model": old})
    before, after = catalog.at(end - timedelta(seconds=1)), catalog.at(end)
    assert list(nameable(before, None)) == [
        *("auto", "haiku", "sonnet", "haiku-model", "sonnet-model", "modern-model", "small")
    ]
    assert list(nameable(after, None)) == ["auto", "sonnet", "sonnet-model", "modern-model"]
    assert "'haiku" not in model_not_found("Haiku", after, None).message
    for name in ("haiku", "haiku-model", "small"):
        assert model_not_found(name, after, None).message == (
            "the model 'haiku-model' was retired by its vendor on 2026-11-30; "
            "GET /v1/models lists what this key may use"
        )


def test_a_name_of_any_length_is_told_short() -> None:
    assert len(model_not_found("x" * 10_000_000, CATALOG, None).message) < 300


def test_a_refusal_tells_what_the_key_may_use() -> None:
    with pytest.raises(ModelNotAllowed) as refused:
        check_allowed(MODERN, CATALOG, ("small", "auto"))
    assert refused.value.message == (
        "this key may not use the model 'modern-model'; it may use auto, haiku, haiku-model, small"
    )
    with pytest.raises(ModelNotAllowed) as refused:
        check_allowed(MODERN, CATALOG, ())
    assert refused.value.message.endswith("; it may use none")
