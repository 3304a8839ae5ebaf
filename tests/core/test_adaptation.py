from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.core.adaptation import adapt
from app.core.models import EFFORTS as LEVELS
from app.core.models import Accepts, Model
from app.core.request import CONTINUE, Request
from tests.core.catalogs import HAIKU, MODERN, SONNET

USER = {"role": "user", "content": "hi"}


def asked(**options: Any) -> Request:
    return Request("auto", (USER,), max_tokens=10, options=options, original=b"{}")


def accepting(**accepts: Any) -> Model:
    return replace(SONNET, accepts=Accepts(**accepts))


def test_nothing_to_adapt_hands_the_same_request_back() -> None:
    request = asked(stop_sequences=["x"])
    assert adapt(request, SONNET) is request


SAMPLING = [
    # model, options, what is left, what was dropped
    (SONNET, {"temperature": 0.5}, {"temperature": 0.5}, ()),
    (SONNET, {"temperature": 0.5, "top_p": 0.9}, {"temperature": 0.5}, ("top_p",)),
    (MODERN, {"temperature": 0.5, "top_p": 0.9}, {}, ("temperature", "top_p")),
    (
        SONNET,
        {"temperature": 1, "thinking": {"type": "adaptive"}},
        {"thinking": {"type": "adaptive"}},
        ("temperature",),
    ),
]


@pytest.mark.parametrize(("model", "options", "left", "dropped"), SAMPLING)
def test_sampling_is_dropped_where_it_is_refused(
    model: Model, options: dict[str, Any], left: dict[str, Any], dropped: tuple[str, ...]
) -> None:
    adapted = adapt(asked(**options), model)
    assert adapted.options == left
    assert adapted.dropped == dropped
    assert adapted.original is None or not dropped


def test_fast_mode_is_dropped_where_there_is_none() -> None:
    plain = adapt(asked(speed="fast"), SONNET)
    assert plain.options == {}
    assert plain.dropped == ("service_tier",)
    assert adapt(asked(speed="fast"), accepting(fast=True)).options == {"speed": "fast"}


def test_an_answer_is_clamped_to_the_models_maximum() -> None:
    assert adapt(replace(asked(), max_tokens=64_001), HAIKU).max_tokens == 64_000
    assert adapt(replace(asked(), max_tokens=64_000), HAIKU).max_tokens == 64_000


EFFORTS = [
    # model's thinking, its levels, asked, options, dropped
    ("adaptive", LEVELS, "high", {"output_config": {"effort": "high"}}, ()),
    ("adaptive", LEVELS, "minimal", {"output_config": {"effort": "low"}}, ()),
    ("adaptive", LEVELS, "max", {"output_config": {"effort": "max"}}, ()),
    ("adaptive", LEVELS, "none", {"thinking": {"type": "disabled"}}, ()),
    ("between_tools", LEVELS, "none", {"thinking": {"type": "between_tools"}}, ()),
    ("always", LEVELS, "none", {"output_config": {"effort": "low"}}, ()),
    ("budget", (), "none", {}, ()),
    ("budget", (), "high", {}, ("reasoning_effort",)),
    # a level that the model lacks: the nearest one, of two the weaker
    (
        "adaptive",
        ("low", "medium", "high", "max"),
        "xhigh",
        {"output_config": {"effort": "high"}},
        ("reasoning_effort",),
    ),
    (
        "adaptive",
        ("low", "medium", "high"),
        "max",
        {"output_config": {"effort": "high"}},
        ("reasoning_effort",),
    ),
    (
        "adaptive",
        ("medium", "high"),
        "minimal",
        {"output_config": {"effort": "medium"}},
        ("reasoning_effort",),
    ),
]


@pytest.mark.parametrize(("thinking", "efforts", "asked_for", "options", "dropped"), EFFORTS)
def test_effort_is_put_in_the_models_own_terms(
    thinking: str,
    efforts: tuple[str, ...],
    asked_for: str,
    options: dict[str, Any],
    dropped: tuple[str, ...],
) -> None:
    model = accepting(thinking=thinking, efforts=efforts)
    adapted = adapt(replace(asked(), reasoning_effort=asked_for), model)
    assert adapted.options == options
    assert adapted.dropped == dropped
    assert adapted.reasoning_effort is None


def test_effort_keeps_the_format_that_stands_beside_it() -> None:
    request = replace(
        asked(output_config={"format": {"type": "json_schema"}}), reasoning_effort="low"
    )
    assert adapt(request, SONNET).options["output_config"] == {
        "format": {"type": "json_schema"},
        "effort": "low",
    }


