"""Every page, in the order of the head; an operator begins at the first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.dashboard.pages import (
    budgets,
    keys,
    me,
    overview,
    prices,
    proof,
    requests,
    savings,
    spend,
    teams,
    tries,
)

if TYPE_CHECKING:
    from app.dashboard.page import Page

PAGES: Final[tuple[Page, ...]] = (
    overview.PAGE,
    spend.PAGE,
    requests.PAGE,
    keys.PAGE,
    teams.PAGE,
    budgets.PAGE,
    savings.PAGE,
    prices.PAGE,
    proof.PAGE,
    tries.PAGE,
    me.PAGE,
)
