"""What the events of a stream say about the answer: its cost so far, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from app.core.billing import declined_in
from app.core.errors import APIResponseValidationError
from app.core.metering import Meter
from app.dialects.anthropic.usage import caught_up, in_one_form, usage_from
from app.dialects.anthropic.wire import has_unsplit_writes, told_of_miss

PLACE_HOLDERS = range(1, 9)  # output tokens that a message_start may tell before there are any

# The field of each kind of delta that is billed output the caller can see.
_VISIBLE = {
    "text_delta": "text",
    "input_json_delta": "partial_json",
    "thinking_delta": "thinking",
}


class StreamTap:
    """Watches a stream go by and keeps its meter.

    `marked_1h` tells whether the request had a mark of one hour; it is asked only when cache
    writes are told without their lifetimes.
    """

    def __init__(self, marked_1h: Callable[[], bool] = lambda: False) -> None:
        self.meter = Meter()
        self.error: Mapping[str, Any] | None = None
        self._marked_1h = marked_1h
        self._raw: Mapping[str, Any] = {}
        self._before: Mapping[str, Any] | None = None  # of messages that others followed
        self._doubtful = False  # a message was left behind before it said what it wrote

    def feed(self, events: Iterable[Mapping[str, Any]], now_s: float) -> None:
        """Note events that came at `now_s` of a monotonic clock.

        Raises APIResponseValidationError when a figure can't be read.
        """
        for event in events:
            kind = event.get("type")
            if kind == "content_block_delta":
                self._note_delta(event.get("delta"))
            elif kind == "content_block_start":
                self._note_block(event.get("content_block"))
            elif kind == "message_start":
                self._note_start(event.get("message"), now_s)
            elif kind == "message_delta":
                self._note_end(event, now_s)
            elif kind == "message_stop":
                self.meter.finished_at_s = now_s
            elif kind == "error":
                error = event.get("error")
                self.error = error if isinstance(error, Mapping) else event

    def _note_start(self, message: object, now_s: float) -> None:
        if not isinstance(message, Mapping):
            raise APIResponseValidationError("the upstream's message_start has no message")
        meter = self.meter
        message_id, model = message.get("id"), message.get("model")
        usage = _counts({"output_tokens": 0}, message.get("usage"))
        if meter.usage is None:
            meter.known_at_s = now_s
        elif message_id == meter.message_id:
            usage = _counts(self._raw, usage)
        else:
            self._leave_message(now_s)
        meter.begun = True
        meter.message_id = message_id if isinstance(message_id, str) else None
        meter.model = model if isinstance(model, str) else None
        meter.cache_miss = told_of_miss(message.get("diagnostics"))
        self._note_usage(usage)

    def _leave_message(self, now_s: float) -> None:
        """Keep what the message before has cost: another one begins in the same stream."""
        meter = self.meter
        if not meter.output_is_known:
            self._doubtful = True
            self._raw = _sums(self._raw, {"output_tokens": meter.visible_bytes})
        self._before = (
            self._raw if self._before is None else _sums(*in_one_form(self._before, self._raw))
        )
        meter.output_is_known = False
        meter.visible_bytes = 0
        meter.known_at_s = now_s

    def _note_delta(self, delta: object) -> None:
        if not isinstance(delta, Mapping):
            return
        kind = delta.get("type")
        field = _VISIBLE.get(kind) if isinstance(kind, str) else None
        text = delta.get(field) if field else None
        if isinstance(text, str) and text:
            self._note_text(text)

    def _note_block(self, block: object) -> None:
        """A block may open with text that came at once; a tool's name is none."""
        self.meter.begun = True
        if isinstance(block, Mapping):
            if block.get("type") == "fallback":
                self.meter.declined.extend(declined_in([block]))
            for field in ("text", "thinking"):
                text = block.get(field)
                if isinstance(text, str) and text:
                    self._note_text(text)

    def _note_text(self, text: str) -> None:
        meter = self.meter
        meter.begun = True
        meter.output_is_known = False
        meter.visible_bytes += len(text) if text.isascii() else len(text.encode())

    def _note_end(self, event: Mapping[str, Any], now_s: float) -> None:
        meter = self.meter
        delta, usage = event.get("delta"), event.get("usage")
        if isinstance(delta, Mapping):
            if isinstance(delta.get("stop_reason"), str):
                meter.stop_reason = delta["stop_reason"]
            if isinstance(delta.get("stop_details"), dict):
                meter.stop_details = delta["stop_details"]
        if usage is None:
            return
        if meter.usage is None:
            raise APIResponseValidationError("the upstream's message_delta came before its start")
        if self._starts_to_count(usage):
            self._raw = {**self._raw, "output_tokens": 0}
        self._note_usage(caught_up(_counts(self._raw, usage), usage))
        if usage.get("output_tokens") is not None:
            meter.output_is_known = not self._doubtful
            meter.known_output = meter.usage.output_tokens
            meter.visible_bytes = 0
            meter.known_at_s = now_s

    def _starts_to_count(self, usage: object) -> bool:
        """Whether it is the first to count what was written: a start has only a place holder."""
        if self.meter.known_output or self._before is not None or not isinstance(usage, dict):
            return False
        placed = self._raw.get("output_tokens")
        return usage.get("output_tokens") is not None and placed in PLACE_HOLDERS

    def _note_usage(self, raw: Mapping[str, Any]) -> None:
        self._raw = raw
        everything = raw
        if self._before is not None:
            everything = _sums(*in_one_form(self._before, raw))
        unsplit_1h = has_unsplit_writes(everything) and self._marked_1h()
        self.meter.usage = usage_from(everything, unsplit_1h=unsplit_1h)


def _counts(before: Mapping[str, Any], later: object) -> dict[str, Any]:
    """`before` overlaid with the fields of `later` that are not null, nested ones too.

    A stream's counts only rise and may leave out what an earlier event said; one that falls is
    kept as it was.  What is no count is overlaid, and refused where usage is read.
    """
    if not isinstance(later, dict):
        raise APIResponseValidationError(f"the upstream's usage is not an object: {later!r:.80}")
    counts = dict(before)
    for name, count in later.items():
        known = counts.get(name)
        if count is None:
            continue
        if isinstance(count, dict) and isinstance(known, Mapping):
            counts[name] = _counts(known, count)
        elif type(count) is int and type(known) is int and count >= 0:
            counts[name] = max(known, count)
        elif isinstance(count, list) and isinstance(known, list):
            counts[name] = count if len(count) >= len(known) else known
        else:
            counts[name] = count
    return counts


def _sums(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The usage of two messages in one: counts and lists add up."""
    sums = dict(one)
    for name, count in other.items():
        known = sums.get(name)
        if isinstance(count, Mapping) and isinstance(known, Mapping):
            sums[name] = _sums(known, count)
        elif type(count) is int and type(known) is int:
            sums[name] = known + count
        elif isinstance(count, list) and isinstance(known, list):
            sums[name] = [*known, *count]
        elif count is not None:
            sums[name] = count
    return sums
