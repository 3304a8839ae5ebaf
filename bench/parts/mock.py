"""An Anthropic Messages API that answers as fast as Python can, with answers known beforehand.

`python -m bench.parts.mock` prints its port.  `PUT /settings` changes how it answers from then on.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import uvloop

MARK = "quill"  # occurs once per delta, and nowhere else in an answer
ANSWER_BYTES = 1_000
MODEL = re.compile(rb'"model"\s*:\s*"([^"]+)"')
STREAM = re.compile(rb'"stream"\s*:\s*true')
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)")
LAST_CHUNK = b"0\r\n\r\n"


@dataclass(slots=True)
class Settings:
    """What the load generator's process may change between two measurements."""

    latency_s: float = 0.0
    deltas: int = 50
    interval_s: float = 0.0


class Exchange(asyncio.Protocol):
    """One keep-alive connection; requests come with a Content-Length and one at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._answers = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_end = self._received.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = bytes(self._received[:head_end]).lower()
        length = LENGTH.search(head)
        if length is None and b"\r\ntransfer-encoding:" in head:
            self._write_json(411, b"{}")
            self._transport.close()
            return
        end = head_end + 4 + (int(length[1]) if length else 0)
        if len(self._received) < end:
            return
        body = bytes(self._received[head_end + 4 : end])
        del self._received[:end]
        self._answer(head[: head.find(b" http/")], body)

    def _answer(self, request_line: bytes, body: bytes) -> None:
        if request_line == b"put /settings":
            for name, value in json.loads(body).items():
                setattr(self._settings, name, value)
            self._write_json(200, b"{}")
            return
        if request_line.startswith(b"post ") and b"/v1/messages/count_tokens" in request_line:
            self._write_json(200, json.dumps({"input_tokens": len(body) // 4}).encode())
            return
        if not (request_line.startswith(b"post ") and b"/v1/messages" in request_line):
            self._write_json(404, error_body("not_found_error", request_line.decode()))
            return
        if self._settings.latency_s:
            self._loop.call_later(self._settings.latency_s, self._reply, body)
        else:
            self._reply(body)

    def _reply(self, body: bytes) -> None:
        found = MODEL.search(body)
        model = found[1].decode() if found else "unknown"
        self._answers += 1
        message_id = f"msg_{id(self):x}_{self._answers}"
        input_tokens = len(body) // 4
        deltas = self._settings.deltas
        if not STREAM.search(body):
            message = message_object(message_id, model, input_tokens)
            message["content"] = [{"type": "text", "text": answer_text(deltas)}]
            message["stop_reason"] = "end_turn"
            message["usage"]["output_tokens"] = deltas
            self._write_json(200, json.dumps(message).encode())
            return
        start = {
            "type": "message_start",
            "message": message_object(message_id, model, input_tokens),
        }
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
            b"cache-control: no-cache\r\nrequest-id: req_" + message_id.encode() + b"\r\n"
            b"transfer-encoding: chunked\r\n\r\n" + chunk(event(start)) + chunk(opening_events())
        )
        self._stream(delta_chunks(deltas), 0, self._loop.time())

    def _stream(self, chunks: tuple[bytes, ...], index: int, started_s: float) -> None:
        """Write one chunk, then make way: streams without an interval go round robin."""
        if self._transport.is_closing():
            return
        self._transport.write(chunks[index])
        following = index + 1
        if following == len(chunks):
            return
        interval_s = self._settings.interval_s
        if interval_s:
            due_s = started_s + following * interval_s
            self._loop.call_at(due_s, self._stream, chunks, following, started_s)
        else:
            self._loop.call_soon(self._stream, chunks, following, started_s)

    def _write_json(self, status: int, body: bytes) -> None:
        self._transport.write(
            f"HTTP/1.1 {status} Mock\r\ncontent-type: application/json\r\n"
            f"request-id: req_{id(self):x}_{self._answers}\r\n"
            f"content-length: {len(body)}\r\n\r\n".encode()
            + body
        )


def message_object(message_id: str, model: str, input_tokens: int) -> dict[str, Any]:
    return {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": 1,
            "service_tier": "standard",
        },
    }


@lru_cache
def answer_text(deltas: int) -> str:
    """Every mark of a stream, filled up with words to `ANSWER_BYTES`."""
    marks = "".join(f"{MARK}{number} " for number in range(deltas))
    return marks + "lorem ipsum " * max(0, (ANSWER_BYTES - len(marks)) // 12)


@lru_cache
def opening_events() -> bytes:
    block = {"type": "content_block_start", "index": 0}
    return event({**block, "content_block": {"type": "text", "text": ""}}) + event({"type": "ping"})


@lru_cache
def delta_chunks(deltas: int) -> tuple[bytes, ...]:
    """The answer after its opening: a chunk per delta, then one with all that ends it."""
    texts = [{"type": "text_delta", "text": f"{MARK}{number} "} for number in range(deltas)]
    return (
        *(
            chunk(event({"type": "content_block_delta", "index": 0, "delta": delta}))
            for delta in texts
        ),
        chunk(
            event({"type": "content_block_stop", "index": 0})
            + event(
                {
                    "type": "message_delta",
                    "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                    "usage": {"output_tokens": deltas},
                }
            )
            + event({"type": "message_stop"})
        )
        + LAST_CHUNK,
    )


def event(data: dict[str, Any]) -> bytes:
    compact = json.dumps(data, separators=(",", ":"))
    return f"event: {data['type']}\ndata: {compact}\n\n".encode()


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def error_body(kind: str, message: str) -> bytes:
    return json.dumps({"type": "error", "error": {"type": kind, "message": message}}).encode()


async def serve() -> None:
    settings = Settings()
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    print(listening.getsockname()[1], flush=True)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Exchange(settings), sock=listening)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve())
