"""Function tools in their flat form, alone or in namespaces, and the choice among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from app.core.values import value
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
    as_tool_name,
    choice_of_mode,
    read_function,
    tools_of,
)

_CHOICE = "tool_choice"
Given = tuple[str, Any]
"""A tool as it was given, behind the path where it stood."""


@value
class ToolSet:
    """The tools that may be called, Anthropic's `tool_choice`, and what was left out.

    `namespaced` tells namespace and name of a function by the name it is sent under.
    """

    tools: Tools
    choice: Choice | None
    dropped: tuple[str, ...]
    namespaced: Mapping[str, tuple[str, str]]


def read_tools(body: Mapping[str, Any], late: Sequence[Given], room: Room) -> ToolSet:
    """The `tools` of the body and the `late` ones that its input adds.

    Only functions can be called: other tools are left out and named in `dropped`, unless one
    of them is forced.  Raises BadRequest and UnsupportedParameter.
    """
    given = body.get("tools")
    early = [] if given is None else as_list(given, "tools", MOST_TOOLS)
    read = _Reading()
    for n, tool in enumerate(early):
        read.add(as_object(tool, f"tools[{n}]"), f"tools[{n}]")
    read.may_repeat = True
    for where, tool in late:
        read.add(as_object(tool, where), where)
    every, loosened = tools_of(read.functions.values(), room)
    callable_tools, choice = _choice(body.get("tool_choice"), every, read)
    flag = body.get("parallel_tool_calls")
    one_at_a_time = flag is not None and not as_flag(flag, "parallel_tool_calls")
    if one_at_a_time and callable_tools and choice != {"type": "none"}:
        choice = {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
    return ToolSet(callable_tools, choice, (*read.dropped, *loosened), read.namespaced)


def sent_name(namespace: str, name: str) -> str:
    """The vendor has no namespaces: there they are a part of the name."""
    return f"{namespace}__{name}"


@dataclass(slots=True)
class _Reading:
    """The tools as far as they have been read, by the name they are sent under.

    `may_repeat`: the input may add again what is there already; the first of a name stays.
    """

    functions: dict[str, Function] = field(default_factory=dict)
    namespaced: dict[str, tuple[str, str]] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)
    may_repeat: bool = False

    def add(self, tool: Mapping[str, Any], where: str, namespace: str | None = None) -> None:
        """Add one tool, or all of a namespace."""
        kind = as_name(tool.get("type", "function"), f"{where}.type")
        if kind == "namespace" and namespace is None:
            name = as_name(tool.get("name"), f"{where}.name")
            for n, given in enumerate(as_list(tool.get("tools"), f"{where}.tools", MOST_TOOLS)):
                at = f"{where}.tools[{n}]"
                self.add(as_object(given, at), at, name)
        elif kind != "function":
            self.dropped.append(f"tools.{kind}")
        else:
            self._add_function(tool, where, namespace)

    def _add_function(self, tool: Mapping[str, Any], where: str, namespace: str | None) -> None:
        if tool.get("name") is None and tool.get("function") is not None:  # as in chat
            where = f"{where}.function"
            tool = as_object(tool["function"], where)
        read = read_function(tool, where, cache_mark(tool, where))
        own_name = name = read.tool["name"]
        if namespace is not None:
            name = as_tool_name(sent_name(namespace, own_name), f"{where}.name")
            read = replace(read, tool={**read.tool, "name": name}, namespace=namespace)
        if self.may_repeat and name in self.functions:
            return
        add_function(self.functions, read, where)
        if namespace is not None:
            self.namespaced[name] = (namespace, own_name)


def _choice(value: object, tools: Tools, read: _Reading) -> tuple[Tools, Choice | None]:
    if value is None:
        return tools, None
    if isinstance(value, str):
        mode = MODES[one_of(value, _CHOICE, tuple(MODES))]
        if mode == "any" and read.dropped and not tools:
            _not_callable(read.dropped[0])
        return choice_of_mode(mode, tools, _CHOICE)
    choice = as_object(value, _CHOICE)
    kind = as_name(choice.get("type"), f"{_CHOICE}.type")
    if kind in MODES:
        return _choice(kind, tools, read)
    if kind == "allowed_tools":
        return _allowed(choice, tools, read)
    if kind != "function":
        _not_callable(f"tools.{kind[:64]}")
    return tools, {"type": "tool", "name": _named(choice, _CHOICE, read)}


def _not_callable(tool: str) -> NoReturn:
    unsupported(tool, "can't be called here; only function tools can")


def _named(choice: Mapping[str, Any], where: str, read: _Reading) -> str:
    if choice.get("name") is None and choice.get("function") is not None:  # as in chat
        where = f"{where}.function"
        choice = as_object(choice["function"], where)
    name = as_name(choice.get("name"), f"{where}.name")
    if choice.get("namespace") is not None:
        name = sent_name(as_name(choice["namespace"], f"{where}.namespace"), name)
    if name not in read.functions:
        refuse(f"{where}.name", f"{name[:64]!r} is not among the tools")
    return name


def _allowed(
    choice: Mapping[str, Any], tools: Tools, read: _Reading
) -> tuple[Tools, Choice | None]:
    """Only what is allowed may be called; what is no function was left out already.

    None of the tools, or one that must be called: the tools stay as they are, and so does their
    cache.  Any other selection can only be kept by leaving the other tools out.
    """
    mode = MODES[one_of(choice.get("mode"), f"{_CHOICE}.mode", ("auto", "required"))]
    given = as_list(choice.get("tools"), f"{_CHOICE}.tools", MOST_TOOLS)
    if not given:
        refuse(f"{_CHOICE}.tools", "at least one tool is needed")
    names: set[str] = set()
    kinds: list[str] = []
    for n, entry in enumerate(given):
        where = f"{_CHOICE}.tools[{n}]"
        tool = as_object(entry, where)
        kinds.append(as_name(tool.get("type", "function"), f"{where}.type"))
        if kinds[-1] == "function":
            names.add(_named(tool, where, read))
        elif kinds[-1] == "namespace":
            names |= {
                sent for sent, (space, _) in read.namespaced.items() if space == tool.get("name")
            }
    if not names:
        if mode == "any":
            _not_callable(f"tools.{kinds[0][:64]}")
        return tools, {"type": "none"} if tools else None
    if len(names) == 1 and mode == "any":
        return tools, {"type": "tool", "name": names.pop()}
    return tuple(tool for tool in tools if tool["name"] in names), {"type": mode}
