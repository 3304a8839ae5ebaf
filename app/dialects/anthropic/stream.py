"""Anthropic's event stream: bytes to events, and what they say about the answer's cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from app.core.errors import APIResponseValidationError
from app.core.metering import Meter
from app.dialects.anthropic.usage import merged_usage, usage_from

_LF = 10
MAX_EVENT_BYTES = 64 * 1024 * 1024
QUIET_S = 0.25  # within one block text comes faster than this, unless something is hidden

# The field of each kind of delta that is billed output the caller can see.
_VISIBLE = {
    "text_delta": "text",
    "input_json_delta": "partial_json",
    "thinking_delta": "thinking",
}


class EventReader:
    """Splits a stream into the JSON objects of its events, however the bytes are cut.

    Lines end in LF, CRLF or CR.  Events without data are left out; `ping` and unknown
    ones are kept.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._held_cr = False

    def feed(self, chunk: bytes) -> list[dict[str, Any]]:
        """The events that `chunk` completes.  Raises APIResponseValidationError."""
        if self._held_cr or b"\r" in chunk:
            chunk = self._with_line_feeds(chunk)
        buffer = self._buffer
        if not buffer and chunk.endswith(b"\n\n"):
            # Nearly every chunk: whole events and nothing left over.
            parts = chunk[:-2].split(b"\n\n")
            return [_event(data) for part in parts if (data := _data(part))]
        buffer += chunk
        events: list[dict[str, Any]] = []
        start = 0
        end = buffer.find(b"\n\n", self._searched)
        while end >= 0:
            data = _data(bytes(buffer[start:end]))
            if data:
                events.append(_event(data))
            start = end + 2
            end = buffer.find(b"\n\n", start)
        del buffer[:start]
        self._searched = max(len(buffer) - 1, 0)
        if self._searched > MAX_EVENT_BYTES:
            raise APIResponseValidationError("the upstream sent an event that is too large")
        return events

    def _with_line_feeds(self, chunk: bytes) -> bytes:
        """Every line end as LF; a CR at the end waits, for an LF may follow."""
        if self._held_cr:
            chunk = b"\r" + chunk
        self._held_cr = chunk.endswith(b"\r")
        if self._held_cr:
            chunk = chunk[:-1]
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _data(event: bytes) -> bytes:
    begin = event.find(b"data:")
    if begin > 0 and event[begin - 1] == _LF and event.find(b"\n", begin) < 0:
        return event[begin + 5 :]
    lines = [line[5:] for line in event.split(b"\n") if line.startswith(b"data:")]
    return lines[0] if len(lines) == 1 else b"\n".join(lines)


def _event(data: bytes) -> dict[str, Any]:
    try:
        event = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise APIResponseValidationError(f"the upstream's event is not JSON: {error}") from error
    if not isinstance(event, dict):
        raise APIResponseValidationError("the upstream's event is not a JSON object")
    return event


class StreamTap:
    """Watches a stream go by: its usage so far, and how it ended."""

    def __init__(self) -> None:
        self.meter = Meter()
        self.error: Mapping[str, Any] | None = None
        self._raw_usage: dict[str, Any] = {}
        self._same_block = False

    def feed(self, events: Iterable[Mapping[str, Any]], now_s: float) -> None:
        """Note events that came at `now_s` of a monotonic clock.

        Raises APIResponseValidationError when a figure can't be read.
        """
        for event in events:
            kind = event.get("type")
            if kind == "content_block_delta":
                self._note_delta(event.get("delta"), now_s)
            elif kind == "content_block_start":
                self._same_block = False
                self._note_block(event.get("content_block"))
            elif kind == "message_start":
                self._note_start(event.get("message"), now_s)
            elif kind == "message_delta":
                self._note_end(event, now_s)
            elif kind == "message_stop":
                self.meter.finished = True
            elif kind == "error":
                error = event.get("error")
                self.error = error if isinstance(error, Mapping) else event

    def _note_start(self, message: object, now_s: float) -> None:
        if not isinstance(message, Mapping):
            raise APIResponseValidationError("the upstream's message_start has no message")
        message_id, model = message.get("id"), message.get("model")
        self.meter.message_id = message_id if isinstance(message_id, str) else None
        self.meter.model = model if isinstance(model, str) else None
        self._raw_usage = merged_usage({"output_tokens": 0}, message.get("usage"))
        self.meter.usage = usage_from(self._raw_usage)
        self.meter.visible_at_s = now_s

    def _note_delta(self, delta: object, now_s: float) -> None:
        if not isinstance(delta, Mapping):
            return
        kind = delta.get("type")
        field = _VISIBLE.get(kind) if isinstance(kind, str) else None
        text = delta.get(field) if field else None
        if not isinstance(text, str) or not text:
            return
        meter = self.meter
        meter.visible_bytes += len(text) if text.isascii() else len(text.encode())
        if self.meter.visible_at_s is not None:
            gap_s = now_s - self.meter.visible_at_s
            if gap_s >= QUIET_S or not self._same_block:
                meter.hidden_s += max(gap_s, 0.0)
        self.meter.visible_at_s = now_s
        self._same_block = True

    def _note_block(self, block: object) -> None:
        """A block's opening is output too: the tool's name, or text that came at once."""
        if isinstance(block, Mapping):
            for field in ("name", "text", "thinking"):
                text = block.get(field)
                if isinstance(text, str):
                    self.meter.visible_bytes += len(text.encode())

    def _note_end(self, event: Mapping[str, Any], now_s: float) -> None:
        delta, usage = event.get("delta"), event.get("usage")
        if isinstance(delta, Mapping) and isinstance(delta.get("stop_reason"), str):
            self.meter.stop_reason = delta["stop_reason"]
        if usage is None:
            return
        if self.meter.usage is None:
            raise APIResponseValidationError("the upstream's message_delta came before its start")
        self._raw_usage = merged_usage(self._raw_usage, usage)
        self.meter.usage = usage_from(self._raw_usage)
        if usage.get("output_tokens") is not None:
            self.meter.output_is_known = True
            self.meter.visible_bytes = 0
            self.meter.hidden_s = 0.0
            self.meter.visible_at_s = now_s
