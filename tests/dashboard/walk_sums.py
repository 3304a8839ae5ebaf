"""What the pages of sums, keys, teams, budgets and savings must show."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import accumulate

from tests.dashboard.bag import Bag
from tests.dashboard.shown import Row
from tests.dashboard.walk import Page
from tests.dashboard.walk_calls import models_of, my_calls, refused_rows
from tests.dashboard.written import (
    DASH,
    Object,
    bar,
    cache_row,
    count,
    mean,
    ms,
    prompt_tokens,
    share,
    short,
    six_decimals,
    spend_row,
    sum_of,
    two_or_four,
    usd,
)

CHAT = "<b>chat</b>"
TALKER = "مفتاح"
GOOD = {(0, 0): DASH, (1, 1): "50.0 % (9 to 91)"}  # Wilson's interval, by hand
MARKS = {"gateway": "placed by Tollkeeper", "none": "none placed"}


def spend(bag: Bag, query: str) -> Object:
    found: Object = bag.gateway.admin("GET", f"spend?{query}")
    return found


def by_day_and_model(bag: Bag) -> list[Row]:
    days: dict[str, dict[str, Decimal]] = {}
    rows = spend(bag, "group_by=day,model")["data"]
    for row in rows:
        days.setdefault(row["day"], {})[row["model"]] = Decimal(row["cost_usd"])
    models = {row["model"] for row in rows}
    return [
        {"": day, "Cost": usd(sum(costs.values(), Decimal(0)))}
        | {model: usd(costs.get(model, Decimal(0))) for model in models}
        for day, costs in sorted(days.items(), reverse=True)
    ]


def overview(bag: Bag) -> Page:
    totals = spend(bag, "")["totals"]
    cost, guessed, calls = totals["cost_usd"], totals["estimated_usd"], totals["requests"]
    tokens, errors = prompt_tokens(totals), totals["errors"]
    half, most = ms(totals["latency_ms_p50"]), ms(totals["latency_ms_p95"])
    return Page(
        {
            "Spend by day and model": by_day_and_model(bag),
            "Spent by the end of each day": _month(bag),
            "Dearest keys": _top(bag, "key"),
            "Dearest teams": _top(bag, "team"),
            "Dearest tags": _top(bag, "tag"),
            "Dearest calls of the last 24 hours": _dear(bag),
        },
        tiles=[
            ("Spent", usd(cost), "new against $0.00 before"),
            ("Today", usd(cost), f"{calls} calls so far"),
            ("Calls", count(calls), f"{errors} with an error ({share(errors, calls)})"),
            (
                "Prompt tokens",
                short(tokens),
                f"{share(totals['cache_read_tokens'], tokens)} read from the cache",
            ),
            (
                "Answer tokens",
                short(totals["output_tokens"]),
                f"calls took {half}, 95 % up to {most}",
            ),
            ("Caching", usd(totals["cache_savings_usd"]), "saved, net of what writing cost"),
            (
                "Routing",
                usd(totals["routing_savings_usd"]),
                "at most, against the strongest tier",
            ),
        ],
        sentences=[
            *(usd(Decimal(cost) - Decimal(guessed)), "$0.00", usd(guessed), "$0.00"),
            *(two_or_four(cost), "$0.00"),  # this month, and the same days of the last one
        ],
    )


def _month(bag: Bag) -> list[Row]:
    by_day = {row["day"]: Decimal(row["cost_usd"]) for row in spend(bag, "group_by=day")["data"]}
    today = date.fromisoformat(max(by_day))
    days = [today.replace(day=number + 1) for number in range(today.day)]
    length = (today.replace(day=1) - timedelta(days=1)).day
    so_far = Decimal(0)
    rows = []
    for day in days:
        so_far += by_day.get(day.isoformat(), Decimal(0))
        last = "$0.00" if day.day <= length else DASH
        rows.append({"This month up to it": usd(so_far), "Last month up to it": last})
    return rows


def _top(bag: Bag, group: str) -> list[Row]:
    found = spend(bag, f"group_by={group}&sort=-cost_usd")
    rows = [row for row in found["data"] if row[group] is not None]
    return [
        {
            "": row.get(f"{group}_name", row[group]),
            "Cost": usd(row["cost_usd"]),
            "Share": share(row["cost_usd"], found["totals"]["cost_usd"]),
            "Change": "new",
        }
        for row in rows[:5]
    ]


def _dear(bag: Bag) -> list[Row]:
    found = bag.gateway.admin("GET", "requests?sort=cost&limit=10")["data"]
    return [{"Cost": usd(row["cost_usd"]), "Most of it": _most(row)} for row in found]


def _most(row: Object) -> str:
    parts = {name: Decimal(text) for name, text in row["cost_details"].items()}
    parts["cache_write"] = parts.pop("cache_write_5m") + parts.pop("cache_write_1h")
    told = {
        "cache_write": "prompt written to the cache, {} tokens",
        "cache_read": "prompt read from the cache, {} tokens",
        "output": "answer, {} tokens",
        "other": "attempts without an answer, or a correction",
    }
    name = max(parts, key=lambda each: parts[each])
    tokens = row["cache_write_5m_tokens"] if name == "cache_write" else row.get(f"{name}_tokens", 0)
    return f"{share(parts[name], row['cost_usd'])}: {told[name].format(count(tokens))}"


def explorer(bag: Bag) -> Page:
    """By key, beside the thirty days before, in which there was nothing."""
    found = spend(bag, "group_by=key&sort=-cost_usd")
    totals = found["totals"]
    today = date.fromisoformat(by_day_and_model(bag)[0][""])
    first, end = today - timedelta(days=29), today + timedelta(days=1)
    ranges = f"from={first}&to={end}&against_from={first - timedelta(days=30)}&against_to={first}"
    change = bag.gateway.admin("GET", f"spend/change?{ranges}")
    why = "What changed the sum, in the order in which it is reckoned"
    return Page(
        {
            "Spend by day and model": by_day_and_model(bag),
            "Spend by key": [
                {"": row["key_name"]} | spend_row(row, totals) for row in found["data"]
            ],
            why: [
                {"": each["factor"].capitalize(), "Changed the sum by": _more(each["usd"])}
                for each in change["effects"]
            ],
        },
        footers={
            "Spend by key": spend_row(totals, totals),
            why: {"Changed the sum by": _more(change["change_usd"])},
        },
        sentences=[usd(change["before"]["cost_usd"]), usd(change["after"]["cost_usd"])],
    )


def _more(text: str) -> str:
    return f"+{usd(text)}" if Decimal(text) > 0 else usd(text)


def keys(bag: Bag) -> Page:
    return Page({"Virtual keys": [_key(key) for key in bag.gateway.admin("GET", "keys")["data"]]})


def _key(key: Object) -> Row:
    limit = key["max_budget_usd"]
    return {
        "": key["name"],
        "Budget": bar(key["spent_usd"], key["reserved_usd"], limit),
        "Spent": usd(key["spent_usd"]),
        "Of": DASH if limit is None else usd(limit),
    }


def key(bag: Bag) -> Page:
    """The one that was refused; its budget never starts again."""
    page = my_key(bag)
    del page.tables["Your calls, newest first"]
    del page.tables["Spend of the last 30 days, by day and model"]
    found = bag.key(CHAT)
    page.tables["Windows of the budget, newest first, UTC"] = [
        _window(bag, found, refused=1, key_id=found["id"])
    ]
    return page


def _window(bag: Bag, of: Object, refused: int = 0, **whose: str) -> Row:
    return {
        "Spent": usd(of["spent_usd"]),
        "Held": usd(of["reserved_usd"]),
        "Of today’s limit": share(of["spent_usd"], of["max_budget_usd"]),
        "Most held": _most_held(bag, **whose),
        "Refused": count(refused),
    }


def _most_held(bag: Bag, **whose: str) -> str:
    """Each hold from the call's beginning to its end: calls that came quickly may overlap."""
    query = "&".join(f"{name}={text}" for name, text in whose.items())
    changes = []
    for row in bag.gateway.admin("GET", f"requests?{query}")["data"]:
        held, began = Decimal(row["reserved_usd"]), datetime.fromisoformat(row["created_at"])
        ended = began + timedelta(milliseconds=row["latency_ms"], microseconds=1)
        changes += [(began, held), (ended, -held)]
    return usd(max(accumulate(held for _, held in sorted(changes))))


