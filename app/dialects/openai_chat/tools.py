"""Function tools, the choice among them, and schemas as the vendor takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
from app.dialects.openai.enforcement import Room
from app.dialects.openai.functions import (
    MODES,
    Choice,
    Function,
    Tools,
    add_function,
    choice_of_mode,
    read_function,
    tools_of,
)


def read_tools(body: Mapping[str, Any], room: Room) -> tuple[Tools, Choice | None, list[str]]:
    """The tools that may be called, Anthropic's `tool_choice`, and what was left out.

    The choice is None where none is needed.  The older `functions` follow the `tools`; what is
    enforced of them is taken from `room`.  Raises BadRequest and UnsupportedParameter.
    """
    functions: dict[str, Function] = {}
    for where, function in (*_tools(body.get("tools")), *_functions(body.get("functions"))):
        add_function(functions, function, where)
    every, dropped = tools_of(functions.values(), room)
    tools, choice = _choice(body, every)
    one_at_a_time = body.get("parallel_tool_calls") is not None and not as_flag(
        body["parallel_tool_calls"], "parallel_tool_calls"
    )
    if (one_at_a_time or in_the_older_form(body)) and tools and choice != {"type": "none"}:
        choice = {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
    return tools, choice, dropped


def in_the_older_form(body: Mapping[str, Any]) -> bool:
    """Whether a call must be told as `function_call`, of which an answer has room for one."""
    return bool(body.get("functions")) and not body.get("tools")


def _tools(value: object) -> list[tuple[str, Function]]:
    """Each tool behind the path where its name stands.

    The fields of a function may stand in the tool itself, as in other APIs: Anthropic's too.
    """
    if value is None:
        return []
    tools = []
    for n, given in enumerate(as_list(value, "tools", MOST_TOOLS)):
        where = f"tools[{n}]"
        tool = as_object(given, where)
        if tool.get("type", "function") != "function" and tool.get("input_schema") is None:
            unsupported(where, "only function tools are supported")
        function, mark = tool, cache_mark(tool, where)
        if tool.get("function") is not None or tool.get("name") is None:
            where = f"{where}.function"
            function = as_object(tool.get("function"), where)
            mark = mark or cache_mark(function, where)
        tools.append((where, read_function(function, where, mark)))
    return tools


def _functions(value: object) -> list[tuple[str, Function]]:
    if value is None:
        return []
    given = as_list(value, "functions", MOST_TOOLS)
    paths = [f"functions[{n}]" for n in range(len(given))]
    return [
        (where, read_function(as_object(function, where), where, None))
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
    if isinstance(kind, str) and kind in MODES:
        return choice_of_mode(MODES[kind], tools, where)
    if one_of(kind, f"{where}.type", ("function", "tool", "allowed_tools")) != "allowed_tools":
        name = _named(choice, where, {tool["name"] for tool in tools})
        return tools, {"type": "tool", "name": name}
    allowed = as_object(choice.get("allowed_tools"), f"{where}.allowed_tools")
    return _allowed(allowed, f"{where}.allowed_tools", tools)


def _named(choice: Mapping[str, Any], where: str, known: set[str]) -> str:
    """The function's name, in a `function` or beside the type, which must be a `known` one."""
    if choice.get("function") is not None or choice.get("name") is None:
        where = f"{where}.function"
        choice = as_object(choice.get("function"), where)
    name = as_name(choice.get("name"), f"{where}.name")
    if name not in known:
        refuse(f"{where}.name", f"{name[:64]!r} is not among the tools")
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
