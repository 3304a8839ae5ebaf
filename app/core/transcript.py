"""What a stream has answered so far, put together from its events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.core.request import Block

MOST_CHARS = 1_000_000
_GROWS = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "input_json_delta": "partial_json",
}


class Transcript:
    """The blocks of one streamed answer, to some length: for who may see them, after the call."""

    def __init__(self) -> None:
        self._blocks: dict[int, dict[str, Any]] = {}
        self._pieces: dict[tuple[int, str], list[str]] = {}
        self._chars = 0

    def feed(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Note what has come; events of odd shapes say nothing."""
        for event in events:
            index = event.get("index")
            if not isinstance(index, int):
                continue
            if event.get("type") == "content_block_start":
                block = event.get("content_block")
                if isinstance(block, dict):
                    self._blocks[index] = block
            elif event.get("type") == "content_block_delta":
                self._grow(index, event.get("delta"))

    def content(self) -> tuple[Block, ...]:
        """The blocks as they stand; a tool's input as the text that came."""
        grown = {index: dict(block) for index, block in sorted(self._blocks.items())}
        for (index, name), pieces in self._pieces.items():
            if index in grown:
                before = grown[index].get(name)
                grown[index][name] = (before if isinstance(before, str) else "") + "".join(pieces)
        return tuple(grown.values())

    def _grow(self, index: int, delta: object) -> None:
        if not isinstance(delta, dict) or self._chars >= MOST_CHARS:
            return
        name = _GROWS.get(str(delta.get("type")))
        piece = None if name is None else delta.get(name)
        if name is not None and isinstance(piece, str):
            self._chars += len(piece)
            self._pieces.setdefault((index, name), []).append(piece)