def my_key(bag: Bag) -> Page:
    found = bag.key(CHAT)
    lines, total = models_of(bag, found)
    nano = int(Decimal(found["lifetime_spent_usd"]) * 10**9) // int(total["Calls"])
    more = int(Decimal(found["remaining_usd"]) * 10**9) // nano
    days = spend(bag, f"group_by=day,model&key_id={found['id']}")["data"]
    days = sorted(days, key=lambda row: (row["day"], row["model"]), reverse=True)
    models = "Models, of the key’s whole life"
    return Page(
        {
            "Spend of the last 30 days, by day and model": [
                {"Model": row["model"], "Spent": usd(row["cost_usd"])} for row in days
            ],
            "Refused calls of the last 30 days, newest first": refused_rows(bag, found["id"]),
            models: lines,
            "Your calls, newest first": my_calls(bag),
        },
        footers={models: total},
        tiles=_standing(found, f"about {count(more)} calls of the kind that it makes"),
        facts={"Spent in its whole life": usd(found["lifetime_spent_usd"])},
    )


def _standing(of: Object, left: str = "") -> list[tuple[str, str, str]]:
    remaining = Decimal(of["max_budget_usd"]) - Decimal(of["spent_usd"])
    return [
        ("Spent so far", usd(of["spent_usd"]), ""),
        ("Held now", usd(of["reserved_usd"]), ""),
        ("Left", usd(remaining - Decimal(of["reserved_usd"])), left),
        ("Limit", usd(of["max_budget_usd"]), "never starts again"),
    ]


