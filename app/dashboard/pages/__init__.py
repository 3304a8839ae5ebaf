"""Every page, in the order of the head; an operator begins at the first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.dashboard.pages import keys, me, prices, proof, requests, savings, teams, tries

if TYPE_CHECKING:
    from app.dashboard.page import Page

PAGES: Final[tuple[Page, ...]] = (
    requests.PAGE,
    keys.PAGE,
    teams.PAGE,
    savings.PAGE,
    prices.PAGE,
    proof.PAGE,
    tries.PAGE,
    me.PAGE,
)
