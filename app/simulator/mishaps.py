"""How a stream goes wrong: events that should not be there, and bytes in odd pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from app.simulator.events import Event
from app.simulator.json_values import JsonObject
from app.simulator.scripts import Fault

PING: Final = b'event: ping\ndata: {"type": "ping"}\n\n'
COMMENT: Final = b": still here\n\n"
PROCESSING: Final = b": OPENROUTER PROCESSING\n\n"
DONE: Final = b"data: [DONE]\n\n"
GARBAGE: Final = b'event: content_block_delta\ndata: {"type": "content_block_de\n\n'


def odd_events(events: Iterator[Event], fault: Fault) -> Iterator[Event]:
    """The events of an answer with what the fault puts between them."""
    changed = _CHANGES.get(fault.kind)
    return events if changed is None else changed(events, fault)


def in_pieces(data: bytes, count: int) -> list[bytes]:
    """The same bytes in at most `count` parts of about one size."""
    size = max(1, -(-len(data) // count))
    return [data[at : at + size] for at in range(0, len(data), size)]


def _second_start(events: Iterator[Event], fault: Fault) -> Iterator[Event]:
    """The stream begins again in the middle, and says that the prompt was nearly nothing."""
    opening: Event | None = None
    for event, so_far in _counted(events):
        opening = opening or event
        if event.is_delta and so_far == fault.after_deltas:
            message: JsonObject = opening.data["message"]
            usage = _least(message["usage"])
            again = {"type": "message_start", "message": message | {"usage": usage}}
            yield replace(event, name="message_start", data=again)
        yield event


def _falling_counts(events: Iterator[Event], _: Fault) -> Iterator[Event]:
    """After the true figures come smaller ones."""
    for event in events:
        yield event
        if event.name == "message_delta":
            yield replace(event, data=event.data | {"usage": _least(event.data["usage"])})


def _early_delta(events: Iterator[Event], fault: Fault) -> Iterator[Event]:
    """Figures come while the text still goes on."""
    before: Event | None = None
    for event, so_far in _counted(events):
        if event.is_delta and so_far == fault.after_deltas and before is not None:
            data = {
                "type": "message_delta",
                "delta": {"stop_reason": None, "stop_sequence": None},
                "usage": {"output_tokens": before.sent_tokens},
            }
            yield replace(before, name="message_delta", data=data)
        before = event
        yield event


def _unsplit_writes(events: Iterator[Event], _: Fault) -> Iterator[Event]:
    """Only the last figures tell what was written to the cache, and not for how long."""
    for event in events:
        if event.name != "message_start":
            yield event
            continue
        message: JsonObject = event.data["message"]
        usage = {name: value for name, value in message["usage"].items() if "cache" not in name}
        yield replace(event, data=event.data | {"message": message | {"usage": usage}})


_CHANGES: Final = MappingProxyType[str, Callable[[Iterator[Event], Fault], Iterator[Event]]](
    {
        "second_start": _second_start,
        "falling_counts": _falling_counts,
        "early_delta": _early_delta,
        "unsplit_writes": _unsplit_writes,
    }
)


def _counted(events: Iterator[Event]) -> Iterator[tuple[Event, int]]:
    """Each event with the number of deltas before it."""
    deltas = 0
    for event in events:
        yield event, deltas
        deltas += event.is_delta


def _least(usage: JsonObject) -> JsonObject:
    """The same figures, each as small as it can be."""
    return {
        name: _least(value) if isinstance(value, dict) else min(value, 1)
        for name, value in usage.items()
        if isinstance(value, dict | int)
    }
