"""Every page is walked, and every figure on it held against the admin API for the same filter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

import pytest

from app.dashboard.pages import PAGES
from tests.dashboard import walk_calls as calls
from tests.dashboard import walk_sums as sums
from tests.dashboard.bag import Bag, bag
from tests.dashboard.browsing import Visitor, visitor
from tests.dashboard.shown import shown
from tests.dashboard.walk import Page, differences
from tests.dashboard.written import usd
from tests.running import Simulated

CHAT = sums.CHAT


@dataclass(frozen=True)
class Stop:
    """A page to look at: its URL, and what it must show."""

    path: Callable[[Bag], str]
    page: Callable[[Bag], Page]


def at(path: str, page: Callable[[Bag], Page]) -> Stop:
    return Stop(lambda _: path, page)


def nothing(_: Bag) -> Page:
    return Page()


def receipt(kind: str, of: str = "/ui/requests") -> Stop:
    return Stop(lambda b: f"{of}/{b.ids[kind]}", lambda b: calls.receipt(b, kind))


def of_key(tail: str, page: Callable[[Bag], Page]) -> Stop:
    return Stop(lambda b: f"/ui/keys/{b.key(CHAT)['id']}{tail}", page)


def of_team(tail: str, page: Callable[[Bag], Page]) -> Stop:
    return Stop(lambda b: f"/ui/teams/{sums.platform(b)['id']}{tail}", page)


STOPS: dict[str, tuple[Stop, ...]] = {
    "/ui": (at("/ui", sums.overview),),
    "/ui/spend": (at("/ui/spend?by=key&compare=prev", sums.explorer),),
    "/ui/requests": (at("/ui/requests", calls.calls),),
    "/ui/requests/{id}": (
        *map(receipt, ("cached", "scored", "retried", "opus", "sonnet")),
        Stop(lambda b: f"/ui/requests/{b.ids['refused']}", calls.refusal),
    ),
    "/ui/keys": (at("/ui/keys", sums.keys),),
    "/ui/keys/new": (at("/ui/keys/new", sums.new_key_form),),
    "/ui/keys/{id}": (of_key("", sums.key),),
    "/ui/keys/{id}/edit": (of_key("/edit", sums.key_form),),
    "/ui/teams": (at("/ui/teams", sums.teams),),
    "/ui/teams/new": (at("/ui/teams/new", nothing),),
    "/ui/teams/{id}": (of_team("", sums.team),),
    "/ui/teams/{id}/edit": (of_team("/edit", sums.team_form),),
    "/ui/budgets": (at("/ui/budgets", sums.budgets),),
    "/ui/budgets/windows": (at("/ui/budgets/windows?scope=global", sums.windows),),
    "/ui/savings": (at("/ui/savings", sums.savings),),
    "/ui/savings/whatif": (at("/ui/savings/whatif?cache=off&go=1", calls.what_if),),
    "/ui/prices": (at("/ui/prices", calls.prices),),
    "/ui/proof": (at("/ui/proof?check=now", calls.proof),),
    "/ui/proof/attempts": (at("/ui/proof/attempts", calls.attempts),),
    "/ui/try": (at("/ui/try", lambda _: Page(facts={"Cost": "$", "Saved by the cache": "$"})),),
    "/ui/me": (at("/ui/me", sums.my_key),),
    "/ui/me/requests/{id}": (
        receipt("cached", "/ui/me/requests"),
        Stop(lambda b: f"/ui/me/requests/{b.ids['refused']}", calls.refusal),
    ),
}


@pytest.fixture(scope="module")
def filled(upstream: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bag]:
    with bag(tmp_path_factory.mktemp("bag"), upstream) as made:
        yield made


def test_every_view_of_the_dashboard_is_walked() -> None:
    views = {view.path for page in PAGES for view in page.views if view.method == "GET"}
    assert views == set(STOPS)


def test_every_figure_of_every_page_is_the_admin_apis(filled: Bag) -> None:
    found: list[str] = []
    secret = filled.secrets[CHAT]
    with visitor(filled.gateway) as operator, visitor(filled.gateway, secret) as holder:
        for path, stops in STOPS.items():
            who = holder if path.startswith("/ui/me") else operator
            for stop in stops:
                found += _look(who, stop, filled)
    assert found == [], "\n".join(found)


def _look(who: Visitor, stop: Stop, filled: Bag) -> list[str]:
    path = stop.path(filled)
    answer = who.get(path)
    if answer.status_code != 200:
        return [f"{path}: {answer.status_code}"]
    page = shown(answer.text)
    unlike = differences(page, stop.page(filled))
    if page.strip:
        unlike += _strip(page.strip, filled)
    return [f"{path}: {each}" for each in unlike]


def _strip(shown_there: dict[str, str], filled: Bag) -> list[str]:
    totals = filled.gateway.admin("GET", "spend")["totals"]
    wanted = {
        "Spent this month": usd(totals["cost_usd"]),
        "Held now": usd(Decimal(0)),
        "Cost certainty": usd(totals["estimated_usd"]),
    }
    return [
        f"{name}: {shown_there[name]}" for name, text in wanted.items() if shown_there[name] != text
    ]
