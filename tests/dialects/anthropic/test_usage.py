from __future__ import annotations

from typing import Any

import pytest

from app.core.errors import APIResponseValidationError
from app.core.usage import Part, Usage
from app.dialects.anthropic.usage import caught_up, in_one_form, usage_from

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


WORDS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"speed": "standard", "inference_geo": "global", "service_tier": "priority"}, {}),
    ({"speed": None, "inference_geo": "not_available", "service_tier": None}, {}),
    ({"speed": "turbo"}, {"fast": True, "unknown": ("speed",)}),
    ({"speed": 3}, {"fast": True, "unknown": ("speed",)}),
    ({"speed": []}, {"fast": True, "unknown": ("speed",)}),
    ({"inference_geo": "mars"}, {"us": True, "unknown": ("geo",)}),
    (
        {"speed": "slow", "inference_geo": "eu"},
        {"fast": True, "us": True, "unknown": ("speed", "geo")},
    ),
    ({"speed": "fast", "inference_geo": "eu"}, {"fast": True, "us": True, "unknown": ("geo",)}),
]


@pytest.mark.parametrize(("fields", "terms"), WORDS)
def test_a_word_for_speed_or_place_that_is_not_known_is_never_the_cheap_one(
    fields: dict[str, Any], terms: dict[str, Any]
) -> None:
    assert usage_from({**BASE, **fields}) == Usage(input_tokens=10, output_tokens=5, **terms)


CACHED = {"cache_creation_input_tokens": 7, "cache_read_input_tokens": 3}
MESSAGE = {"type": "message", "input_tokens": 10, "output_tokens": 5, **CACHED}
COMPACTION = {"type": "compaction", "input_tokens": 1000, "output_tokens": 200, **CACHED}
ADVISOR = {"type": "advisor_message", "model": "m", "input_tokens": 4, "output_tokens": 2}


def test_iterations_are_the_bill_and_the_counts_their_sums() -> None:
    usage = usage_from({**BASE, **CACHED, "iterations": [MESSAGE, COMPACTION, ADVISOR]})
    assert usage == Usage(
        input_tokens=1_014,
        cache_write_5m_tokens=14,
        cache_read_tokens=6,
        output_tokens=207,
        parts=(
            Part("message", Usage(10, 7, 0, 3, 5)),
            Part("compaction", Usage(1_000, 7, 0, 3, 200)),
            Part("advisor_message", Usage(4, 0, 0, 0, 2), "m"),
        ),
    )


def test_a_single_plain_iteration_needs_no_telling() -> None:
    assert usage_from({**BASE, "iterations": [MESSAGE]}) == Usage(10, 7, 0, 3, 5)


@pytest.mark.parametrize("iterations", [None, []])
def test_no_iterations_are_none(iterations: object) -> None:
    assert usage_from({**BASE, "iterations": iterations}) == Usage(10, 0, 0, 0, 5)


def test_totals_are_charged_beside_iterations_that_leave_the_answer_out() -> None:
    usage = usage_from({**BASE, **CACHED, "iterations": [COMPACTION]})
    assert [(part.kind, part.usage) for part in usage.parts] == [
        ("compaction", Usage(1_000, 7, 0, 3, 200)),
        ("message", Usage(10, 7, 0, 3, 5)),
    ]
    assert (usage.input_tokens, usage.output_tokens) == (1_010, 205)


def test_the_terms_of_the_request_hold_for_each_part_and_searches_for_the_last_answer() -> None:
    fields = {"speed": "fast", "inference_geo": "us", "service_tier": "batch"}
    tools = {"server_tool_use": {"web_search_requests": 3}}
    usage = usage_from({**BASE, **fields, **tools, "iterations": [MESSAGE, MESSAGE, ADVISOR]})
    assert [(p.usage.fast, p.usage.us, p.usage.batch) for p in usage.parts] == [(True,) * 3] * 3
    assert [part.usage.web_search_requests for part in usage.parts] == [0, 3, 0]
    assert usage.web_search_requests == 3


def test_writes_of_a_part_that_no_split_names_count_as_the_request_marked_them() -> None:
    told = {**MESSAGE, "cache_creation": {"ephemeral_5m_input_tokens": 7}}
    usage = usage_from({**BASE, "iterations": [MESSAGE, told]}, unsplit_1h=True)
    assert [part.usage for part in usage.parts] == [Usage(10, 0, 7, 3, 5), Usage(10, 7, 0, 3, 5)]


