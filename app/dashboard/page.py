"""A page of the dashboard as it registers itself, and what its functions are given."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import orjson
from starlette.responses import RedirectResponse, Response, StreamingResponse

from app.core.csv_text import CSV_TYPE, csv_text
from app.core.errors import BadRequest, GatewayError
from app.web.headers import REQUEST_ID

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from starlette.requests import Request

    from app.core.keys import Key
    from app.dashboard.access.session import Session
    from app.dashboard.figures.tables import Records
    from app.dashboard.query import Query
    from app.dashboard.site import Site
    from app.dashboard.zones import Zone
    from app.store.store import Store
    from app.web.running import RunningGateway

    Handler = Callable[["Visit"], Awaitable[Response]]

T = TypeVar("T")

PATIENCE_S: Final = 2.0
ACTOR: Final = "dashboard"
MARK: Final = "\ufeff"  # without it a spreadsheet takes a file for one of the system's code page
Twin = Literal["", "csv", "json"]


@dataclass(frozen=True, slots=True)
class View:
    """A path and what answers it. One with `twins` also answers as `.csv` and `.json`."""

    path: str
    handler: Handler
    method: Literal["GET", "POST"] = "GET"
    twins: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A place in the dashboard: `views`, the first one where its link leads.

    `shortcut` is the letter after `g`; a page without a `nav` has no link in the head. Holders of
    a virtual key see the pages that are `for_holders`, and no other; operators see the rest too.
    """

    name: str
    title: str
    views: tuple[View, ...]
    nav: bool = True
    shortcut: str = ""
    for_holders: bool = False
    refreshes: bool = True

    @property
    def href(self) -> str:
        return self.views[0].path


@dataclass(frozen=True, slots=True)
class Part:
    """What a part of a page came to: its value, or why there is none."""

    value: Any = None
    failure: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request for a page by someone who is logged in; `key` is a holder's own."""

    request: Request
    site: Site
    page: Page
    session: Session
    query: Query
    now: datetime
    key: Key | None = None
    twin: Twin = ""
    form: Mapping[str, str] = field(default_factory=dict)

    @property
    def running(self) -> RunningGateway:
        return self.site.running

    @property
    def store(self) -> Store:
        return self.site.running.store

    @property
    def zone(self) -> Zone:
        return self.query.zone

    @property
    def request_id(self) -> str:
        return str(self.request.scope.get(REQUEST_ID, ""))

    def id(self, name: str) -> str:
        """A parameter of the path."""
        return str(self.request.path_params[name])

    async def part(self, work: Awaitable[T]) -> Part:
        """The value, or what went wrong with it, to be told in its place: the rest stands.

        Raises BadRequest: what the URL asks for is wrong for the whole page.
        """
        try:
            return await self.soon(work)
        except BadRequest:
            raise
        except GatewayError as error:
            return Part(failure=error.message, request_id=self.request_id)

    async def soon(self, work: Awaitable[T]) -> Part:
        """The value, or that it took too long.  Raises what `work` does."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                return Part(await work)
        except TimeoutError:
            told = "This took too long and was stopped: narrow the range or the filter."
            return Part(failure=told, request_id=self.request_id)

    async def html(self, template: str, status: int = 200, **values: Any) -> Response:  # noqa: ANN401
        """The page, from a template and its values."""
        return await self.site.page(self, template, status, values)

    def records(self, records: Records) -> Response:
        """The twin that was asked for."""
        if self.twin == "csv":
            text = MARK + records.as_csv()
            return Response(text, headers=self._attached(), media_type=CSV_TYPE)
        return Response(orjson.dumps(records.as_json()), media_type="application/json")

    async def twin_of(self, read: Callable[[str | None], Awaitable[Records]]) -> Response:
        """The twin of a list that is read page by page: as CSV all of it, whatever page it is."""
        if self.twin != "csv":
            return self.records(await read(self.query.given.get("cursor")))

        async def pieces() -> AsyncIterator[str]:
            found = await read(None)
            names = found.names
            yield csv_text([names])
            yield found.lines(names)
            while found.next_cursor is not None:
                found = await read(found.next_cursor)
                yield found.lines(names)

        return await self.csv(pieces())

    async def csv(self, pieces: AsyncIterator[str]) -> Response:
        """A CSV of any length, piece by piece.  Raises what its head and the first piece do."""
        head, first = await anext(pieces), await anext(pieces, "")

        async def whole() -> AsyncIterator[str]:
            yield MARK + head + first
            async for piece in pieces:
                yield piece

        return StreamingResponse(whole(), headers=self._attached(), media_type=CSV_TYPE)

    def _attached(self) -> dict[str, str]:
        name = self.query.path.rpartition("/")[2]
        return {"content-disposition": f'attachment; filename="{name}.csv"'}

    def go(self, href: str) -> Response:
        """After a change: the page that shows it."""
        return RedirectResponse(href, 303)


def utc_now() -> datetime:
    return datetime.now(UTC)
