"""Whatever the installed SDK of the vendor can say is classed, and nothing is known by accident."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from anthropic.types.beta import message_count_tokens_params, message_create_params
from anthropic.types.beta.beta_context_management_config_param import (
    BetaContextManagementConfigParam,
)
from anthropic.types.beta.beta_request_tool_addition_block_param import (
    BetaRequestToolAdditionBlockParam,
)
from anthropic.types.beta.beta_tool_union_param import BetaToolUnionParam

from app.core.known_features import (
    ADVISOR,
    BLOCKS,
    EDITS,
    FIELDS,
    MOST_USES,
    OTHER_MODELS,
    TOOL_DEFINITION,
    TOOL_REFERENCES,
    TOOLS,
    known_tool,
    max_uses,
)

OLDER = {"temperature", "top_k", "top_p", "output_format"}
OPENROUTER = {
    *("models", "plugins", "provider", "route", "session_id"),
    *("trace", "transforms", "usage", "user"),
}
WALKED = ("content", "tool_changes")  # fields of messages and blocks that hold blocks


def shapes(kind: Any) -> Iterator[Any]:
    """Every TypedDict that an annotation allows."""
    if hasattr(kind, "__required_keys__"):
        yield kind
    else:
        for part in get_args(kind):
            yield from shapes(part)


def literals(kind: Any) -> Iterator[str]:
    if get_origin(kind) is Literal:
        yield from get_args(kind)
    else:
        for part in get_args(kind):
            yield from literals(part)


def types_of(kind: Any) -> set[str]:
    """The values of `type` that an annotation allows."""
    return {name for shape in shapes(kind) for name in literals(get_type_hints(shape)["type"])}


def block_types(kind: Any, seen: set[Any]) -> Iterator[str]:
    """The types of all blocks that can stand in `kind`, however deep."""
    for shape in shapes(kind):
        if shape in seen:
            continue
        seen.add(shape)
        fields = get_type_hints(shape)
        if "type" in fields:
            yield from literals(fields["type"])
        if "source" in fields:  # what a document holds
            for source in shapes(fields["source"]):
                yield from block_types(get_type_hints(source).get("content"), seen)
        for name in WALKED:
            yield from block_types(fields.get(name), seen)


BODY = {
    **get_type_hints(message_create_params.MessageCreateParamsStreaming),
    **get_type_hints(message_create_params.MessageCreateParamsNonStreaming),
    **get_type_hints(message_count_tokens_params.MessageCountTokensParams),
}


def test_every_field_of_the_sdk_is_classed_and_no_other_but_those_told_apart() -> None:
    assert len(BODY) > 20
    assert set(FIELDS) == set(BODY) | OLDER | OPENROUTER


def test_every_tool_of_the_sdk_is_classed_and_no_other() -> None:
    assert len(TOOLS) > 25
    assert set(TOOLS) == types_of(BetaToolUnionParam)


def test_every_block_of_the_sdk_is_classed_and_no_other() -> None:
    assert len(BLOCKS) > 35
    assert set(BLOCKS) == set(block_types(BODY["messages"], set()))
    assert set(block_types(BODY["system"], set())) == {"text"}


def test_every_edit_of_the_context_is_classed_and_no_other() -> None:
    edits = get_type_hints(BetaContextManagementConfigParam)["edits"]
    assert set(EDITS) == types_of(edits)


def test_a_tool_is_added_by_definition_or_by_a_reference_that_is_known() -> None:
    tool = get_type_hints(BetaRequestToolAdditionBlockParam)["tool"]
    assert types_of(tool) == {TOOL_DEFINITION, *TOOL_REFERENCES}


def models_named(kind: Any) -> set[str]:
    return {shape.__name__ for shape in shapes(kind) if "model" in get_type_hints(shape)}


def test_the_fields_and_tools_that_name_other_models_are_the_ones_known_to() -> None:
    naming = {name for name, kind in BODY.items() if name != "tools" and models_named(kind)}
    assert naming == {"fallbacks"}
    assert set(OTHER_MODELS) == {"fallbacks", "models"}
    [advisor] = [s for s in shapes(BetaToolUnionParam) if "model" in get_type_hints(s)]
    assert types_of(advisor) == {ADVISOR}


def test_a_tool_that_is_bounded_by_its_uses_has_a_field_for_them() -> None:
    for shape in shapes(BetaToolUnionParam):
        fields = get_type_hints(shape)
        for kind in literals(fields["type"]):
            assert (TOOLS[kind].bounded == "window") is ("max_uses" in fields), kind


@pytest.mark.parametrize(
    "kind", ["custom_search", "bash_", "bash_20250125", "web_search", "Custom", "", 3, ["custom"]]
)
def test_a_tool_is_known_by_its_whole_name_alone(kind: object) -> None:
    assert known_tool(kind).bounded == "unbounded"


def test_a_tool_without_a_type_is_the_callers_own() -> None:
    assert known_tool(None).bounded == known_tool("custom").bounded == "bytes"


USES = [(0, 0), (5, 5), (MOST_USES, 1_000), (1_001, None), (-1, None), (True, None), ("3", None)]


@pytest.mark.parametrize(("given", "uses"), [*USES, (2.0, None), (None, None)])
def test_uses_are_a_whole_number_that_is_some_bound(given: object, uses: int | None) -> None:
    assert max_uses({"max_uses": given}) == uses
