"""Anthropic's stream events -> the events of a response."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.core.receipt import Opening, Receipt
from app.dialects.json_text import dumps
from app.dialects.openai.answers import refusal_text
from app.dialects.openai_responses.reply import (
    CUT,
    Item,
    bare_id,
    call_item,
    message_item,
    reasoning_item,
    receipt_fields,
    refusal_part,
    response_end,
    response_head,
    text_part,
)
from app.dialects.openai_responses.request import ResponsesCall

Event = Mapping[str, Any]

# What a failed response may name as its error; anything else is the server's.
ERRORS: Mapping[str, str] = {
    "upstream_rate_limited": "rate_limit_exceeded",
    "invalid_request": "invalid_prompt",
}


@dataclass(slots=True)
class _Block:
    """A content block under way.

    `index` is the place of its item in the output, -1 while it has none; `begin` the bytes of
    a delta before its text; `pieces` the text so far; `given` the block as it began.
    """

    kind: str
    given: dict[str, Any]
    index: int = -1
    part: int = 0
    begin: bytes = b""
    pieces: list[str] = field(default_factory=list)


class EventWriter:
    """Writes one stream.  All but the text of a delta is built once, when its item begins.

    An item ends when the next one begins, or with the answer: only then is it known whether
    it was cut.
    """

    def __init__(self, opening: Opening, call: ResponsesCall) -> None:
        self._opening = opening
        self._call = call
        self._echo = dumps(call.echo)[1:]
        self._sequence = 0
        self._message_id = opening.request_id
        self._begun = self._ended = False
        self._stop_reason: str | None = None
        self._blocks: dict[int, _Block] = {}
        self._output: list[Item] = []
        self._open: list[int] = []
        self._writers: Mapping[str, Callable[[Event], bytes]] = {
            "message_start": self._message_start,
            "content_block_start": self._block_start,
            "content_block_delta": self._block_delta,
            "content_block_stop": self._block_stop,
            "message_delta": self._message_delta,
        }

    def feed(self, events: Sequence[Event]) -> bytes:
        """The events that `events` make, which may be none; unknown ones are passed over."""
        return b"".join([self._write(event) for event in events])

    def finish(self, receipt: Receipt) -> bytes:
        """The last event: the whole response, with its usage and cost."""
        before = b"" if self._ended else self._end(None, None)
        end = response_end(self._stop_reason)
        fields = {**end, "output": self._output, **receipt_fields(receipt)}
        return before + self._lifecycle(end["status"], fields)

    def fail(self, message: str, code: str, kind: str) -> bytes:
        """An error event and the failed response; nothing may follow."""
        before = b"" if self._begun else self._begin()
        error = {"code": code, "message": message, "param": None}
        told = self._event("error", error)
        fields = {
            "status": "failed",
            "error": {"code": ERRORS.get(code, "server_error"), "message": message, "type": kind},
            "incomplete_details": None,
            "output": [item for n, item in enumerate(self._output) if n not in self._open],
            "usage": None,
        }
        return before + told + self._lifecycle("failed", fields)

    def _write(self, event: Event) -> bytes:
        writer = self._writers.get(event.get("type", ""))
        return writer(event) if writer else b""

    def _event(self, kind: str, fields: Mapping[str, Any]) -> bytes:
        self._sequence += 1
        data = orjson.dumps({"type": kind, "sequence_number": self._sequence - 1, **fields})
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)

    def _lifecycle(self, kind: str, fields: Mapping[str, Any]) -> bytes:
        head = response_head(self._message_id, self._opening)
        response = orjson.dumps({**head, **fields})[:-1] + b"," + self._echo
        return self._event(f"response.{kind}", {"response": orjson.Fragment(response)})

    def _message_start(self, event: Event) -> bytes:
        self._message_id = (event.get("message") or {}).get("id") or self._message_id
        return self._begin()

    def _begin(self) -> bytes:
        self._begun = True
        fields: dict[str, Any] = {
            "status": "in_progress",
            "error": None,
            "incomplete_details": None,
            "output": [],
            "usage": None,
        }
        return self._lifecycle("created", fields) + self._lifecycle("in_progress", fields)

    def _block_start(self, event: Event) -> bytes:
        given = event.get("content_block") or {}
        block = _Block(given.get("type") or "", dict(given))
        self._blocks[event.get("index", 0)] = block
        bare = bare_id(self._message_id)
        if block.kind == "text":
            return self._text(block, block.given.get("text") or "")
        if block.kind == "tool_use":
            begun = self._add(block, call_item(bare, len(self._output), block.given, self._call))
            block.begin = self._before("function_call_arguments.delta", self._at(block))
            return begun
        if block.kind in ("thinking", "redacted_thinking"):
            return self._add(block, reasoning_item(bare, len(self._output)))
        return b""

    def _block_delta(self, event: Event) -> bytes:
        block = self._blocks.get(event.get("index", 0))
        delta = event.get("delta") or {}
        kind = delta.get("type")
        if block is None:
            return b""
        if kind == "text_delta":
            return self._text(block, delta.get("text") or "")
        if kind == "input_json_delta" and block.kind == "tool_use":
            return self._delta(block, delta.get("partial_json") or "")
        if kind == "thinking_delta":
            block.pieces.append(delta.get("thinking") or "")
        elif kind == "signature_delta":
            block.given["signature"] = delta.get("signature")
        return b""

    def _block_stop(self, event: Event) -> bytes:
        block = self._blocks.pop(event.get("index", 0), None)
        if block is None or block.index < 0:
            return b""
        if block.kind == "text":
            return self._end_text(block)
        item = self._output[block.index]
        if block.kind == "tool_use":
            return self._end_arguments(block, item)
        if self._call.sealed_thinking:
            if block.kind == "thinking":
                block.given["thinking"] = "".join(
                    [block.given.get("thinking") or "", *block.pieces]
                )
            item["encrypted_content"] = self._call.seal(block.given, self._opening)
        return b""

    def _message_delta(self, event: Event) -> bytes:
        delta = event.get("delta") or {}
        if delta.get("stop_reason") is None or self._ended:
            return b""
        return self._end(delta["stop_reason"], delta.get("stop_details"))

    def _end(self, stop_reason: str | None, details: Mapping[str, Any] | None) -> bytes:
        """Everything but the last event; blocks that were not stopped are."""
        self._ended = True
        self._stop_reason = stop_reason
        written = [self._block_stop({"index": n}) for n in list(self._blocks)]
        refusal = refusal_text(stop_reason, details)
        if refusal is not None:
            written.append(self._refuse(refusal))
        elif all(item["type"] == "reasoning" for item in self._output):
            block = _Block("text", {})
            written += [self._begin_text(block), self._end_text(block)]
        last = len(self._output) - 1
        cut = stop_reason in CUT
        written += [self._done(n, cut=cut and n == last) for n in self._open]
        self._open = []
        return b"".join(written)

    def _add(self, block: _Block, item: Item) -> bytes:
        """Begin an item; those before it whose blocks have all ended are done."""
        running = {other.index for other in self._blocks.values()}
        ended = [n for n in self._open if n not in running]
        self._open = [n for n in self._open if n in running]
        done = b"".join([self._done(n, cut=False) for n in ended])
        block.index = len(self._output)
        self._output.append(item)
        self._open.append(block.index)
        added = {"output_index": block.index, "item": item}
        return done + self._event("response.output_item.added", added)

    def _done(self, index: int, *, cut: bool) -> bytes:
        item = self._output[index]
        if "status" in item:
            item["status"] = "incomplete" if cut else "completed"
        return self._event("response.output_item.done", {"output_index": index, "item": item})

    def _at(self, block: _Block) -> dict[str, Any]:
        return {"item_id": self._output[block.index]["id"], "output_index": block.index}

    def _before(self, kind: str, fields: Mapping[str, Any]) -> bytes:
        """A delta's bytes up to its text."""
        name = f"response.{kind}"
        data = orjson.dumps({"type": name, **fields})[:-1]
        return b'event: %b\ndata: %b,"delta":' % (name.encode(), data)

    def _delta(self, block: _Block, text: str) -> bytes:
        if not text:
            return b""
        block.pieces.append(text)
        self._sequence += 1
        return b'%b%b,"sequence_number":%d}\n\n' % (
            block.begin,
            orjson.dumps(text),
            self._sequence - 1,
        )

    def _text(self, block: _Block, text: str) -> bytes:
        if not text:
            return b""
        begun = b"" if block.begin else self._begin_text(block)
        return begun + self._delta(block, text)

    def _begin_text(self, block: _Block) -> bytes:
        begun = self._join_message(block)
        content = self._output[block.index]["content"]
        block.part = len(content)
        content.append(text_part(""))
        at = {**self._at(block), "content_index": block.part}
        block.begin = self._before("output_text.delta", {**at, "logprobs": []})
        return begun + self._event(
            "response.content_part.added", {**at, "part": content[block.part]}
        )

    def _join_message(self, block: _Block) -> bytes:
        """Make the block a part of the message at the end of the output, or of a new one there."""
        last = len(self._output) - 1
        if last in self._open and self._output[last]["type"] == "message":
            block.index = last
            return b""
        return self._add(block, message_item(bare_id(self._message_id), last + 1))

    def _end_text(self, block: _Block) -> bytes:
        text = "".join(block.pieces)
        part = self._output[block.index]["content"][block.part]
        part["text"] = text
        at = {**self._at(block), "content_index": block.part}
        done = self._event("response.output_text.done", {**at, "text": text, "logprobs": []})
        return done + self._event("response.content_part.done", {**at, "part": part})

    def _end_arguments(self, block: _Block, item: Item) -> bytes:
        """A call whose arguments never came as fragments gets those it began with."""
        late = b""
        if not block.pieces:
            late = self._delta(block, dumps(block.given.get("input") or {}).decode())
        item["arguments"] = "".join(block.pieces)
        done = {**self._at(block), "name": item["name"], "arguments": item["arguments"]}
        return late + self._event("response.function_call_arguments.done", done)

    def _refuse(self, refusal: str) -> bytes:
        block = _Block("refusal", {})
        begun = self._join_message(block)
        content = self._output[block.index]["content"]
        at = {**self._at(block), "content_index": len(content)}
        events = [
            begun,
            self._event("response.content_part.added", {**at, "part": refusal_part("")}),
            self._event("response.refusal.delta", {**at, "delta": refusal}),
            self._event("response.refusal.done", {**at, "refusal": refusal}),
            self._event("response.content_part.done", {**at, "part": refusal_part(refusal)}),
        ]
        content.append(refusal_part(refusal))
        return b"".join(events)
