"""The table of parameters holds for every parameter that OpenAI's own client can send."""

from __future__ import annotations

from typing import Any, get_type_hints

import orjson
import pytest
from openai.types.chat import completion_create_params

from app.core.request import Request
from app.dialects.openai.parameters import MOST_DROPPED
from app.dialects.openai_chat.parameters import PARAMETERS
from app.dialects.openai_chat.request import parse

USER = {"role": "user", "content": "Hi"}


def request(**fields: object) -> Request:
    return parse(orjson.dumps({"model": "auto", "messages": [USER], **fields})).request


def test_the_table_knows_every_parameter_of_the_client_and_those_of_openrouter_s() -> None:
    streaming = get_type_hints(completion_create_params.CompletionCreateParamsStreaming)
    assert set(PARAMETERS) == {*streaming, "reasoning", "session_id"}
    assert all(parameter.says for parameter in PARAMETERS.values())


def test_what_is_dropped_is_reported_and_changes_nothing_else() -> None:
    dropped = [name for name, entry in PARAMETERS.items() if entry.treatment == "dropped"]
    assert sorted(dropped) == [
        "moderation",
        "prediction",
        "prompt_cache_retention",
        "seed",
        "store",
        "verbosity",
    ]
    for name in dropped:
        found = request(**{name: "something"})
        assert found.dropped == (name,)
        assert not found.options


@pytest.mark.parametrize("name", sorted(set(PARAMETERS) - {"model", "messages"}))
def test_null_asks_for_nothing(name: str) -> None:
    assert request(**{name: None}) == request()


def test_neutral_values_ask_for_nothing() -> None:
    for name, entry in PARAMETERS.items():
        for value in entry.neutral if entry.treatment != "mapped" else ():
            assert request(**{name: value}) == request()


@pytest.mark.parametrize("model", [{}, {"model": None}])
def test_a_body_that_names_no_model_means_the_default_one(model: dict[str, None]) -> None:
    body = orjson.dumps({**model, "messages": [USER]})
    assert parse(body, "sonnet").request.model == "sonnet"
    assert parse(body).request.model == "auto"
    assert parse(orjson.dumps({"model": "opus", "messages": [USER]}), "sonnet").request.model == (
        "opus"
    )


def test_a_temperature_that_is_capped_is_reported() -> None:
    assert request(temperature=1.01).dropped == ("temperature",)
    assert request(temperature=1.01).options == {"temperature": 1}
    assert request(temperature=1).dropped == ()


OLD = {"functions": [{"name": "go"}]}
TOOLS = {"tools": [{"type": "function", "function": {"name": "stop"}}]}
FORMS: list[tuple[dict[str, Any], bool, dict[str, Any] | None]] = [
    (OLD, True, {"type": "auto", "disable_parallel_tool_use": True}),
    ({**OLD, "function_call": "none"}, True, {"type": "none"}),
    ({**OLD, "tools": []}, True, {"type": "auto", "disable_parallel_tool_use": True}),
    ({**OLD, **TOOLS}, False, None),
    ({**TOOLS, "functions": []}, False, None),
    ({"functions": []}, False, None),
]


@pytest.mark.parametrize(("fields", "legacy", "choice"), FORMS)
def test_functions_alone_are_answered_in_their_own_form_with_one_call(
    *, fields: dict[str, Any], legacy: bool, choice: dict[str, Any] | None
) -> None:
    call = parse(orjson.dumps({"messages": [USER], **fields}))
    assert call.legacy_functions is legacy
    assert call.request.options.get("tool_choice") == choice


EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh", "max"]


@pytest.mark.parametrize("effort", EFFORTS)
def test_every_effort_is_passed_on_in_openai_s_word(effort: str) -> None:
    assert request(reasoning_effort=effort).reasoning_effort == effort


TIERS: list[tuple[str, dict[str, Any]]] = [
    ("auto", {"service_tier": "auto"}),
    ("default", {"service_tier": "standard_only"}),
    ("fast", {"speed": "fast"}),
]


@pytest.mark.parametrize(("tier", "options"), TIERS)
def test_a_service_tier_has_the_vendor_s_name(tier: str, options: dict[str, Any]) -> None:
    assert request(service_tier=tier).options == options


@pytest.mark.parametrize("field", ["user", "safety_identifier"])
def test_of_an_end_user_256_characters_are_kept(field: str) -> None:
    assert request(**{field: "u" * 512}).end_user == "u" * 256


def test_the_end_user_may_come_under_the_newer_name() -> None:
    found = request(safety_identifier="alice", user="")
    assert found.end_user == "alice"
    assert found.options["metadata"] == {
        "user_id": "2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90"
    }


def test_unknown_fields_are_reported_once_and_not_without_end() -> None:
    many = request(**{f"field_{n}": n for n in range(100)})
    assert MOST_DROPPED == 32
    assert many.dropped[:2] == ("field_0", "field_1")
    assert len(many.dropped) == 32
    again = request(messages=[{**USER, "mood": 1}, {**USER, "mood": 2}])
    assert again.dropped == ("messages.mood",)


def test_a_reported_name_fits_a_header() -> None:
    assert request(**{"a\r\nset-cookie: x=1, ü": 1}).dropped == ("a__set-cookie__x_1___",)
    assert request(**{"": 1}).dropped == ("_",)
    assert request(**{"x" * 500: 1}).dropped == ("x" * 64,)


def test_the_caller_s_schema_is_not_written_to() -> None:
    inner = {"type": "object", "properties": {"a": {"type": "object"}}}
    format_ = {"type": "json_schema", "json_schema": {"name": "x", "schema": inner}}
    first = request(response_format=format_)
    assert inner == {"type": "object", "properties": {"a": {"type": "object"}}}
    assert first == request(response_format=format_)


def test_tool_choices_without_tools_that_force_nothing_are_left_out() -> None:
    assert not request(tool_choice="auto", parallel_tool_calls=False).options
    assert not request(tool_choice="none").options


def test_all_tools_allowed_is_no_restriction() -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in "ab"]
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": tools}}
    found = request(tools=tools, tool_choice=choice)
    assert [tool["name"] for tool in found.tools] == ["a", "b"]
    assert found.options == {"tool_choice": {"type": "any"}}


def test_a_long_conversation_in_many_pieces_is_read_in_time() -> None:
    pieces = [{"role": "user", "content": "a"}] * 20_000
    found = request(messages=pieces)
    assert len(found.messages) == 1
    assert len(found.messages[0]["content"]) == 20_000
