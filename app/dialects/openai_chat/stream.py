"""Anthropic's stream events -> Chat Completions chunks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from app.core.receipt import Opening, Receipt
from app.dialects.json_text import dumps
from app.dialects.openai.answers import refusal_text, usage_json
from app.dialects.openai_chat.reply import completion_id, finish_reason

DONE = b"data: [DONE]\n\n"

Event = Mapping[str, Any]


@dataclass(slots=True)
class _Call:
    """One tool call under way; `number` counts tool calls, not content blocks."""

    number: int
    given: Mapping[str, Any]
    has_arguments: bool = False


class ChunkWriter:
    """Writes one stream. All but the text of a text chunk is built once, at its start."""

    def __init__(
        self,
        opening: Opening,
        include_usage: bool,  # noqa: FBT001 - a fact
        *,
        legacy_functions: bool = False,
    ) -> None:
        self._opening = opening
        self._legacy = legacy_functions
        self._usage_field = b',"usage":null' if include_usage else b""
        self._include_usage = include_usage
        self._calls: dict[int, _Call] = {}
        self._write_head(opening.request_id)
        self._writers: Mapping[str, Callable[[Event], bytes]] = {
            "message_start": self._message_start,
            "content_block_start": self._block_start,
            "content_block_delta": self._block_delta,
            "content_block_stop": self._block_stop,
            "message_delta": self._message_delta,
        }

    def feed(self, events: Sequence[Event]) -> bytes:
        """The chunks that `events` make, which may be none; other events are passed over."""
        return b"".join([self._write(event) for event in events])

    def finish(self, receipt: Receipt) -> bytes:
        """The usage chunk if it was asked for, and the end."""
        if not self._include_usage:
            return DONE
        usage = orjson.dumps(usage_json(receipt))
        return b'%b[],"usage":%b}\n\n%b' % (self._head, usage, DONE)

    def fail(self, message: str, code: str, kind: str) -> bytes:
        """An error event; nothing may follow it."""
        error = {"message": message, "type": kind, "param": None, "code": code}
        return b"data: %b\n\n" % orjson.dumps({"error": error})

    def _write_head(self, message_id: str) -> None:
        fields = {
            "id": completion_id(message_id),
            "object": "chat.completion.chunk",
            "created": self._opening.created,
            "model": self._opening.model,
            "system_fingerprint": None,
        }
        self._head = b'data: %b,"choices":' % orjson.dumps(fields)[:-1]
        self._before_delta = self._head + b'[{"index":0,"delta":'
        self._before_text = self._before_delta + b'{"content":'
        self._after_delta = b',"logprobs":null,"finish_reason":null}]%b}\n\n' % self._usage_field
        self._after_text = b"}" + self._after_delta

    def _write(self, event: Event) -> bytes:
        writer = self._writers.get(event.get("type", ""))
        return writer(event) if writer else b""

    def _delta(self, delta: Mapping[str, Any]) -> bytes:
        return b"%b%b%b" % (self._before_delta, orjson.dumps(delta), self._after_delta)

    def _text(self, text: str) -> bytes:
        if not text:
            return b""
        return b"%b%b%b" % (self._before_text, orjson.dumps(text), self._after_text)

    def _message_start(self, event: Event) -> bytes:
        self._write_head((event.get("message") or {}).get("id") or self._opening.request_id)
        return self._delta({"role": "assistant", "content": "", "refusal": None})

    def _block_start(self, event: Event) -> bytes:
        block = event.get("content_block") or {}
        if block.get("type") == "text":
            return self._text(block.get("text") or "")
        if block.get("type") != "tool_use":
            return b""
        if self._legacy and self._calls:  # the older form has room for one
            return b""
        call = _Call(len(self._calls), block.get("input") or {})
        self._calls[event.get("index", 0)] = call
        function = {"name": block.get("name"), "arguments": ""}
        if self._legacy:
            return self._delta({"function_call": function})
        opened = {"index": call.number, "id": block.get("id"), "type": "function"}
        return self._delta({"tool_calls": [{**opened, "function": function}]})

    def _block_delta(self, event: Event) -> bytes:
        delta = event.get("delta") or {}
        if delta.get("type") == "text_delta":
            return self._text(delta.get("text") or "")
        call = self._calls.get(event.get("index", 0))
        if delta.get("type") != "input_json_delta" or call is None:
            return b""
        return self._arguments(call, delta.get("partial_json") or "")

    def _block_stop(self, event: Event) -> bytes:
        """A call whose arguments never came as fragments gets those it began with."""
        call = self._calls.get(event.get("index", 0))
        if call is None or call.has_arguments:
            return b""
        return self._arguments(call, dumps(call.given).decode())

    def _arguments(self, call: _Call, fragment: str) -> bytes:
        if not fragment:
            return b""
        call.has_arguments = True
        if self._legacy:
            return self._delta({"function_call": {"arguments": fragment}})
        part = {"index": call.number, "function": {"arguments": fragment}}
        return self._delta({"tool_calls": [part]})

    def _message_delta(self, event: Event) -> bytes:
        delta = event.get("delta") or {}
        stop_reason = delta.get("stop_reason")
        if stop_reason is None:
            return b""
        refusal = refusal_text(stop_reason, delta.get("stop_details"))
        refused = self._delta({"refusal": refusal}) if refusal else b""
        reason = finish_reason(stop_reason, calls=bool(self._calls), legacy=self._legacy)
        ended = b'{},"logprobs":null,"finish_reason":"%b"}]%b}\n\n' % (
            reason.encode(),
            self._usage_field,
        )
        return refused + self._before_delta + ended
