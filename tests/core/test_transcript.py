"""What a stream answered, put together from its events."""

from __future__ import annotations

from typing import Any

from app.core.transcript import MOST_CHARS, Transcript


def delta(index: int, kind: str, **fields: str) -> dict[str, Any]:
    return {
        "type": "content_block_delta",
        "index": index,
        "delta": {"type": kind, **fields},
    }


def start(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def test_blocks_grow_by_their_deltas_and_stand_in_order() -> None:
    transcript = Transcript()
    transcript.feed(
        [
            {"type": "message_start", "message": {}},
            start(1, type="tool_use", id="t", name="weather", input={}),
            start(0, type="text", text="Well, "),
            delta(0, "text_delta", text="it "),
            delta(1, "input_json_delta", partial_json='{"city":'),
        ]
    )
    transcript.feed(
        [delta(0, "text_delta", text="rains."), delta(1, "input_json_delta", partial_json='"B"}')]
    )
    assert transcript.content() == (
        {"type": "text", "text": "Well, it rains."},
        {
            "type": "tool_use",
            "id": "t",
            "name": "weather",
            "input": {},
            "partial_json": '{"city":"B"}',
        },
    )


def test_events_of_odd_shapes_say_nothing() -> None:
    transcript = Transcript()
    odd: list[dict[str, Any]] = [
        {"type": "content_block_start", "index": 0, "content_block": "text"},
        {"type": "content_block_delta", "index": 0, "delta": None},
        {"type": "content_block_delta", "index": "0", "delta": {"type": "text_delta"}},
        delta(0, "text_delta"),
        delta(0, "signature_delta", signature="s"),
    ]
    transcript.feed(odd)
    assert transcript.content() == ()


def test_an_endless_answer_is_kept_to_some_length() -> None:
    transcript = Transcript()
    transcript.feed([start(0, type="text", text="")])
    for _ in range(30):
        transcript.feed([delta(0, "text_delta", text="x" * 100_000)])
    (block,) = transcript.content()
    assert len(block["text"]) == MOST_CHARS
