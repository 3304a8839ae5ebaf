"""Calls as people read them: a list, and one call's cost as a sum to be done again by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.commands.output import Column, complain, say, say_wrapped, show_facts, show_table, width
from app.core.money import PICO_PER_NANO
from app.dashboard.figures import formats
from app.dashboard.figures.receipt import MoneyLine, amount, money_lines, sentence
from app.dashboard.pages.receipts import BASES, SOURCES, book_rates, is_guess
from app.store.database.moments import moment
from app.store.records.refusals import RefusalView
from app.store.records.request_views import RequestDetails, RequestView

NOT_KNOWN = "-"
WITH_TIME = 80  # from these widths on the list has more columns
WITH_MODEL = 110
WITH_KEY = 140
WITH_TOKENS = 190
WITH_RATE_SOURCE = 90


def show_calls(rows: Sequence[RequestView], names: Mapping[str, str]) -> None:
    """As many columns as fit; the whole of a row is for `show`, JSON and CSV."""
    columns = [Column("ID", whole=True), Column("State"), Column("Cost", "right", whole=True)]
    room = width()
    if room >= WITH_TIME:
        columns.append(Column("When (UTC)", whole=True))
    if room >= WITH_MODEL:
        columns.append(Column("Model"))
    if room >= WITH_KEY:
        columns.append(Column("Key"))
    if room >= WITH_TOKENS:
        titles = ("In", "Read", "Out", "Took")
        columns += [Column(title, "right", whole=True) for title in titles]
    show_table(columns, [_call(row, names)[: len(columns)] for row in rows])
    guesses = sum(map(is_guess, rows))
    if guesses:
        complain(f"~ marks {guesses:,} guessed: tollkeeper requests settle ID USD --note TEXT")


def _call(row: RequestView, names: Mapping[str, str]) -> list[str]:
    model = row.model
    if row.requested_model != row.model:
        model = f"{row.requested_model} -> {row.model}"
    return [
        row.id,
        _state(row),
        ("~" if is_guess(row) else "") + formats.call(row.cost_nano_usd),
        _second(row.created_us),
        model,
        names.get(row.key_id, row.key_id),
        formats.count(row.prompt_tokens),
        formats.share(row.cache_read_tokens, row.prompt_tokens),
        formats.count(row.output_tokens),
        formats.milliseconds(row.latency_ms),
    ]


def _state(row: RequestView) -> str:
    if row.status is not None and row.status >= 400:
        return str(row.status)
    return "running" if row.state == "reserved" else row.state


def _second(us: int) -> str:
    return f"{moment(us):%Y-%m-%d %H:%M:%S}"


def show_receipt(row: RequestDetails, key_name: str) -> None:
    """The whole of it: money, hold, route, cache, attempts."""
    say_wrapped(sentence(row))
    say()
    show_facts(
        {
            "request": row.id,
            "when": f"{_second(row.created_us)} UTC",
            "key": key_name,
            "state": _state(row) if row.error_code is None else f"{_state(row)}, {row.error_code}",
            **({"end user": row.end_user} if row.end_user else {}),
            **({"tags": ", ".join(row.tags)} if row.tags else {}),
            "conversation": row.conversation or NOT_KNOWN,
        }
    )
    _show_money(row)
    left = row.reserved_nano_usd - row.cost_nano_usd
    certainty, basis = SOURCES.get(row.cost_source or "", ("not known yet", ""))
    ends = "released" if left >= 0 else "above the hold"
    show_facts(
        {
            "held": formats.exact(row.reserved_nano_usd),
            "cost": f"{formats.exact(row.cost_nano_usd)}, {certainty}",
            **({} if row.state == "reserved" else {ends: formats.exact(abs(left))}),
            **({"known by": _basis(row, basis)} if basis else {}),
        }
    )
    _show_route(row)
    _show_cache(row)
    _show_attempts(row.attempt_details or ())


def _basis(row: RequestDetails, basis: str) -> str:
    if is_guess(row):
        return (
            f"a guess; once the bill is known: tollkeeper requests settle {row.id} USD --note ..."
        )
    return basis


def _show_money(row: RequestDetails) -> None:
    lines = money_lines(row)
    wide = width() >= WITH_RATE_SOURCE
    columns = [
        Column("What"),
        Column("Tokens", "right", whole=True),
        Column("$ per MTok", "right"),
        Column("Amount", "right", whole=True),
        *([Column("Rate is from")] if wide else []),
    ]
    total = ("Cost", "", "", formats.exact(row.cost_nano_usd), "")
    show_table(columns, [cells[: len(columns)] for cells in (*map(_money, lines), total)])
    if not wide:
        for line in lines:
            if line.category:
                say_wrapped(f"{line.label}: {_origin(line)}")
    for note in dict.fromkeys(line.note for line in lines if line.note):
        say_wrapped(note)


def _money(line: MoneyLine) -> tuple[str, ...]:
    tokens = "" if line.tokens is None else formats.count(line.tokens)
    return line.label, tokens, _rate(line), amount(line.pico), _origin(line)


def _rate(line: MoneyLine) -> str:
    if line.rate is None:
        return ""
    if not line.category:
        return f"{formats.exact(line.rate // PICO_PER_NANO)} each"
    shown = formats.rate(line.rate)
    return shown if line.multiplier == "1" else f"{shown} x {line.multiplier}"


def _origin(line: MoneyLine) -> str:
    """The book and its date; where the config overrode it, the book's own figure too."""
    if not line.category:
        return ""
    above = f", above {formats.count(line.above)} tokens" if line.above else ""
    if line.origin != "config":
        return f"price book since {line.since}{above}"
    book = book_rates(line.model, line.since, line.above)
    beside = "" if book is None else f" (book: {formats.rate(getattr(book, line.category))})"
    return f"override in config{beside}{above}"