def new_key_form(bag: Bag) -> Page:
    totals = spend(bag, "")["totals"]
    each = mean(totals["cost_usd"], totals["requests"]).removeprefix("$")
    return Page(sentences=[six_decimals(each), "$1"])


def key_form(bag: Bag) -> Page:
    found = bag.key(CHAT)
    calls = int(models_of(bag, found)[1]["Calls"])
    each = mean(found["lifetime_spent_usd"], calls).removeprefix("$")
    return Page(
        sentences=[six_decimals(each), "$1"],
        inputs={"name": CHAT, "max_budget_usd": found["max_budget_usd"]},
    )


def teams(bag: Bag) -> Page:
    rows = []
    for team in bag.gateway.admin("GET", "teams")["data"]:
        limit = team["max_budget_usd"]
        rows.append(
            {
                "": team["name"],
                "Budget": bar(team["spent_usd"], team["reserved_usd"], limit),
                "Spent": usd(team["spent_usd"]),
                "Held": usd(team["reserved_usd"]),
                "Of": DASH if limit is None else usd(limit),
                "In its whole life": usd(team["lifetime_spent_usd"]),
            }
        )
    return Page({"Teams, newest first": rows})


def platform(bag: Bag) -> Object:
    (found,) = [
        team for team in bag.gateway.admin("GET", "teams")["data"] if team["name"] == "platform"
    ]
    team: Object = found
    return team


def team(bag: Bag) -> Page:
    found, agents = platform(bag), _key(bag.key("agents"))
    del agents["Of"]
    return Page(
        {
            "Its keys, greatest spend first": [agents],
            "Windows of the budget, newest first, UTC": [_window(bag, found, team="platform")],
        },
        tiles=_standing(found),
    )


def team_form(bag: Bag) -> Page:
    found = platform(bag)
    return Page(inputs={"name": found["name"], "max_budget_usd": found["max_budget_usd"]})


def budgets(bag: Bag) -> Page:
    talker = bag.key(TALKER)
    of_model = talker["model_spend"]["claude-haiku-4-5-20251001"]
    spent = spend(bag, "")["totals"]["cost_usd"]
    found = [
        ("all keys", spent, "0.00", "40.00"),
        ("team", *_stands(platform(bag))),
        *(("key", *_stands(bag.key(name))) for name in ("agents", CHAT, "unused")),
        ("model of a key", of_model["spent_usd"], of_model["reserved_usd"], "0.50"),
        *(
            ("conversation", row["cost_usd"], "0.00", "0.40")
            for row in spend(bag, f"group_by=conversation&key_id={talker['id']}")["data"]
        ),
    ]
    found.sort(key=lambda each: Decimal(each[1]) / Decimal(each[3]), reverse=True)
    rows = [_budget(*each) for each in found]
    return Page({"Budgets, the one nearest to its limit first": rows})


def _budget(scope: str, spent: str, held: str, limit: str) -> Row:
    return {
        "Scope": scope,
        "Budget": bar(spent, held, limit),
        "Spent": usd(spent),
        "Held": usd(held),
        "Left": usd(Decimal(limit) - Decimal(spent) - Decimal(held)),
        "Of": usd(limit),
        "A day": DASH,
    }


