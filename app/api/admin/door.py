"""What is asked of every `/admin` request before its route sees it."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import parse_qsl

import orjson
from fastapi import Depends, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel

from app.api.operations import running_gateway
from app.core.errors import BadRequest, RequestTooLarge
from app.store.records.fields import unknown
from app.web.auth import check_master
from app.web.running import RunningGateway

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from fastapi import Response
    from fastapi.dependencies.models import Dependant

    Handler = Callable[[Request], Coroutine[Any, Any, Response]]

MOST_BODY_BYTES = 1 << 20
MOST_DIGITS = 30
Running = Annotated[RunningGateway, Depends(running_gateway)]


class AdminRoute(APIRoute):
    """A route behind the master key, whose body is an object and whose query is known.

    The key comes first: nobody else's body is read. The content type isn't looked at.
    """

    def get_route_handler(self) -> Handler:
        """FastAPI's own way to look at a request first."""
        handle = super().get_route_handler()
        names = query_names(self.dependant)
        takes_body = self.body_field is not None

        async def guarded(request: Request) -> Response:
            check_master(request.scope["headers"], running_gateway(request).master_key)
            _check_url(request, names)
            if takes_body:
                request = WholeRequest(request, await json_object(request))
            return await handle(request)

        return guarded


class WholeRequest(Request):
    """A request whose body was read and parsed."""

    def __init__(self, request: Request, value: dict[str, Any]) -> None:
        headers = [h for h in request.scope["headers"] if h[0] != b"content-type"]
        as_json = [*headers, (b"content-type", b"application/json")]
        super().__init__({**request.scope, "headers": as_json}, request.receive)
        self._value = value

    async def body(self) -> bytes:
        """Something: FastAPI asks for the value next."""
        return b"{}"

    async def json(self) -> dict[str, Any]:
        return self._value


async def json_object(request: Request) -> dict[str, Any]:
    """The body, an object that names each field once; nothing at all is an empty one.

    A fraction is the Decimal that its text says.  Raises BadRequest and RequestTooLarge.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BODY_BYTES:
            raise RequestTooLarge(f"the body is larger than {MOST_BODY_BYTES} bytes")
    try:
        value = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise BadRequest("the body must be a JSON object")
    exact: dict[str, Any] = value
    with suppress(RecursionError):  # nothing that is known nests, so it is refused all the same
        exact = json.loads(
            body.decode() or "{}",
            object_pairs_hook=_named_once,
            parse_int=_whole,
            parse_float=Decimal,
        )
    return exact


def _whole(digits: str) -> int | Decimal:
    """So many digits are no number that is known, and Python refuses to make it."""
    return int(digits) if len(digits) <= MOST_DIGITS else Decimal(digits)


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    times = Counter(name for name, _ in pairs)
    for name, count in times.items():
        if count > 1:
            raise BadRequest(f"{name[:100]} is given {count} times", param=name[:100])
    return dict(pairs)


def query_names(dependant: Dependant) -> list[str]:
    """The query parameters of a route, those of its query models one by one."""
    found: list[str] = []
    for parameter in dependant.query_params:
        kind = parameter.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found += [field.alias or name for name, field in kind.model_fields.items()]
        else:
            found.append(parameter.alias)
    return found


def _check_url(request: Request, known: Sequence[str]) -> None:
    """Raise BadRequest for a NUL, which no database stores, and for a parameter not known."""
    query = request.scope["query_string"]
    if "\0" in request.scope["path"] or b"%00" in query:
        raise BadRequest("the URL holds a NUL character")
    given = Counter(name for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    for name, times in given.items():
        if name not in known:
            raise BadRequest(unknown("query parameter", name, known), param=name)
        if times > 1:
            raise BadRequest(f"{name} is given {times} times", param=name)
