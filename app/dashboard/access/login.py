"""In and out: the master key opens everything, a virtual key its own page; and the theme."""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, Final

from starlette.responses import RedirectResponse

from app.core.errors import BadRequest
from app.dashboard.access.doors import (
    HOLDERS_HOME,
    LOGIN,
    OUTDATED,
    SESSION_COOKIE,
    TOKEN_FIELD,
    read_form,
    read_session,
    way_back,
)
from app.dashboard.access.session import SESSION_S, Session, opened
from app.dashboard.page import ACTOR, utc_now
from app.dashboard.site import THEME_COOKIE, THEMES
from app.web.auth import same, why_over

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from app.dashboard.site import Site

VISITOR_COOKIE: Final = "tollkeeper_visitor"
FOR_A_YEAR_S: Final = 365 * 86_400
UNKNOWN: Final = "This key is not known here."

_log = logging.getLogger("tollkeeper.dashboard")


class Login:
    """The routes that need no session."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def show(self, request: Request) -> Response:
        """The form; whoever is logged in goes on."""
        wanted = request.query_params.get("next", "")
        session = read_session(self._site, request)
        if session is not None and session.is_operator:
            return RedirectResponse(way_back(wanted, self._site.home), 303)
        return self._form(request, wanted, 200)

    async def enter(self, request: Request) -> Response:
        """A try: throttled, in constant time, and noted when it succeeds."""
        form = await read_form(request)
        wanted = form.get("next", "")
        visitor = request.cookies.get(VISITOR_COOKIE, "")
        if not visitor or not self._site.signer.is_form_token(form.get(TOKEN_FIELD, ""), visitor):
            return self._form(request, wanted, 400, OUTDATED.capitalize() + ".")
        address = request.client.host if request.client else ""
        wait_s = self._site.throttle.wait_s(address)
        if wait_s:
            told = f"Too many tries. Try again in {wait_s} s."
            return self._form(request, wanted, 429, told, wait_s)
        session, who = await self._session_of(form.get("secret", "").strip())
        if session is None:
            _log.warning("dashboard login refused", extra={"address": address})
            return self._form(request, wanted, 401, who)
        self._site.throttle.succeeded(address)
        await self._site.running.store.audit.add(
            actor=ACTOR, action="dashboard.login", target=who, details={"address": address}
        )
        home = self._site.home if session.is_operator else HOLDERS_HOME
        answer = RedirectResponse(way_back(wanted, home) if session.is_operator else home, 303)
        self._keep(request, answer, SESSION_COOKIE, self._site.signer.cookie(session), SESSION_S)
        return answer

    async def leave(self, request: Request) -> Response:
        """Out; a form that is not ours logs nobody out."""
        session = read_session(self._site, request)
        form = await read_form(request)
        if session is not None:
            self._check(form, session.nonce)
            await self._site.running.store.audit.add(
                actor=ACTOR, action="dashboard.logout", target=session.kind, details={}
            )
        answer = RedirectResponse(LOGIN, 303)
        answer.delete_cookie(SESSION_COOKIE, path="/")
        return answer

    async def choose_theme(self, request: Request) -> Response:
        """Light, dark, or as the system has it; the page behind it is drawn so at once."""
        form = await read_form(request)
        wanted = form.get("theme", "")
        if wanted not in THEMES:
            raise BadRequest(f"theme must be one of {', '.join(THEMES)}", param="theme")
        answer = RedirectResponse(way_back(form.get("next", ""), self._site.home), 303)
        self._keep(request, answer, THEME_COOKIE, wanted, FOR_A_YEAR_S)
        return answer

    async def _session_of(self, secret: str) -> tuple[Session | None, str]:
        """The session that a secret opens and whose it is, or why it opens none."""
        if not secret:
            return None, "Give a key."
        running = self._site.running
        now_s = int(utc_now().timestamp())
        if same(secret, running.master_key):
            return opened("operator", now_s), "operator"
        key = await running.store.keys.find(secret)
        if key is None:
            return None, UNKNOWN
        over = why_over(key)
        if over:
            return None, f"{over[0].upper()}{over[1:]}."
        return opened("holder", now_s, key.secret_sha256 or ""), key.id

    def _form(
        self, request: Request, wanted: str, status: int, problem: str = "", wait_s: int = 0
    ) -> Response:
        visitor = request.cookies.get(VISITOR_COOKIE) or secrets.token_urlsafe(16)
        token = self._site.signer.form_token(visitor)
        values = {"wanted": way_back(wanted, ""), "problem": problem, "csrf": token}
        answer = self._site.bare(request, "login.html", status, values)
        if wait_s:
            answer.headers["retry-after"] = str(wait_s)
        self._keep(request, answer, VISITOR_COOKIE, visitor, SESSION_S)
        return answer

    def _check(self, form: dict[str, str], bound_to: str) -> None:
        if not self._site.signer.is_form_token(form.get(TOKEN_FIELD, ""), bound_to):
            raise BadRequest(OUTDATED, param=TOKEN_FIELD)

    def _keep(self, request: Request, answer: Response, name: str, value: str, age_s: int) -> None:
        """A cookie that no script reads and no other site's link brings along."""
        answer.set_cookie(
            name,
            value,
            max_age=age_s,
            path="/",
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