ADVISED = {"type": "advisor_message", "input_tokens": 0, "output_tokens": 0}
ODD_PARTS: list[tuple[dict[str, Any], Part]] = [
    ({"type": "dream", "input_tokens": 3}, Part("dream", Usage(3))),
    ({"input_tokens": 3}, Part("unreadable", Usage(3))),
    ({"type": 7, "output_tokens": 3}, Part("unreadable", Usage(output_tokens=3))),
    (ADVISED | {"model": 7}, Part("advisor_message", Usage(), "unreadable")),
    (ADVISED | {"model": ""}, Part("advisor_message", Usage())),
    # of what is known one counts on both: without them nobody can tell what it costs
    ({"type": "compaction", "input_tokens": 3}, Part("uncounted", Usage(3))),
    ({"type": "advisor_message", "model": "opus"}, Part("uncounted", Usage(), "opus")),
]


@pytest.mark.parametrize(("entry", "part"), ODD_PARTS)
def test_a_part_of_an_unknown_kind_keeps_its_word_and_its_counts(
    entry: dict[str, Any], part: Part
) -> None:
    usage = usage_from({**BASE, "iterations": [MESSAGE, entry]})
    assert usage.parts[1] == part


def test_an_answer_whose_parts_count_nothing_is_charged_by_its_totals() -> None:
    usage = usage_from({**BASE, "iterations": [{"type": "message"}]})
    assert [part.kind for part in usage.parts] == ["uncounted", "message"]
    assert usage.parts[1].usage == usage_from(BASE)


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
    {**BASE, "iterations": [{"type": "dream", "output_tokens": "many"}]},
    {**BASE, "iterations": [MESSAGE, None]},
    {**BASE, "iterations": "all of them"},
]


@pytest.mark.parametrize("raw", UNREADABLE)
def test_a_count_that_cannot_be_read_is_never_free(raw: object) -> None:
    with pytest.raises(APIResponseValidationError):
        usage_from(raw)


STALE: list[tuple[list[Any], dict[str, Any], list[int]]] = [
    # iterations of the start, the end's figures, output tokens of each iteration then
    ([MESSAGE], {"output_tokens": 50}, [50]),
    ([MESSAGE], {"output_tokens": 5}, [5]),
    ([MESSAGE, MESSAGE, ADVISOR], {"output_tokens": 50}, [5, 45, 2]),
    ([COMPACTION, MESSAGE], {"output_tokens": 6}, [200, 6]),
    ([COMPACTION], {"output_tokens": 50}, [200]),
    ([MESSAGE], {"output_tokens": 10, "iterations": [MESSAGE, MESSAGE]}, [5, 5]),
    ([MESSAGE], {"output_tokens": 50, "iterations": None}, [50]),
]


@pytest.mark.parametrize(("iterations", "later", "outputs"), STALE)
def test_iterations_that_a_later_event_leaves_out_gain_what_the_totals_do(
    iterations: list[Any], later: dict[str, Any], outputs: list[int]
) -> None:
    merged = {**BASE, **CACHED, "iterations": iterations} | later
    merged["iterations"] = later.get("iterations") or iterations
    caught = caught_up(merged, later)
    assert [entry["output_tokens"] for entry in caught["iterations"]] == outputs
    assert caught_up(caught, {"output_tokens": None}) == caught
    assert merged["iterations"] == (later.get("iterations") or iterations)


def test_iterations_that_cannot_be_read_are_left_for_whoever_prices_them() -> None:
    merged = {**BASE, "iterations": ["x"], "output_tokens": 9}
    assert caught_up(merged, {"output_tokens": 9}) is merged
    with pytest.raises(APIResponseValidationError):
        usage_from(merged)


def test_usages_are_told_in_iterations_if_one_of_them_is() -> None:
    assert in_one_form(BASE, BASE) == [BASE, BASE]
    plain, told = in_one_form(BASE, {**BASE, "iterations": [COMPACTION]})
    assert usage_from(plain) == usage_from(BASE)
    assert told["iterations"] == [COMPACTION]
