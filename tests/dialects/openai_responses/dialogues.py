"""Reads the golden dialogues of the Responses API; their form is that of Chat Completions'."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from app.core.request import Request
from app.dialects.openai_responses.request import ResponsesCall
from tests.dialects.openai_chat.dialogues import OPENING, RECEIPT, reply, sections

__all__ = ["OPENING", "RECEIPT", "reply", "sections"]

FIXTURES = Path(__file__).parent / "fixtures"

# the least that an answer has to repeat
CALL = ResponsesCall(
    request=Request(model="auto", messages=()),
    echo={"parallel_tool_calls": True, "tool_choice": "auto", "tools": []},
    sealed_thinking=False,
    namespaced={"crm__go": ("crm", "go")},
)
SEALED = replace(CALL, sealed_thinking=True)


def dialogues(folder: str) -> list[Path]:
    return sorted((FIXTURES / folder).glob("*.txt"))


def call_of(parts: dict[str, str]) -> ResponsesCall:
    return SEALED if "include" in parts else CALL


def canonical(call: ResponsesCall) -> dict[str, Any]:
    """Everything that the call says and that is not the default; its echo aside."""
    request = call.request
    every = {
        "model": request.model,
        "system": list(request.system),
        "messages": list(request.messages),
        "tools": list(request.tools),
        "max_tokens": request.max_tokens,
        "stream": request.stream,
        "options": dict(request.options),
        "reasoning_effort": request.reasoning_effort,
        "wishes": list(request.wishes),
        "no_added_breakpoints": not request.cache,
        "end_user": request.end_user,
        "tags": list(request.tags),
        "dropped": list(request.dropped),
        "sealed_thinking": call.sealed_thinking,
        "namespaced": {sent: list(names) for sent, names in call.namespaced.items()},
    }
    return {name: value for name, value in every.items() if value}
