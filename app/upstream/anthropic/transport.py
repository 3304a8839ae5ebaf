"""One attempt on the wire, whoever makes it: what a transport is asked for and what it raises."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import NoReturn, Protocol

from app.core.errors import (
    APIResponseValidationError,
    APITimeoutError,
    UncertainError,
    status_error,
)
from app.core.values import value
from app.dialects.anthropic.wire import error_inside, error_message, status_of_error
from app.upstream.anthropic.deadlines import Deadlines

OK = 200
REQUEST_ID = "request-id"
GENERATION_ID = "x-generation-id"
KEEPALIVE_S = 30.0
STALE_S = 0.25  # a closed connection shows as soon as it is written to
CONNECT_SHARE = 0.9  # of an attempt's time: then what never connected is known to be unbilled
MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_ERROR_BYTES = 1024 * 1024
ERROR_PATIENCE_S = 5.0  # for the body of an error, whose status says enough
UNFIT = "no request can be made of the upstream's address and key"
_CONTROLS = {**dict.fromkeys([*range(32), 127], "?"), ord("\t"): "\t"}


class Answer(Protocol):
    """An answer with status 200 whose body has not been read; header names are lower case."""

    headers: Mapping[str, str]

    async def read(self) -> bytes:
        """More of the body as it comes, b"" at its end.  Raises UncertainError."""

    def is_over(self) -> bool:
        """Whether it is known that nothing more will come, and the connection is given back."""

    async def close(self) -> None:
        """Let go of the connection; one that was not read to its end is not used again."""


class Transport(Protocol):
    """Makes one attempt."""

    async def open(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """The head of an answer; `headers` are added to the transport's own.

        Raises APIStatusError (any other status than 200), APIConnectionError (never sent, or
        never read) or UncertainError (sent, and no answer came).
        """

    async def close(self) -> None:
        """Close every connection."""


@value
class Response:
    """A whole answer with status 200."""

    headers: Mapping[str, str]
    body: bytes


async def whole_answer(
    transport: Transport, path: str, body: bytes, headers: Mapping[str, str], deadlines: Deadlines
) -> Response:
    """One answer, read to its end within its deadline.  Raises what Transport does.

    An error says what the upstream had told by then.
    """
    deadline = deadlines.begin()
    answer: Answer | None = None
    try:
        answer = await transport.open(path, body, headers)
        return Response(answer.headers, await _whole_body(answer))
    except asyncio.CancelledError as error:
        if not deadline.cut_it_short():
            raise
        late = APITimeoutError("the upstream did not answer in time")
        _note_what_came(late, answer)
        raise late from error
    except UncertainError as error:
        _note_what_came(error, answer)
        raise
    finally:
        deadlines.end(deadline)
        if answer is not None:
            await answer.close()


def _note_what_came(error: UncertainError, answer: Answer | None) -> None:
    """What the head of a broken answer said, if it came so far."""
    if answer is not None:
        error.status = error.status or OK
        error.request_id = error.request_id or answer.headers.get(REQUEST_ID)
        error.generation_id = error.generation_id or answer.headers.get(GENERATION_ID)


async def _whole_body(answer: Answer) -> bytes:
    length = answer.headers.get("content-length", "")
    if length.isdecimal() and len(length) < 20 and int(length) > MAX_BODY_BYTES:
        raise too_large()
    parts = []
    size = 0
    while part := await answer.read():
        parts.append(part)
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise too_large()
        if answer.is_over():
            break
    return parts[0] if len(parts) == 1 else b"".join(parts)


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
    raise status_error(status, message)(message, status=status, body=body, headers=headers)


def refuse_error(body: bytes, headers: Mapping[str, str]) -> None:
    """Raise the error that a body with status 200 is: nothing was generated."""
    error = error_inside(body)
    if error is not None:
        raise_for_status(status_of_error(error), headers, body)


def unreadable(message: str, headers: Mapping[str, str]) -> APIResponseValidationError:
    """The error for an answer that came and is none."""
    return APIResponseValidationError(
        message,
        status=OK,
        request_id=headers.get(REQUEST_ID),
        generation_id=headers.get(GENERATION_ID),
    )


def too_large() -> APIResponseValidationError:
    """The error for an answer that is larger than any real one."""
    return APIResponseValidationError(
        f"the upstream's answer is larger than {MAX_BODY_BYTES} bytes",
    )
