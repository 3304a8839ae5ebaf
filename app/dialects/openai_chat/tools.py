"""Function tools, the choice among them, and schemas as the vendor takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.core.request import Block
from app.dialects.ceilings import MOST_TOOLS
from app.dialects.json_values import (
    as_flag,
    as_list,
    as_name,
    as_object,
    cache_mark,
    one_of,
    refuse,
    unsupported,
)
from app.dialects.openai.functions import MODES, Choice, Tools, choice_of_mode, read_tool


def read_tools(body: Mapping[str, Any]) -> tuple[Tools, Choice | None]:
    """The tools that may be called and Anthropic's `tool_choice`, None where none is needed.

    The older `functions` follow the `tools`. Raises BadRequest and UnsupportedParameter.
    """
    by_name: dict[str, Block] = {}
    for where, tool in (*_tools(body.get("tools")), *_functions(body.get("functions"))):
        if by_name.setdefault(tool["name"], tool) is not tool:
            refuse(f"{where}.name", f"another tool has the name {tool['name']!r}")
    tools, choice = _choice(body, tuple(by_name.values()))
    one_at_a_time = body.get("parallel_tool_calls") is not None and not as_flag(
        body["parallel_tool_calls"], "parallel_tool_calls"
    )
    if (one_at_a_time or in_the_older_form(body)) and tools and choice != {"type": "none"}:
        choice = {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
    return tools, choice


def in_the_older_form(body: Mapping[str, Any]) -> bool:
    """Whether a call must be told as `function_call`, of which an answer has room for one."""
    return bool(body.get("functions")) and not body.get("tools")


def _tools(value: object) -> list[tuple[str, Block]]:
    """Each tool behind the path where its name stands."""
    if value is None:
        return []
    tools = []
    for n, given in enumerate(as_list(value, "tools", MOST_TOOLS)):
        where = f"tools[{n}]"
        tool = as_object(given, where)
        if tool.get("type", "function") != "function":
            unsupported(where, "only function tools are supported")
        function = as_object(tool.get("function"), f"{where}.function")
        mark = cache_mark(tool, where) or cache_mark(function, f"{where}.function")
        tools.append((f"{where}.function", read_tool(function, f"{where}.function", mark)))
    return tools


def _functions(value: object) -> list[tuple[str, Block]]:
    if value is None:
        return []
    given = as_list(value, "functions", MOST_TOOLS)
    paths = [f"functions[{n}]" for n in range(len(given))]
    return [
        (where, read_tool(as_object(function, where), where, None))
        for where, function in zip(paths, given, strict=True)
    ]


def _choice(body: Mapping[str, Any], tools: Tools) -> tuple[Tools, Choice | None]:
    value, where = body.get("tool_choice"), "tool_choice"
    if value is None and body.get("function_call") is not None:
        value, where = body["function_call"], "function_call"
        if isinstance(value, dict):
            value = {"type": "function", "function": value}
    if value is None:
        return tools, None
    if isinstance(value, str):
        mode = MODES[one_of(value, where, tuple(MODES))]
        return choice_of_mode(mode, tools, where)
    choice = as_object(value, where)
    kind = choice.get("type")
    if kind == "custom":
        unsupported(where, "only function tools are supported")
    if one_of(kind, f"{where}.type", ("function", "allowed_tools")) == "function":
        name = _named(choice, where, {tool["name"] for tool in tools})
        return tools, {"type": "tool", "name": name}
    allowed = as_object(choice.get("allowed_tools"), f"{where}.allowed_tools")
    return _allowed(allowed, f"{where}.allowed_tools", tools)


def _named(choice: Mapping[str, Any], where: str, known: set[str]) -> str:
    """The function's name in `{"function": {"name"}}`, which must be a `known` one."""
    function = as_object(choice.get("function"), f"{where}.function")
    name = as_name(function.get("name"), f"{where}.function.name")
    if name not in known:
        refuse(f"{where}.function.name", f"{name[:64]!r} is not among the tools")
    return name


def _allowed(allowed: Mapping[str, Any], where: str, tools: Tools) -> tuple[Tools, Choice | None]:
    """Only what is allowed may be called.

    All tools, or one that must be called: the tools stay as they are, and so does their cache.
    Any other selection can only be kept by leaving the other tools out.
    """
    mode = MODES[one_of(allowed.get("mode"), f"{where}.mode", ("auto", "required"))]
    known = {tool["name"] for tool in tools}
    names = set()
    for n, given in enumerate(as_list(allowed.get("tools"), f"{where}.tools", MOST_TOOLS)):
        at = f"{where}.tools[{n}]"
        choice = as_object(given, at)
        if choice.get("type", "function") != "function":
            unsupported(at, "only function tools are supported")
        names.add(_named(choice, at, known))
    if not names:
        refuse(f"{where}.tools", "at least one tool is needed")
    if len(names) == 1 and mode == "any":
        return tools, {"type": "tool", "name": names.pop()}
    return tuple(tool for tool in tools if tool["name"] in names), {"type": mode}
