"""One attempt on the wire, whoever makes it: what a transport is asked for and what it raises."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import NoReturn, Protocol

from app.core.errors import APIResponseValidationError, status_error
from app.core.values import value
from app.dialects.anthropic.stream import EventReader
from app.dialects.anthropic.wire import error_message, status_of_error

OK = 200
KEEPALIVE_S = 30.0
CONNECT_SHARE = 0.9  # of an attempt's time: then what never connected is known to be unbilled
MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_ERROR_BYTES = 1024 * 1024
_CONTROLS = {**dict.fromkeys([*range(32), 127], "?"), ord("\t"): "\t"}


@value
class Response:
    """A whole answer with status 200; header names are lower case."""

    headers: Mapping[str, str]
    body: bytes


class OpenStream(Protocol):
    """A stream with status 200 whose first bytes have come."""

    headers: Mapping[str, str]

    def chunks(self) -> AsyncIterator[bytes]:
        """All bytes, the first ones too.  Raises UncertainError when it breaks off."""

    async def close(self) -> None:
        """Let go of the connection; one that was not read to its end is not used again."""


class Transport(Protocol):
    """Makes one attempt.  `headers` are added to the transport's own.

    Both raise APIStatusError (any other status than 200), APIConnectionError (never connected)
    or UncertainError (sent, and no whole answer came back).
    """

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Response:
        """One whole answer."""

    async def open_stream(self, path: str, body: bytes, headers: Mapping[str, str]) -> OpenStream:
        """A stream, once its first bytes have come."""

    async def close(self) -> None:
        """Close every connection."""


def readable(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers by lower-case name, their values fit to be stored and passed on."""
    return {
        name.lower(): value if value.isascii() and value.isprintable() else _cleaned(value)
        for name, value in headers
    }


def _cleaned(value: str) -> str:
    """Without control characters and bytes that are no UTF-8, which nobody takes."""
    return value.encode("utf-8", "replace").decode().translate(_CONTROLS)


def raise_for_status(status: int, headers: Mapping[str, str], body: bytes) -> NoReturn:
    """The error for an answer whose status is not 200, in the vendor's own words."""
    message = error_message(body) or f"the upstream answered with status {status}"
    raise status_error(status)(message, status=status, body=body, headers=headers)


def refuse_error_event(first: bytes, headers: Mapping[str, str]) -> None:
    """Raise the error that a stream begins with: nothing was generated, so it may be retried.

    The vendor can't change the status any more when it refuses a stream it has accepted.
    """
    if not first.startswith(b"event: error"):
        return
    for event in EventReader().feed(first + b"\n\n"):
        error = event.get("error")
        data = first[first.find(b"{") : first.rfind(b"}") + 1]
        raise_for_status(status_of_error(error), headers, data)


def too_large() -> APIResponseValidationError:
    """The error for an answer that is larger than any real one."""
    return APIResponseValidationError(
        f"the upstream's answer is larger than {MAX_BODY_BYTES} bytes",
    )