def windows(bag: Bag) -> Page:
    """Of the budget over all keys."""
    spent = spend(bag, "")["totals"]["cost_usd"]
    stands = {"spent_usd": spent, "reserved_usd": "0.00", "max_budget_usd": "40.00"}
    return Page(
        {
            "Now": [_budget("all keys", *stands.values())],
            "Windows of the budget, newest first, UTC": [_window(bag, stands)],
        }
    )


def _stands(of: Object) -> tuple[str, str, str]:
    return of["spent_usd"], of["reserved_usd"], of["max_budget_usd"]


def savings(bag: Bag) -> Page:
    api = bag.gateway.admin("GET", "savings")
    caching, routing = api["caching"], api["routing"]
    routed = sum(row["requests"] for row in routing["by_route"])
    read = share(caching["cache_read_tokens"], caching["prompt_tokens"])
    return Page(
        {
            "By who placed the breakpoints": [
                {"": MARKS[row["marks"]]} | cache_row(row) for row in caching["by_marks"]
            ],
            "By prefix: those that cost or saved most": [
                {"": row["prefix"]} | cache_row(row) for row in caching["by_prefix"]
            ],
            "Misses by reason": [
                {"Misses": count(row["misses"]), "Cost": usd(row["miss_usd"])}
                for row in caching["by_reason"]
            ],
            "By the model that answered, and why it was chosen": [
                {
                    "Calls": count(row["requests"]),
                    "Share": share(row["requests"], routed),
                    "Saved, at most": usd(row["saved_usd"]),
                }
                for row in routing["by_route"]
            ],
            **_tiers(routing),
            "By day, UTC": [
                {
                    "": row["day"],
                    "Calls": count(row["requests"]),
                    "Caching saved": usd(row["cache_saved_usd"]),
                    "Routing saved, at most": usd(row["routing_saved_usd"]),
                    "Misses cost": usd(row["miss_usd"]),
                }
                for row in api["by_day"]
            ],
        },
        footers={"By tier, the weakest first": _tier_total(routing["by_tier"])},
        tiles=[
            ("Saved, net", usd(caching["saved_usd"]), ""),
            (
                "Of it lost",
                usd(f"-{caching['lost_usd']}"),
                "calls that wrote for more than they saved",
            ),
            ("Read from the cache", read, "of all prompt tokens"),
            (
                "Misses cost",
                usd(caching["miss_usd"]),
                f"{caching['misses']} misses; no part of what was saved",
            ),
            ("Saved, at most", usd(routing["saved_usd"]), f"{routed} calls"),
        ],
    )


def _tiers(routing: Object) -> dict[str, list[Row]]:
    tiers = {row["tier"]: row for row in routing["by_tier"]}
    total = _tier_total(routing["by_tier"])
    cost = sum_of(tiers.values(), "cost_usd")
    return {
        "By tier, the weakest first": [
            {
                "Calls": count(row["requests"]),
                "Share": share(row["requests"], total["Calls"]),
                "By auto": count(row["by_auto"]),
                "Cost": usd(row["cost_usd"]),
                "Share of cost": share(row["cost_usd"], cost),
                "Per call": mean(row["cost_usd"], row["requests"]),
                **_said(row["ok"], row["not_ok"]),
            }
            for row in (tiers["haiku"], tiers["sonnet"], tiers["-"])
        ],
        "Calls that auto decided, by their score": [
            {
                "": f"{row['from']:.2f}",
                "Calls": count(sum(row["requests_by_tier"].values())),
                **{tier: count(number) for tier, number in row["requests_by_tier"].items()},
                "Good": count(row["ok"]),
                "Not good": count(row["not_ok"]),
            }
            for row in routing["by_score"]
            if row["requests_by_tier"]
        ],
    }


def _tier_total(tiers: list[Object]) -> Row:
    return {
        "Calls": count(sum(row["requests"] for row in tiers)),
        "By auto": count(sum(row["by_auto"] for row in tiers)),
        "Cost": usd(sum_of(tiers, "cost_usd")),
        **_said(sum(row["ok"] for row in tiers), sum(row["not_ok"] for row in tiers)),
    }


def _said(ok: int, not_ok: int) -> Row:
    return {"Good": count(ok), "Not good": count(not_ok), "Good are": GOOD[ok, not_ok]}
