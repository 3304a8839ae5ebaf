"""Whatever stands in a body, the simulator answers or refuses; it never falls over."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from tests.simulator.client import SONNET, Json, Simulated, text_block, tool

ODD: list[Any] = [None, [], {}, "", -1, 1.5, True, [[]], [{}], {"type": []}]

RICH: Json = {
    "model": SONNET,
    "max_tokens": 300,
    "stream": False,
    "system": [text_block("s" * 5000, "1h")],
    "tools": [
        tool("get_weather", city={"type": "string", "minLength": 2}, days={"enum": [1, 2]}),
        {"type": "web_search_20260318", "name": "web_search", "max_uses": 2},
    ],
    "tool_choice": {"type": "auto"},
    "thinking": {"type": "adaptive"},
    "output_config": {
        "effort": "high",
        "format": {
            "type": "json_schema",
            "schema": {
                "type": "object",
                "additionalProperties": False,
                "properties": {"a": {"type": "array", "items": {"$ref": "#/$defs/x"}}},
                "$defs": {"x": {"type": "string"}},
            },
        },
    },
    "stop_sequences": ["x"],
    "metadata": {"user_id": "u"},
    "messages": [
        {
            "role": "user",
            "content": [
                text_block("Use get_weather and search."),
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": "aGk="},
                },
                {
                    "type": "document",
                    "source": {"type": "content", "content": [text_block("q")]},
                    "citations": {"enabled": True},
                },
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "t", "signature": "s"},
                {"type": "tool_use", "id": "t1", "name": "get_weather", "input": {"a": 1}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": [text_block("r", "5m")]}
            ],
        },
    ],
}


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, found in inner:
        yield (*at, key)
        if isinstance(found, dict | list):
            yield from paths(found, (*at, key))


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_an_odd_value_anywhere_is_answered_or_refused(sim: Simulated, odd: Any) -> None:
    assert sim.send(RICH).status_code == 200
    for path in paths(RICH):
        body = copy.deepcopy(RICH)
        target = body
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = odd
        answer = sim.send(body)
        assert answer.status_code in {200, 400, 404}, (path, answer.text)


def test_schemas_without_an_end_are_answered_all_the_same(sim: Simulated) -> None:
    endless = {
        "type": "object",
        "required": ["next", "both", "many"],
        "properties": {
            "next": {"$ref": "#"},
            "both": {"allOf": [{"$ref": "#/properties/both"}]},
            "many": {"type": "array", "items": {"type": "null"}, "minItems": 10**9},
        },
    }
    body = {
        "model": SONNET,
        "max_tokens": 1000,
        "messages": [{"role": "user", "content": "Use endless."}],
        "tools": [{"name": "endless", "input_schema": endless}],
    }
    assert sim.ask(body)["stop_reason"] == "max_tokens"
