"""Answers for callers that speak HTTP/1.0, who can't read chunks."""

from __future__ import annotations

import asyncio

CHUNKED = b"transfer-encoding: chunked\r\n"


class Unchunked:
    """What a cycle writes to: the same answer without chunked framing; it ends with the connection.

    uvicorn frames every answer whose length it doesn't know in chunks, whoever asks. It makes one
    write for the head, then one for each part of the body.
    """

    __slots__ = ("_chunked", "_head_is_out", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head_is_out = False
        self._chunked = False

    def write(self, data: bytes) -> None:
        """The head without the word of chunks, then what stands in each of them."""
        if not self._head_is_out:
            self._head_is_out = True
            self._chunked = CHUNKED in data
            self._transport.write(data.replace(CHUNKED, b"", 1))
        elif self._chunked:
            self._transport.write(_content(data))
        else:
            self._transport.write(data)

    def is_closing(self) -> bool:
        """As the transport says."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()


def _content(framed: bytes) -> bytes:
    """What one write of uvicorn's holds: `size CRLF bytes CRLF`, and the last chunk or not."""
    size, _, rest = framed.partition(b"\r\n")
    return rest[: int(size or b"0", 16)]
