"""What the pages of calls, attempts and prices must show."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from tests.dashboard.bag import Bag
from tests.dashboard.shown import Row
from tests.dashboard.walk import Page
from tests.dashboard.written import (
    DASH,
    Object,
    call_row,
    change,
    count,
    ms,
    prompt_tokens,
    share,
    sum_of,
    usd,
)

CATEGORIES = ("input", "cache_write_5m", "cache_write_1h", "cache_read", "output")
ENDS = {"usage": "Answered", "refused": "Refused", "never_sent": "Never connected"}
ENDS |= {"cut": "Cut short", "elapsed": "Unknown", "bound": "Unknown"}


def calls(bag: Bag) -> Page:
    return Page({"Calls, newest first": [call_row(row) for row in bag.gateway.rows()]})


def receipt(bag: Bag, kind: str) -> Page:
    """Of a call that went well: its lines are tokens x rate."""
    row = bag.gateway.row(bag.ids[kind])
    cost, held = Decimal(row["cost_usd"]), Decimal(row["reserved_usd"])
    lines = []
    for category in CATEGORIES:
        tokens, rate = row[f"{category}_tokens"], row["rates"]["usd_per_token"][category]
        amount = usd(tokens * Decimal(rate))
        if tokens:
            lines.append({"Tokens": count(tokens), "$ per MTok": usd(rate), "Amount": amount})
    money = "The sum, to be done again by hand: tokens × rate, added up"
    missed = row["cache_miss_usd"]
    written = row["cache_write_5m_tokens"] + row["cache_write_1h_tokens"]
    return Page(
        {
            money: lines,
            "Attempts, in order": [
                {"": str(place), "Took": ms(each["latency_ms"]), "Charged": usd(each["cost_usd"])}
                for place, each in enumerate(row["attempt_details"], 1)
            ],
            **(_features(row) if row["routing"].get("features") else {}),
        },
        footers={money: {"": "Cost", "Amount": usd(cost)}},
        facts={
            "Saved by routing, at most": usd(row["routing_savings_usd"]),
            "On the strongest tier, at most": usd(cost + Decimal(row["routing_savings_usd"])),
            "Saved, net of writing": usd(row["cache_savings_usd"]),
            "The miss cost": DASH if missed is None else usd(missed),
            "Read": f"{count(row['cache_read_tokens'])} of {count(prompt_tokens(row))} tokens",
            "Written": f"{count(written)} tokens",
            "Whole answer after": ms(row["latency_ms"]),
        },
        sentences=[usd(cost), usd(held), usd(cost), usd(held - cost)],
    )


def _features(row: Object) -> dict[str, list[Row]]:
    return {
        "What the score counted": [
            {"": name.replace("_", " "), "Value": count(counted), "Adds": f"{added:+.3f}"}
            for name, (counted, added) in row["routing"]["features"].items()
        ]
    }


def refusal(bag: Bag) -> Page:
    found = bag.gateway.row(bag.ids["refused"])
    budget = found["budget"]
    return Page(
        facts={
            "Limit": usd(budget["limit_usd"]),
            "Spent": usd(budget["spent_usd"]),
            f"Held by {budget['running_calls']} running calls": usd(budget["held_usd"]),
            "Left": usd(budget["remaining_usd"]),
            "This call needed up to": usd(budget["needed_usd"]),
            "What would have fitted": f"max_tokens of {count(budget['max_tokens_that_fit'])}",
            "Calls refused like this": count(found["count"]),
        }
    )


def refused_rows(bag: Bag, key_id: str) -> list[Row]:
    found = bag.gateway.admin("GET", f"refusals?key_id={key_id}")["data"]
    return [
        {
            "Needed": usd(each["budget"]["needed_usd"]),
            "Left": usd(each["budget"]["remaining_usd"]),
            "Would have fitted": count(each["budget"]["max_tokens_that_fit"]),
            "Calls": count(each["count"]),
        }
        for each in found
    ]


def what_if(bag: Bag) -> Page:
    ends = {"from": "2026-01-01", "to": "2999-01-01"}
    api = bag.gateway.admin("POST", "whatif", {**ends, "cache": "off"})
    return Page(
        {
            "By model": [
                _repriced(row) | {"It would answer": count(row["whatif_requests"])}
                for row in api["by_model"]
            ],
            "By day, UTC": [_repriced(row) for row in api["by_day"]],
        },
        tiles=[
            ("They cost", usd(api["actual_usd"]), f"{api['requests']} calls"),
            ("Would have cost", usd(api["whatif_usd"]), f"{api['changed']} calls priced otherwise"),
            (
                "Change",
                usd(api["difference_usd"]),
                change(api["whatif_usd"], api["actual_usd"]),
            ),
        ],
    )


def _repriced(row: Object) -> Row:
    return {
        "Calls": count(row["requests"]),
        "They cost": usd(row["actual_usd"]),
        "Would have cost": usd(row["whatif_usd"]),
        "Change": change(row["whatif_usd"], row["actual_usd"]),
    }


def prices(bag: Bag) -> Page:
    labels = dict(
        zip(CATEGORIES, ("Input", "Write 5 min", "Write 1 h", "Read", "Output"), strict=True)
    )
    rows: dict[str, Row] = {}
    for each in bag.gateway.admin("GET", "prices")["data"]:
        row = rows.setdefault(each["model"], {"": each["model"], "Web search": "$0.01"})
        row[labels[each["category"]]] = usd(each["usd_per_token"])
    same = dict.fromkeys(labels.values(), "same")
    (used,) = bag.gateway.admin("GET", "spend?group_by=model&model=claude-sonnet-5-5")["data"]
    saved = used["cache_read_tokens"] * Decimal("-0.0000001")  # since 7 October reads cost half
    return Page(
        {
            "Dollars per million tokens, as they are charged now": list(rows.values()),
            "Changes of the offered models’ prices, newest first": [
                same | {"Read": "$0.0000002", "It cost you": usd(saved)},
                same | {"It cost you": DASH},  # of prompts over 200,000 tokens alone
            ],
        }
    )


def proof(bag: Bag) -> Page:
    page = attempts(bag)
    del page.tables["What went wrong, the most frequent first"]
    guesses = [row for row in bag.gateway.rows() if row["cost_source"] == "estimated"]
    audit = bag.gateway.admin("GET", "audit?limit=50")["data"]
    page.tables |= {
        "Calls whose cost is a guess, newest first": [call_row(row) for row in guesses],
        "The gateway’s processes, newest first": [{"Open calls": "0", "Held": "$0.00"}],
        "Who changed what, newest first": [{} for _ in audit],
    }
    return page


def attempts(bag: Bag) -> Page:
    rows = [bag.gateway.row(row["id"]) for row in bag.gateway.rows()]
    tried = [each for row in rows for each in row["attempt_details"]]
    groups: dict[str, list[Object]] = {}
    failures: dict[tuple[str, str], list[Object]] = {}
    for each in tried:
        groups.setdefault(each["model"], []).append(each)
        if each["error"]:
            failures.setdefault((str(each["status"]), each["error"]), []).append(each)
    ranked = sorted(groups.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    failed = sorted(failures.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return Page(
        {
            "By upstream and model": [
                {"Model": model} | _attempts(group) for model, group in ranked
            ],
            "What went wrong, the most frequent first": [
                {
                    "Status": status,
                    "Error": error,
                    "Attempts": count(len(group)),
                    "Charged": usd(sum_of(group, "cost_usd")),
                }
                for (status, error), group in failed
            ],
        },
        footers={"By upstream and model": _attempts(tried)},
        sentences=[usd(sum_of(rows, "cost_usd") - sum_of(tried, "cost_usd"))],
    )


def _attempts(group: list[Object]) -> Row:
    ends = Counter(ENDS[each["basis"]] for each in group)
    answered = [each for each in group if each["basis"] == "usage"]
    paid = sum_of(answered, "cost_usd")
    return {
        "Tried": count(len(group)),
        **{end: count(ends[end]) for end in ENDS.values()},
        "For answers": usd(paid),
        "For the rest": usd(sum_of(group, "cost_usd") - paid),
    }


def my_calls(bag: Bag) -> list[Row]:
    key_id = bag.key("<b>chat</b>")["id"]
    rows = bag.gateway.admin("GET", f"requests?key_id={key_id}")["data"]
    return [call_row(row) for row in rows]


def models_of(bag: Bag, key: Object) -> tuple[list[Row], Row]:
    """What a key called, by model, and all of it."""
    rows = bag.gateway.admin("GET", f"spend?group_by=model&key_id={key['id']}&sort=-cost_usd")
    total = rows["totals"]
    lines = []
    for row in rows["data"]:
        cost, number = row["cost_usd"], row["requests"]
        nano = int(Decimal(cost) * 10**9)
        lines.append(
            {
                "": row["model"],
                "Calls": count(number),
                "Spent": usd(cost),
                "Share": share(cost, total["cost_usd"]),
                "Per call": usd(Decimal(nano // number) / 10**9),
                "Budget": DASH,
            }
        )
    return lines, {"Calls": count(total["requests"]), "Spent": usd(total["cost_usd"])}
