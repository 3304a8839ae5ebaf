"""Function tools as the vendor takes them, and the choice among them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from app.core.request import Block
from app.dialects.json_values import as_flag, as_name, as_object, as_text, check_depth, refuse
from app.dialects.openai.schemas import closed

MODES: Mapping[str, str] = {"none": "none", "auto": "auto", "required": "any"}
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
Tools = tuple[Block, ...]
Choice = dict[str, Any]


def read_tool(function: Mapping[str, Any], where: str, mark: Block | None) -> Block:
    schema = _input_schema(function.get("parameters"), f"{where}.parameters")
    tool: dict[str, Any] = {"name": as_tool_name(function.get("name"), f"{where}.name")}
    if function.get("description"):
        tool["description"] = as_text(function["description"], f"{where}.description")
    tool["input_schema"] = schema
    if as_flag(function.get("strict"), f"{where}.strict"):
        tool["strict"] = True
        tool["input_schema"] = closed(schema)
    if mark is not None:
        tool["cache_control"] = mark
    return tool


def as_tool_name(value: object, where: str) -> str:
    """A name that the vendor takes."""
    name = as_name(value, where)
    if not _NAME.fullmatch(name):
        refuse(where, f"must be 1 to 128 letters, digits, _ or -, got {name[:64]!r}")
    return name


def _input_schema(value: object, where: str) -> dict[str, Any]:
    """The parameters' schema; the vendor insists on an object."""
    if value is None:
        return {"type": "object", "properties": {}}
    schema = as_object(value, where)
    check_depth(schema, where)
    if schema.get("type") is None:
        return {"type": "object", **{k: v for k, v in schema.items() if k != "type"}}
    if schema["type"] != "object":
        refuse(f"{where}.type", "the parameters of a function are an object")
    return schema


def choice_of_mode(mode: str, tools: Tools, where: str) -> tuple[Tools, Choice | None]:
    if tools:
        return tools, {"type": mode}
    if mode == "any":
        refuse(where, "a tool call can't be required without tools")
    return tools, None
