"""The advisor tool: sub-calls on another model, each of which reads the whole conversation."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from app.simulator.errors import invalid
from app.simulator.facts import Model
from app.simulator.json_values import JsonObject, as_objects
from app.simulator.lifetimes import find_model
from app.simulator.prompt import read_prompt
from app.simulator.tokens import text_tokens

ADVISOR: Final = "advisor_20260301"
_WANTED: Final = re.compile(r"\badvi[cs]", re.IGNORECASE)
_ADVICE: Final = "Take the smallest step first, and look at what it changes. " * 8
_MOST: Final = 3


def consult(
    body: JsonObject, asked: str, times: int | None, now_s: float, new_id: Callable[[str], str]
) -> tuple[list[JsonObject], list[JsonObject]]:
    """The blocks of the consultations and their entries in `usage.iterations`.

    Without `times` once, where the question speaks of advice.  Raises ApiError when the tool
    names no model.
    """
    offered = next((t for t in as_objects(body.get("tools")) if t.get("type") == ADVISOR), None)
    if offered is None:
        return [], []
    advisor = find_model(offered.get("model"), now_s)
    most = offered.get("max_uses")
    if most is not None and (not isinstance(most, int) or most < 1):
        raise invalid("tools: max_uses: Input should be a valid integer, at least 1")
    wanted = times if times is not None else int(bool(_WANTED.search(asked)))
    blocks: list[JsonObject] = []
    entries: list[JsonObject] = []
    for _ in range(min(wanted, most or _MOST)):
        call_id = new_id("srvtoolu_")
        blocks += [
            {"type": "server_tool_use", "id": call_id, "name": "advisor", "input": {}},
            {
                "type": "advisor_tool_result",
                "tool_use_id": call_id,
                "content": {"type": "advisor_result", "text": _ADVICE, "stop_reason": "end_turn"},
            },
        ]
        entries.append(_entry(body, offered, advisor))
    return blocks, entries


def _entry(body: JsonObject, offered: JsonObject, advisor: Model) -> JsonObject:
    output_tokens = text_tokens(_ADVICE, advisor)
    if isinstance(offered.get("max_tokens"), int):
        output_tokens = min(output_tokens, offered["max_tokens"])
    return {
        "type": "advisor_message",
        "model": advisor.id,
        "input_tokens": read_prompt(body, advisor).total_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output_tokens,
    }
