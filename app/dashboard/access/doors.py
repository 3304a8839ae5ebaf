"""Who may come in: every request's session, its form's token, and the page for who may not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode

from starlette.responses import RedirectResponse, Response

from app.core.errors import BadRequest, InvalidApiKey
from app.dashboard.page import Visit, utc_now
from app.dashboard.query import query_of
from app.web.auth import why_over

if TYPE_CHECKING:
    from starlette.requests import Request

    from app.core.keys import Key
    from app.dashboard.access.session import Session
    from app.dashboard.page import Page, Twin, View
    from app.dashboard.site import Site

SESSION_COOKIE: Final = "tollkeeper_session"
HTMX: Final = "hx-request"
STREAM: Final = "text/event-stream"
LOGIN: Final = "/ui/login"
HOLDERS_HOME: Final = "/ui/me"
NO_WAY_BACK: Final = (LOGIN, "/ui/logout", "/ui/theme")
UPWARDS: Final = re.compile(r"/(\.|%2e){1,2}(/|$)", re.ASCII | re.IGNORECASE)
"""A part of a path that a browser takes for the place above, or for the same one."""
TOKEN_FIELD: Final = "csrf"  # noqa: S105 - a field's name
OUTDATED: Final = "this form is out of date: go back, load the page again, and send it once more"
LOGGED_OUT: Final = "you are not logged in any more: load the page again and log in"


async def visit_of(
    site: Site, page: Page, view: View, twin: Twin, request: Request
) -> Visit | Response:
    """The visit, or where someone who may not make it is sent.  Raises BadRequest."""
    session = read_session(site, request)
    if session is None:
        return to_login(request)
    key = None
    if not session.is_operator:
        key = await _holders_key(site, session)
        if key is None:
            return to_login(request)
        if not page.for_holders:
            return RedirectResponse(HOLDERS_HOME, 303)
    path = request.url.path.removesuffix(f".{twin}") if twin else request.url.path
    form = {}
    if view.method == "POST":
        form = await read_form(request)
        if not site.signer.is_form_token(form.pop(TOKEN_FIELD, ""), session.nonce):
            raise BadRequest(OUTDATED, param=TOKEN_FIELD)
    return Visit(
        request=request,
        site=site,
        page=page,
        session=session,
        query=query_of(path, request.url.query),
        now=utc_now(),
        key=key,
        twin=twin,
        form=form,
    )


def read_session(site: Site, request: Request) -> Session | None:
    """Whoever the cookie says."""
    cookie = request.cookies.get(SESSION_COOKIE, "")
    return site.signer.read(cookie, int(utc_now().timestamp()))


async def read_form(request: Request) -> dict[str, str]:
    """Its fields; of one that is given several times the values are joined by commas."""
    body = (await request.body()).decode("utf-8", "replace")
    form: dict[str, str] = {}
    for name, value in parse_qsl(body, keep_blank_values=True, errors="replace"):
        form[name] = f"{form[name]},{value}" if name in form else value
    return form


def to_login(request: Request) -> Response:
    """The login page, which leads back here; a script is told that it isn't logged in."""
    if STREAM in request.headers.get("accept", ""):
        raise InvalidApiKey(LOGGED_OUT)
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    wanted = f"?{urlencode({'next': back})}" if request.method == "GET" and back != "/ui" else ""
    if HTMX in request.headers:
        return Response(status_code=401, headers={"hx-redirect": LOGIN + wanted})
    return RedirectResponse(LOGIN + wanted, 303)


def way_back(wanted: str, otherwise: str) -> str:
    """A place in the dashboard, and nowhere else, whatever a link said."""
    path = wanted.partition("#")[0].partition("?")[0]
    inside = path == "/ui" or path.startswith("/ui/")
    strange = "\\" in wanted or not wanted.isprintable() or UPWARDS.search(path) is not None
    if strange or not inside or path.rstrip("/") in NO_WAY_BACK:
        return otherwise
    return wanted


async def _holders_key(site: Site, session: Session) -> Key | None:
    """The holder's key, while it may call."""
    key = await site.running.store.keys.of_digest(session.sha256)
    return None if key is None or why_over(key) else key
