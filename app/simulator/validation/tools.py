"""Tools and the choice between them."""

from __future__ import annotations

import re
from typing import Final

from app.simulator.errors import invalid
from app.simulator.json_values import JsonObject, as_object
from app.simulator.validation.asked import (
    Asked,
    refuse_extra,
    require_list,
    require_object,
    require_text,
)
from app.simulator.validation.schemas import check_keys, check_schema
from app.simulator.validation.strict_schemas import check_strict

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_CUSTOM_FIELDS: Final = frozenset(
    {
        "type",
        "name",
        "description",
        "input_schema",
        "strict",
        "cache_control",
        "defer_loading",
        "eager_input_streaming",
        "input_examples",
        "allowed_callers",
    }
)
_UNIONS: Final = ("oneOf", "allOf", "anyOf")
_BUILT_IN: Final = re.compile(
    r"(web_search|web_fetch|code_execution|tool_search_tool_bm25|tool_search_tool_regex|memory"
    r"|bash|text_editor|computer|computer_toolset|browser_toolset)_20\d{6}"
)
_CHOICE_FIELDS: Final = {
    "auto": frozenset({"type", "disable_parallel_tool_use"}),
    "any": frozenset({"type", "disable_parallel_tool_use"}),
    "tool": frozenset({"type", "name", "disable_parallel_tool_use"}),
    "none": frozenset({"type"}),
}


def check_tools(asked: Asked) -> None:
    tools = asked.body.get("tools")
    names: list[str] = []
    for at, tool in enumerate(require_list(tools, "tools") if tools is not None else []):
        _check_tool(asked, tool, at)
        names.append(str(tool.get("name", "")))
    if len(set(names)) != len(names):
        raise invalid("tools: Tool names must be unique.")
    if asked.body.get("tool_choice") is not None:
        _check_choice(asked, require_object(asked.body["tool_choice"], "tool_choice"), names)


def _check_tool(asked: Asked, tool: JsonObject, at: int) -> None:
    kind = tool.get("type") or "custom"
    if kind != "custom":
        if not isinstance(kind, str) or not (asked.beta or _BUILT_IN.fullmatch(kind)):
            raise invalid(f"tools.{at}: Input tag '{kind}' found using 'type' is not known")
        return
    where = f"tools.{at}.custom"
    refuse_extra(tool, _CUSTOM_FIELDS, f"{where}.")
    if not _NAME.fullmatch(require_text(tool.get("name"), f"{where}.name")):
        raise invalid(f"{where}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
    if "input_schema" not in tool:
        raise invalid(f"{where}.input_schema: Field required")
    schema = require_object(tool["input_schema"], f"{where}.input_schema")
    if schema.get("type") != "object":
        raise invalid(f"{where}.input_schema.type: Input should be 'object'")
    if any(name in schema for name in _UNIONS):
        raise invalid(
            f"{where}.input_schema: input_schema does not support oneOf, allOf, or anyOf at the "
            "top level"
        )
    check_schema(schema, f"{where}.input_schema")
    check_keys(schema, f"{where}.input_schema")
    if tool.get("strict") is True:
        check_strict(schema, where)
    if tool.get("defer_loading") is True and tool.get("cache_control") is not None:
        raise invalid(f"tools.{at}: cache_control cannot be set on a tool with defer_loading")


def _check_choice(asked: Asked, choice: JsonObject, names: list[str]) -> None:
    kind = require_text(choice.get("type"), "tool_choice.type")
    if kind not in _CHOICE_FIELDS:
        raise invalid(f"tool_choice.type: Input should be one of {', '.join(_CHOICE_FIELDS)}")
    refuse_extra(choice, _CHOICE_FIELDS[kind], f"tool_choice.{kind}.")
    if kind in {"any", "tool"} and not asked.model.forced_tool:
        raise invalid('tool_choice: type "tool" and "any" are not supported for this model.')
    if not names and kind != "none":
        raise invalid("tool_choice: may only be specified while providing tools.")
    if kind == "tool":
        name = require_text(as_object(choice).get("name"), "tool_choice.tool.name")
        if name not in names:
            raise invalid(f"Tool '{name}' not found in provided tools")