def test_a_forced_tool_becomes_a_wish_where_it_is_refused() -> None:
    choice = {"type": "tool", "name": "f", "disable_parallel_tool_use": True}
    adapted = adapt(asked(tool_choice=choice), MODERN)
    assert adapted.options["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert adapted.wishes == ("Call the tool `f` to answer.",)
    assert adapted.system == ()
    assert adapted.dropped == ("tool_choice",)
    assert adapt(asked(tool_choice={"type": "any"}), MODERN).options["tool_choice"] == {
        "type": "auto"
    }
    assert adapt(asked(tool_choice=choice), SONNET).options["tool_choice"] == choice


def test_an_answer_that_was_begun_is_asked_to_go_on_where_it_can_not_be_prefilled() -> None:
    turns = (USER, {"role": "assistant", "content": "The answer is"})
    begun = replace(asked(), messages=turns)
    adapted = adapt(begun, accepting(prefill=False))
    assert adapted.messages == turns
    assert adapted.wishes == (CONTINUE,)
    assert adapted.dropped == ("prefill",)
    assert adapted.original is None
    assert adapt(begun, accepting(prefill=True)) is begun
    answered = replace(asked(), messages=(*turns, USER))
    assert adapt(answered, accepting(prefill=False)) is answered


OWN_EFFORTS = [
    # levels, the caller's own output_config, what is left of it, dropped
    (LEVELS, {"effort": "max"}, {"effort": "max"}, ()),
    (("low", "high"), {"effort": "max"}, {"effort": "high"}, ("output_config.effort",)),
    ((), {"effort": "low"}, None, ("output_config.effort",)),
    (
        (),
        {"effort": "low", "format": {"type": "json_schema"}},
        {"format": {"type": "json_schema"}},
        ("output_config.effort",),
    ),
    ((), {"effort": "unheard-of"}, {"effort": "unheard-of"}, ()),
]


@pytest.mark.parametrize(("efforts", "config", "left", "dropped"), OWN_EFFORTS)
def test_anthropic_s_own_effort_is_put_in_the_models_levels(
    efforts: tuple[str, ...],
    config: dict[str, Any],
    left: dict[str, Any] | None,
    dropped: tuple[str, ...],
) -> None:
    adapted = adapt(asked(output_config=config), accepting(efforts=efforts))
    assert adapted.options.get("output_config") == left
    assert adapted.dropped == dropped
    assert (adapted.original is None) == bool(dropped)


SYSTEM = {"role": "system", "content": "be brief"}
FOLDED = {"type": "text", "text": "be brief"}
SAID = {"role": "assistant", "content": "yes"}
RESULT = {"type": "tool_result", "tool_use_id": "t", "content": "4"}
LATE = [
    ((USER, SYSTEM), ({"role": "user", "content": [{"type": "text", "text": "hi"}, FOLDED]},)),
    (
        (USER, SAID, SYSTEM, USER),
        (USER, SAID, {"role": "user", "content": [FOLDED, {"type": "text", "text": "hi"}]}),
    ),
    (
        (USER, SAID, SYSTEM, {"role": "user", "content": [RESULT]}),
        (USER, SAID, {"role": "user", "content": [RESULT, FOLDED]}),
    ),
    ((USER, SAID, SYSTEM), (USER, SAID, {"role": "user", "content": [FOLDED]})),
    (
        (USER, SAID, SYSTEM, SAID, USER),
        (USER, SAID, {"role": "user", "content": [FOLDED]}, SAID, USER),
    ),
    (
        (USER, SYSTEM, SAID, USER),
        ({"role": "user", "content": [{"type": "text", "text": "hi"}, FOLDED]}, SAID, USER),
    ),
]


@pytest.mark.parametrize(("turns", "folded"), LATE)
def test_a_late_system_message_is_folded_into_its_neighbour(
    turns: tuple[Any, ...], folded: tuple[Any, ...]
) -> None:
    request = replace(asked(), messages=turns)
    adapted = adapt(request, SONNET)
    assert adapted.messages == folded
    assert adapted.dropped == ()
    assert adapt(request, MODERN).messages == turns


def test_a_request_of_empty_system_messages_alone_stays_as_it_is() -> None:
    request = Request("m", ({"role": "system", "content": []},) * 2)
    assert adapt(request, HAIKU) is request
