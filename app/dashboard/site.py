"""What all pages share: templates, assets, who is logged in, and the figures on top."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from app.dashboard.access.security import NONCE
from app.dashboard.access.session import Signer
from app.dashboard.access.throttle import Throttle
from app.dashboard.assets import Assets
from app.dashboard.figures import cells, charts, formats
from app.dashboard.query import PRESETS
from app.dashboard.strip import Strips
from app.web.headers import REQUEST_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from app.dashboard.page import Page, Visit
    from app.web.running import RunningGateway

THEME_COOKIE: Final = "tollkeeper_theme"
THEMES: Final = ("system", "light", "dark")


class Site:
    """One for each process; it keeps no one's state."""

    def __init__(self, running: RunningGateway, pages: tuple[Page, ...]) -> None:
        self.running = running
        self.pages = pages
        self.signer = Signer(running.master_key)
        self.throttle = Throttle()
        self.assets = Assets()
        self._strips = Strips(running)
        self._templates = Environment(
            loader=PackageLoader("app.dashboard"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(
            asset=self.assets.url,
            cells=cells,
            charts=charts,
            formats=formats,
            presets=PRESETS,
            themes=THEMES,
        )

    @property
    def is_simulated(self) -> bool:
        """Whether the money is play money: `serve` refuses a database of the other kind."""
        return bool(self.running.every)

    @property
    def home(self) -> str:
        """Where an operator begins."""
        return self.pages[0].href

    def nav(self, visit: Visit) -> list[Page]:
        """The links in the head."""
        if visit.session.is_operator:
            return [page for page in self.pages if page.nav]
        return [page for page in self.pages if page.for_holders]

    async def page(
        self, visit: Visit, template: str, status: int, values: Mapping[str, Any]
    ) -> Response:
        """A page in its frame, drawn in another thread: that takes a while, and calls go on."""
        strip = await self._strips.now(visit.now) if visit.session.is_operator else None
        shared = {
            "visit": visit,
            "query": visit.query,
            "zone": visit.zone,
            "now": visit.now,
            "page": visit.page,
            "nav": self.nav(visit),
            "strip": strip,
            "csrf": self.signer.form_token(visit.session.nonce),
        }
        return await asyncio.to_thread(
            self.bare, visit.request, template, status, {**shared, **values}
        )

    def bare(
        self, request: Request, template: str, status: int, values: Mapping[str, Any]
    ) -> Response:
        """A page without who is logged in."""
        shared = {
            "theme": theme_of(request),
            "nonce": request.scope[NONCE],
            "request_id": request.scope.get(REQUEST_ID, ""),
            "simulated": self.is_simulated,
        }
        text = self._templates.get_template(template).render({**shared, **values})
        return HTMLResponse(text, status)


def theme_of(request: Request) -> str:
    """As the cookie has it; the system's where there is none."""
    found = request.cookies.get(THEME_COOKIE, "")
    return found if found in THEMES else THEMES[0]
