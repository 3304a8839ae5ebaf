"""The table of parameters holds for every parameter that OpenAI's own client can send."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_type_hints

import orjson
import pytest
from openai.types.responses import response_create_params

from app.core.adaptation import adapt
from app.core.models import Accepts
from app.dialects.openai_responses.parameters import RESPONSES_PARAMETERS
from app.dialects.openai_responses.request import ResponsesCall, parse
from tests.core.catalogs import SONNET


def ask(**fields: object) -> ResponsesCall:
    return parse(orjson.dumps({"model": "auto", "input": "Hi", **fields}))


def test_the_table_knows_every_parameter_of_the_client_and_the_session_s() -> None:
    streaming = get_type_hints(response_create_params.ResponseCreateParamsStreaming)
    assert set(RESPONSES_PARAMETERS) == {*streaming, "session_id"}
    assert all(parameter.says for parameter in RESPONSES_PARAMETERS.values())


def test_what_is_dropped_is_reported_and_changes_nothing_else() -> None:
    dropped = [n for n, entry in RESPONSES_PARAMETERS.items() if entry.treatment == "dropped"]
    assert sorted(dropped) == [
        "access_programs",
        "background_options",
        "context_management",
        "image",
        "max_tool_calls",
        "moderation",
        "prompt_cache_retention",
        "store",
        "truncation",
    ]
    for name in dropped:
        found = ask(**{name: "something"}).request
        assert found.dropped == (name,)
        assert not found.options


@pytest.mark.parametrize("name", sorted(set(RESPONSES_PARAMETERS) - {"model", "input"}))
def test_null_asks_for_nothing(name: str) -> None:
    assert ask(**{name: None}) == ask()


def test_neutral_values_ask_for_nothing() -> None:
    for name, entry in RESPONSES_PARAMETERS.items():
        for value in entry.neutral if entry.treatment != "mapped" else ():
            assert ask(**{name: value}) == ask()


def test_unknown_fields_are_reported() -> None:
    assert ask(client_metadata={"a": "b"}, seed=1).request.dropped == ("client_metadata", "seed")


@pytest.mark.parametrize("model", [{}, {"model": None}])
def test_a_body_that_names_no_model_means_the_default_one(model: dict[str, None]) -> None:
    body = orjson.dumps({**model, "input": "Hi"})
    assert parse(body, "sonnet").request.model == "sonnet"
    assert parse(body).request.model == "auto"


def test_an_effort_that_a_model_has_no_use_for_is_reported_under_its_own_name() -> None:
    model = replace(SONNET, accepts=Accepts(efforts=()))
    adapted = adapt(ask(reasoning={"effort": "low"}).request, model)
    assert adapted.dropped == ("reasoning.effort",)


EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh", "max"]


@pytest.mark.parametrize("effort", EFFORTS)
def test_every_effort_is_passed_on_in_openai_s_word(effort: str) -> None:
    assert ask(reasoning={"effort": effort}).request.reasoning_effort == effort


ECHOED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"instructions": "Be brief."}, {"instructions": "Be brief."}),
    ({"max_output_tokens": 9}, {"max_output_tokens": 9}),
    ({"metadata": {"a": "b", "n": 1}}, {"metadata": {"a": "b"}}),
    ({"parallel_tool_calls": False}, {"parallel_tool_calls": False}),
    ({"temperature": 2}, {"temperature": 1}),
    ({"user": "alice"}, {"user": "alice"}),
    ({"reasoning": {"effort": "low"}}, {"reasoning": {"effort": "low", "summary": None}}),
    ({"store": True}, {"store": False}),
    ({"truncation": "auto"}, {"truncation": "disabled"}),
    ({"text": {"format": {"type": "json_object"}}}, {"text": {"format": {"type": "json_object"}}}),
    ({"tool_choice": "none"}, {"tool_choice": "none"}),
    (
        {"tools": [{"type": "function", "name": "go"}, {"type": "web_search"}]},
        {
            "tools": [
                {
                    "type": "function",
                    "name": "go",
                    "description": None,
                    "parameters": {"type": "object", "properties": {}},
                    "strict": False,
                }
            ]
        },
    ),
]


@pytest.mark.parametrize(("fields", "echoed"), ECHOED)
def test_the_answer_repeats_what_was_honoured(
    fields: dict[str, Any], echoed: dict[str, Any]
) -> None:
    assert {**ask().echo, **echoed} == ask(**fields).echo
