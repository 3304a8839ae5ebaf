"""Function tools as the vendor takes them, and the choice among them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from app.core.request import Block
from app.core.values import value
from app.dialects.json_values import as_flag, as_name, as_text, refuse
from app.dialects.openai.enforcement import Enforced, Room, enforced
from app.dialects.openai.tool_schemas import read_parameters

MODES: Mapping[str, str] = {"none": "none", "auto": "auto", "required": "any"}
NO_PARAMETERS: Mapping[str, Any] = {
    "type": "object",
    "properties": {},
    "additionalProperties": False,
}
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
Tools = tuple[Block, ...]
Choice = dict[str, Any]


@value
class Function:
    """A function as it is sent, and its schema as it is enforced, where it is to be and may be.

    `namespace` is the caller's, where the name that is sent holds one.
    """

    tool: Block
    strict: bool
    enforced: Enforced | None
    namespace: str | None = None


def read_function(function: Mapping[str, Any], where: str, mark: Block | None) -> Function:
    """One function; an Anthropic client's `input_schema` is what OpenAI's call `parameters`."""
    field = "parameters" if function.get("input_schema") is None else "input_schema"
    schema = read_parameters(function.get(field), f"{where}.{field}")
    tool: dict[str, Any] = {"name": as_tool_name(function.get("name"), f"{where}.name")}
    if function.get("description"):
        tool["description"] = as_text(function["description"], f"{where}.description")
    tool["input_schema"] = schema
    if mark is not None:
        tool["cache_control"] = mark
    strict = as_flag(function.get("strict"), f"{where}.strict")
    given = function.get(field) or NO_PARAMETERS
    return Function(tool, strict, enforced(given) if strict else None)


def as_tool_name(value: object, where: str) -> str:
    """A name that the vendor takes."""
    name = as_name(value, where)
    if not _NAME.fullmatch(name):
        refuse(where, f"must be 1 to 128 letters, digits, _ or -, got {name[:64]!r}")
    return name


def add_function(functions: dict[str, Function], added: Function, where: str) -> None:
    """Add it under its name; the same one once more adds nothing, and another one is refused."""
    name = added.tool["name"]
    if functions.setdefault(name, added) != added:
        refuse(f"{where}.name", f"another tool has the name {name!r}")


def tools_of(functions: Iterable[Function], room: Room) -> tuple[Tools, list[str]]:
    """The tools, the first of them enforced as far as there is room; and that for the report.

    The form of the answer comes after them: it may change from turn to turn, and tools that
    changed with it would lose the conversation's cache.
    """
    tools: list[Block] = []
    dropped: list[str] = []
    for function in functions:
        fitted = function.enforced
        if fitted is not None and room.take(fitted, tool=True):
            tools.append(_strict(function.tool, fitted))
            continue
        if function.strict:
            dropped = ["tools.strict"]
        tools.append(function.tool)
    return tuple(tools), dropped


def _strict(tool: Block, fitted: Enforced) -> Block:
    """The tool with its schema enforced, in the order that its cache knows."""
    mark = {"cache_control": tool["cache_control"]} if "cache_control" in tool else {}
    named = {name: tool[name] for name in ("name", "description") if name in tool}
    return {**named, "input_schema": fitted.schema, "strict": True, **mark}


def choice_of_mode(mode: str, tools: Tools, where: str) -> tuple[Tools, Choice | None]:
    if tools:
        return tools, {"type": mode}
    if mode == "any":
        refuse(where, "a tool call can't be required without tools")
    return tools, None
