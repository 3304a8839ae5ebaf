"""An event stream as bytes: whole events, however the stream is cut into pieces."""

from __future__ import annotations

import re
from typing import Any

import orjson

from app.core.errors import APIResponseValidationError
from app.dialects.json_text import loads

MAX_EVENT_BYTES = 64 * 1024 * 1024
LAST_EVENT = "message_stop"

_LAST = LAST_EVENT.encode()
_BLOCK_START = b"content_block_start"  # the one event that may hold numbers of a tool's input
_LARGEST_LAST = 4096  # bytes of an event that ends a stream: it says next to nothing
_DONE = b"[DONE]"  # what some upstreams say last, beside the event
_LF = 10
# Two line ends in a row, each of them LF, CRLF or CR.
_BLANK_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")
_LONGEST_BLANK_LINE = 4


class EventReader:
    """Splits a stream into whole events, as bytes and as the JSON objects they carry.

    Lines end in LF, CRLF or CR.  Events without data have no object; `ping` and unknown ones
    are kept.  `ended`: `message_stop` has come, and what follows it is left out.  `unreadable`:
    an event came that can't be read, and the next call raises this.
    """

    def __init__(self) -> None:
        self.ended = False
        self.unreadable: APIResponseValidationError | None = None
        self._rest = bytearray()
        self._searched = 0

    def feed(self, chunk: bytes) -> tuple[bytes, list[dict[str, Any]]]:
        """The events that `chunk` completes, and their objects.

        Raises APIResponseValidationError for one that can't be read, once those before it have
        been given.
        """
        plain = chunk.endswith(b"\n\n") and not self._rest and b"\r" not in chunk
        if plain and _LAST not in chunk and self.unreadable is None:
            # Nearly every chunk: whole events and nothing left over.
            try:
                parts = chunk[:-2].split(b"\n\n")
                return chunk, [_event(data) for part in parts if (data := _data(part))]
            except APIResponseValidationError:
                pass  # told again below, after the events before it
        return self._feed_slowly(chunk)

    def _feed_slowly(self, chunk: bytes) -> tuple[bytes, list[dict[str, Any]]]:
        if self.unreadable is not None:
            raise self.unreadable
        rest, events, end = self._rest, [], 0
        rest += chunk
        blank = _BLANK_LINE.search(rest, self._searched)
        while blank is not None and not self.ended:
            try:
                events += self._events(bytes(rest[end : blank.start()]))
            except APIResponseValidationError as error:
                if not events:
                    raise
                self.unreadable = error
                break
            end = blank.end()
            blank = _BLANK_LINE.search(rest, end)
        whole = bytes(rest[:end])
        del rest[:end]
        self._searched = max(len(rest) - _LONGEST_BLANK_LINE, 0)
        if len(rest) > MAX_EVENT_BYTES:
            raise APIResponseValidationError("the upstream sent an event that is too large")
        if self._ends_without_a_blank_line():
            events += self._events(bytes(rest))
            whole += bytes(rest).rstrip(b"\r\n") + b"\n\n"
        return whole, events

    def _events(self, text: bytes) -> list[dict[str, Any]]:
        data = _data(text)
        if not data or data.strip() == _DONE:
            return []
        event = _event(data)
        self.ended = event.get("type") == LAST_EVENT
        return [event]

    def _ends_without_a_blank_line(self) -> bool:
        """Whether the last event is there and only its end is missing."""
        rest = self._rest
        if self.ended or not 0 < len(rest) < _LARGEST_LAST or _LAST not in rest:
            return False
        try:
            return _event(_data(bytes(rest))).get("type") == LAST_EVENT
        except APIResponseValidationError:
            return False


def _data(event: bytes) -> bytes:
    if b"\r" in event:
        event = event.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    begin = event.find(b"data:")
    if begin > 0 and event[begin - 1] == _LF and event.find(b"\n", begin) < 0:
        return event[begin + 5 :]
    lines = [line[5:] for line in event.split(b"\n") if line.startswith(b"data:")]
    return lines[0] if len(lines) == 1 else b"\n".join(lines)


def _event(data: bytes) -> dict[str, Any]:
    try:
        event = loads(data) if _BLOCK_START in data else orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise APIResponseValidationError(f"the upstream's event is not JSON: {error}") from error
    if not isinstance(event, dict):
        raise APIResponseValidationError("the upstream's event is not a JSON object")
    if "type" not in event and isinstance(event.get("error"), dict):
        event["type"] = "error"  # OpenRouter's own, without a word for its kind
    return event
