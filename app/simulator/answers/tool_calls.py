"""Whether the simulated model calls tools, which, and with what input."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from app.simulator.answers.question import Question
from app.simulator.answers.relevance import most_relevant
from app.simulator.answers.schema_values import SchemaValues
from app.simulator.json_values import JsonObject, as_object, as_objects
from app.simulator.prompt import is_web_search

_ANY_TOOL: Final = re.compile(
    r"\b(?:use|call|invoke|run)\s+(?:the|a|an|your|any)\s+tools?\b", re.IGNORECASE
)
_SEARCH: Final = re.compile(r"\b(?:search|look up|google)\b", re.IGNORECASE)
_TIMES: Final = re.compile(r"\bsearch(?:es|ing)?\b.{0,40}?\b(\d{1,2})\s+times\b", re.IGNORECASE)
_MOST_SEARCHES: Final = 5
_MOST_CALLS_AT_ONCE: Final = 4
_MOST_CALLS: Final = 32  # in one conversation; more only where the request forces them


@dataclass(frozen=True, slots=True)
class ToolCall:
    name: str
    input: JsonObject


def choose_calls(body: JsonObject, question: Question) -> list[ToolCall]:
    """The calls to make now; none means that the answer is text."""
    tools = [tool for tool in as_objects(body.get("tools")) if _is_called_by_client(tool)]
    choice = as_object(body.get("tool_choice"))
    kind = choice.get("type", "auto")
    if not tools or kind == "none":
        return []
    if kind == "tool":
        chosen = [tool for tool in tools if tool["name"] == choice.get("name")]
    elif kind == "any":
        chosen = _forced(tools, question)
    else:
        chosen = _wanted(tools, question)
    if choice.get("disable_parallel_tool_use") is True:
        chosen = chosen[:1]
    return [ToolCall(str(tool["name"]), _input(tool, question)) for tool in chosen]


def choose_searches(body: JsonObject, question: Question) -> int:
    """How often web search is used: when offered and asked for, within its `max_uses`."""
    offered = [tool for tool in as_objects(body.get("tools")) if is_web_search(tool)]
    if not offered or not _SEARCH.search(question.text):
        return 0
    most = offered[0].get("max_uses")
    times = _TIMES.search(question.text)
    wanted = int(times[1]) if times else 1
    return min(wanted, most if isinstance(most, int) else _MOST_SEARCHES)


def _is_called_by_client(tool: JsonObject) -> bool:
    return "input_schema" in tool


def _wanted(tools: list[JsonObject], question: Question) -> list[JsonObject]:
    """Once for each thing that a person says: after the results comes the answer."""
    if question.tool_results or question.calls_so_far >= _MOST_CALLS:
        return []
    named = _mentioned(tools, question.text)[:_MOST_CALLS_AT_ONCE]
    if named:
        return named
    if _ANY_TOOL.search(question.text):
        return most_relevant(tools, question.text) or tools[:1]
    return most_relevant(tools, question.text)


def _forced(tools: list[JsonObject], question: Question) -> list[JsonObject]:
    """What has not been called yet comes first; when all have, the last one ends the loop."""
    fresh = [tool for tool in tools if tool["name"] not in question.called]
    named = _mentioned(fresh, question.text)[:_MOST_CALLS_AT_ONCE]
    return named or most_relevant(fresh, question.text) or fresh[:1] or tools[-1:]


def _mentioned(tools: list[JsonObject], text: str) -> list[JsonObject]:
    """In the order of mention; a name also counts with its parts set apart by spaces.

    A name that is an ordinary word ("Read") counts only as it is spelt.
    """
    found: list[tuple[int, JsonObject]] = []
    for tool in tools:
        name = str(tool["name"])
        spaced = re.sub(r"[_-]+", " ", name)
        forms = "|".join(re.escape(form) for form in (name, spaced))
        case = re.NOFLAG if name.isalpha() else re.IGNORECASE
        match = re.search(rf"(?<![\w-])(?:{forms})(?![\w-])", text, case)
        if match:
            found.append((match.start(), tool))
    return [tool for _, tool in sorted(found, key=lambda pair: pair[0])]


def _input(tool: JsonObject, question: Question) -> JsonObject:
    schema = as_object(tool.get("input_schema"))
    return as_object(SchemaValues(schema, question).value(schema))