def _show_route(row: RequestDetails) -> None:
    routing = row.routing or {}
    score = routing.get("score")
    threshold = routing.get("threshold")
    told = NOT_KNOWN if score is None else f"{score:.3f}"
    if score is not None and threshold is not None:
        told += f", threshold {threshold:.3f}"
    say()
    show_facts(
        {
            "asked for": row.requested_model,
            "routed to": f"{routing.get('tier') or 'the named model'}, "
            + row.route_reason.replace("_", " "),
            "answered by": f"{row.model} at {row.upstream}",
            "score": told,
            "saved by routing": f"at most {formats.exact(row.routing_savings_nano_usd)}",
        }
    )


def _show_cache(row: RequestDetails) -> None:
    plan = row.cache_plan or {}
    written = row.cache_write_5m_tokens + row.cache_write_1h_tokens
    missed = "no miss"
    if row.cache_miss_reason:
        missed = row.cache_miss_reason.replace("_", " ")
        if row.cache_miss_nano_usd is not None:
            missed += f", which cost {formats.exact(row.cache_miss_nano_usd)}"
    say()
    show_facts(
        {
            "marks placed": ", ".join(map(str, plan.get("placed") or ())) or "none",
            "marks of caller": str(plan.get("callers", 0)),
            "kept for": str(plan.get("ttl") or NOT_KNOWN),
            "read, written": f"{formats.count(row.cache_read_tokens)}, {formats.count(written)} "
            f"of {formats.count(row.prompt_tokens)} tokens",
            "saved by cache": formats.exact(row.cache_savings_nano_usd),
            "miss": missed,
        }
    )


def _show_attempts(attempts: Sequence[Mapping[str, Any]]) -> None:
    say()
    for place, each in enumerate(attempts, 1):
        answer = " ".join(str(each[name]) for name in ("status", "error") if each.get(name))
        cost = each.get("cost_usd")
        charged = (
            "charge not told" if cost is None else f"charged {formats.exact(formats.nano(cost))}"
        )
        basis = BASES.get(each.get("basis") or "", each.get("basis") or "")
        show_facts(
            {
                f"attempt {place}": f"{each['model']} at {each['upstream']}: "
                f"{answer or 'answered'}, "
                f"{formats.milliseconds(each['latency_ms'])}, {charged}"
                + (f" for {basis}" if basis else "")
                + (f"; {each['message']}" if each.get("message") else "")
                + (f" ({each['request_id']})" if each.get("request_id") else "")
            }
        )


def show_refusal(refused: RefusalView, key_name: str) -> None:
    """A call that was refused before its hold: it cost nothing."""
    say("Refused before anything was sent: it cost nothing.")
    say()
    budget = refused.budget or {}
    show_facts(
        {
            "request": refused.id,
            "when": f"{_second(refused.created_us)} UTC",
            "key": key_name,
            "model": refused.model or NOT_KNOWN,
            "code": f"{refused.status} {refused.code}",
            "message": refused.message,
            **({"calls like it": formats.count(refused.calls)} if refused.calls > 1 else {}),
            **{
                name.removesuffix("_usd").replace("_", " "): NOT_KNOWN
                if value is None
                else f"{value} USD"
                if name.endswith("_usd")
                else str(value)
                for name, value in budget.items()
            },
        }
    )
