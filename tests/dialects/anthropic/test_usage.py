from __future__ import annotations

from typing import Any

import pytest

from app.core.errors import APIResponseValidationError
from app.core.usage import Usage
from app.dialects.anthropic.usage import merged_usage, usage_from

BASE = {"input_tokens": 10, "output_tokens": 5}


def split(write_5m: int | None, write_1h: int | None) -> dict[str, Any]:
    return {"ephemeral_5m_input_tokens": write_5m, "ephemeral_1h_input_tokens": write_1h}


CACHE = [
    # the vendor's fields                                              5m   1h  read
    ({}, (0, 0, 0)),
    ({"cache_creation_input_tokens": None, "cache_creation": None}, (0, 0, 0)),
    ({"cache_creation_input_tokens": 100}, (100, 0, 0)),
    ({"cache_creation_input_tokens": 100, "cache_creation": split(100, 0)}, (100, 0, 0)),
    ({"cache_creation_input_tokens": 100, "cache_creation": split(30, 70)}, (30, 70, 0)),
    ({"cache_creation_input_tokens": 100, "cache_creation": split(None, 70)}, (30, 70, 0)),
    ({"cache_creation_input_tokens": 100, "cache_creation": {}}, (100, 0, 0)),
    ({"cache_creation_input_tokens": 100, "cache_creation": split(20, 30)}, (70, 30, 0)),
    ({"cache_creation_input_tokens": 100, "cache_creation": split(90, 70)}, (90, 70, 0)),
    ({"cache_creation": split(40, 60)}, (40, 60, 0)),
    ({"cache_read_input_tokens": 900}, (0, 0, 900)),
]


@pytest.mark.parametrize(("fields", "counts"), CACHE)
def test_cache_counts_are_disjoint_and_what_no_split_names_is_a_5m_write(
    fields: dict[str, Any], counts: tuple[int, int, int]
) -> None:
    usage = usage_from({**BASE, **fields})
    assert usage == Usage(10, counts[0], counts[1], counts[2], 5)


UNSPLIT = [
    # the vendor's fields, after a request with a mark of one hour     5m   1h
    ({"cache_creation_input_tokens": 100}, (0, 100)),
    ({"cache_creation_input_tokens": 100, "cache_creation": None}, (0, 100)),
    ({"cache_creation_input_tokens": 100, "cache_creation": split(100, 0)}, (100, 0)),
    ({"cache_creation_input_tokens": 100, "cache_creation": split(20, 30)}, (20, 80)),
    ({"cache_creation_input_tokens": 100, "cache_creation": split(20, None)}, (20, 80)),
]


@pytest.mark.parametrize(("fields", "writes"), UNSPLIT)
def test_writes_that_no_split_names_count_as_the_request_marked_them(
    fields: dict[str, Any], writes: tuple[int, int]
) -> None:
    usage = usage_from({**BASE, **fields}, unsplit_1h=True)
    assert usage == Usage(10, *writes, 0, 5)


def test_everything_else_that_is_billed_is_read() -> None:
    usage = usage_from(
        {
            **BASE,
            "output_tokens_details": {"thinking_tokens": 4},
            "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 9},
            "speed": "fast",
            "inference_geo": "us",
            "service_tier": "batch",
        }
    )
    assert usage == Usage(
        input_tokens=10,
        output_tokens=5,
        reasoning_tokens=4,
        web_search_requests=3,
        fast=True,
        us=True,
        batch=True,
    )


def test_other_words_for_speed_place_and_tier_change_no_price() -> None:
    fields = {"speed": "standard", "inference_geo": "global", "service_tier": "priority"}
    assert usage_from({**BASE, **fields}) == Usage(input_tokens=10, output_tokens=5)


def test_a_compaction_is_billed_on_top_of_the_totals() -> None:
    entry = {"cache_creation_input_tokens": 7, "cache_read_input_tokens": 3}
    iterations = [
        {"type": "message", "input_tokens": 10, "output_tokens": 5, **entry},
        {"type": "compaction", "input_tokens": 1000, "output_tokens": 200, **entry},
    ]
    assert usage_from({**BASE, "iterations": iterations}) == Usage(
        input_tokens=1010, cache_write_5m_tokens=7, cache_read_tokens=3, output_tokens=205
    )


UNREADABLE: list[Any] = [
    None,
    [],
    "12",
    {},
    {"input_tokens": 10},
    {"output_tokens": 10},
    {"input_tokens": None, "output_tokens": 5},
    {**BASE, "input_tokens": -1},
    {**BASE, "input_tokens": 1.0},
    {**BASE, "input_tokens": "10"},
    {**BASE, "input_tokens": True},
    {**BASE, "output_tokens": 10**18},
    {**BASE, "cache_read_input_tokens": -5},
    {**BASE, "cache_creation_input_tokens": "5"},
    {**BASE, "cache_creation": 5},
    {**BASE, "cache_creation": {"ephemeral_1h_input_tokens": 0.5}},
    {**BASE, "server_tool_use": {"web_search_requests": "many"}},
    {**BASE, "output_tokens_details": []},
    {**BASE, "iterations": {"type": "compaction"}},
    {**BASE, "iterations": [{"type": "compaction", "input_tokens": -1}]},
]


@pytest.mark.parametrize("raw", UNREADABLE)
def test_a_count_that_cannot_be_read_is_never_free(raw: object) -> None:
    with pytest.raises(APIResponseValidationError):
        usage_from(raw)


def test_the_last_figure_that_is_not_null_stands() -> None:
    start = {
        **BASE,
        "cache_creation_input_tokens": 100,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 100},
        "server_tool_use": {"web_search_requests": 1},
    }
    later = {
        "input_tokens": None,
        "output_tokens": 80,
        "cache_creation_input_tokens": 100,
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": None},
    }
    merged = merged_usage(start, later)
    assert merged == {
        "input_tokens": 10,
        "output_tokens": 80,
        "cache_creation_input_tokens": 100,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 100},
        "server_tool_use": {"web_search_requests": 2},
    }
    assert start["output_tokens"] == 5
