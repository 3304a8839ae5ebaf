"""What the vendor says of a cache that missed: how a request differs from an earlier one."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

import orjson

from app.simulator.json_values import JsonObject, as_object, as_objects, content_blocks
from app.simulator.prompt import unmarked

_MOST_RECORDS: Final = 20_000
_OTHERS: Final = ("tool_choice", "thinking", "output_config")


@dataclass(frozen=True, slots=True)
class Record:
    """One request's parts, as far as they decide over the cache."""

    model: bytes
    system: bytes
    tools: bytes
    others: bytes
    messages: tuple[bytes, ...]
    prompt_tokens: int


@dataclass(slots=True)
class Diagnoses:
    """The requests that were answered last, by account and message."""

    _records: OrderedDict[tuple[str, str], Record] = field(default_factory=OrderedDict)

    def keep(self, account: str, message_id: str, record: Record) -> None:
        self._records[account, message_id] = record
        if len(self._records) > _MOST_RECORDS:
            self._records.popitem(last=False)

    def of(self, body: JsonObject, account: str, record: Record) -> JsonObject | None:
        """`diagnostics` of an answer; null where nothing is asked or nothing differs."""
        asked = as_object(body.get("diagnostics")).get("previous_message_id")
        if asked is None:
            return None
        before = self._records.get((account, asked))
        if before is None:
            return {"cache_miss_reason": {"type": "previous_message_not_found"}}
        kind = _difference(before, record)
        if kind is None:
            return None
        reason: JsonObject = {"type": kind}
        if kind != "unavailable":
            reason["cache_missed_input_tokens"] = before.prompt_tokens
        return {"cache_miss_reason": reason}


def record_of(body: JsonObject, model_id: str, prompt_tokens: int) -> Record:
    """The parts of a valid body; breakpoints are none of them."""
    messages = [
        (message["role"], [unmarked(block) for block in content_blocks(message.get("content"))])
        for message in as_objects(body.get("messages"))
    ]
    return Record(
        model=_digest((model_id, body.get("speed") or "standard")),
        system=_digest([unmarked(block) for block in content_blocks(body.get("system"))]),
        tools=_digest([unmarked(tool) for tool in as_objects(body.get("tools"))]),
        others=_digest([body.get(name) for name in _OTHERS]),
        messages=tuple(_digest(message) for message in messages),
        prompt_tokens=prompt_tokens,
    )


def _difference(before: Record, now: Record) -> str | None:
    for part in ("model", "system", "tools"):
        if getattr(before, part) != getattr(now, part):
            return f"{part}_changed"
    if before.others != now.others:
        return "unavailable"
    if now.messages[: len(before.messages)] != before.messages:
        return "messages_changed"
    return None


def _digest(part: object) -> bytes:
    return blake2b(orjson.dumps(part), digest_size=16).digest()
