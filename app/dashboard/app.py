"""The dashboard as an application: routes of its pages, and every error as a page."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from app.core.errors import GatewayError, LedgerUnavailable
from app.dashboard.access.doors import HTMX, STREAM, visit_of
from app.dashboard.access.login import Login
from app.dashboard.access.security import Sealed
from app.dashboard.pages import PAGES
from app.dashboard.site import Site
from app.web.errors import envelope, row_of
from app.web.headers import REQUEST_ID

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from app.dashboard.page import Page, Twin, View
    from app.web.running import RunningGateway

    Endpoint = Callable[[Request], Awaitable[Response]]

TWINS: Final[tuple[Twin, ...]] = ("csv", "json")
_log = logging.getLogger("tollkeeper.dashboard")


class Dashboard:
    """`/` and everything below `/ui`; every other path is handed to `rest`."""

    def __init__(self, running: RunningGateway, rest: ASGIApp) -> None:
        self._pages = _pages(running)
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the lifespan, which is the others' matter."""
        ours = scope["type"] == "http" and _is_page(scope["path"])
        await (self._pages if ours else self._rest)(scope, receive, send)


def _is_page(path: str) -> bool:
    return path in ("/", "/ui", "/ui.csv", "/ui.json") or path.startswith("/ui/")


def _pages(running: RunningGateway) -> ASGIApp:
    site = Site(running, PAGES)
    login = Login(site)
    routes = [
        Route("/", _home(site)),
        Route("/ui/login", login.show),
        Route("/ui/login", login.enter, methods=["POST"]),
        Route("/ui/logout", login.leave, methods=["POST"]),
        Route("/ui/theme", login.choose_theme, methods=["POST"]),
        Route("/ui/static/{digest}/{name}", site.assets.serve),
    ]
    for page in PAGES:
        for view in page.views:
            if view.twins:
                routes += [
                    Route(f"{view.path}.{twin}", _endpoint(site, page, view, twin))
                    for twin in TWINS
                ]
            routes.append(Route(view.path, _endpoint(site, page, view, ""), methods=[view.method]))
    failing = _Failures(site)
    handlers = {
        GatewayError: failing.told,
        HTTPException: failing.missing,
        Exception: failing.bug,
    }
    return Sealed(Starlette(routes=routes, exception_handlers=handlers))


def _home(site: Site) -> Endpoint:
    async def home(request: Request) -> Response:
        return RedirectResponse("/ui" if request.url.path == "/" else site.home, 303)

    return home


def _endpoint(site: Site, page: Page, view: View, twin: Twin) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        visit = await visit_of(site, page, view, twin, request)
        return visit if isinstance(visit, Response) else await view.handler(visit)

    return endpoint


class _Failures:
    """Errors as pages, with what to do next; as JSON where a program asked."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def told(self, request: Request, error: Exception) -> Response:
        """One that was raised on purpose."""
        status = row_of(error).status
        if isinstance(error, LedgerUnavailable):
            title = "Calls are being refused"
            told = (
                "The ledger can't be reached or written. No call goes through unpriced: each is "
                "refused until the ledger is back, and then goes on by itself."
            )
            return self._page(request, error, status, title, told)
        message = error.message if isinstance(error, GatewayError) else ""
        title = "Not found" if status == 404 else "That can't be done"
        return self._page(request, error, status, title, f"{message[:1].upper()}{message[1:]}.")

    async def missing(self, request: Request, error: Exception) -> Response:
        """A path or a method that there is not."""
        status = error.status_code if isinstance(error, HTTPException) else 404
        told = f"There is no page {request.url.path}."
        return self._page(request, error, status, "Not found", told)

    async def bug(self, request: Request, error: Exception) -> Response:
        """Unforeseen: it stands in the log."""
        request_id = request.scope.get(REQUEST_ID)
        _log.error("unforeseen error", exc_info=error, extra={"request_id": request_id})
        told = "An error in the gateway; it was logged under the request id below."
        return self._page(request, error, 500, "Something broke", told)

    def _page(
        self, request: Request, error: Exception, status: int, title: str, told: str
    ) -> Response:
        streams = STREAM in request.headers.get("accept", "")
        if streams or request.url.path.endswith((".json", ".csv")):
            body = envelope(error, "openai", "")[1]
            return Response(body, status, media_type="application/json")
        if HTMX in request.headers:  # the old content stays where it is
            return Response(status_code=status)
        values = {"title": title, "told": told, "status": status, "home": self._site.home}
        return self._site.bare(request, "failure.html", status, values)
