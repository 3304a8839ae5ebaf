"""One call: what it cost, line by line, and why; or why it was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson
from markupsafe import Markup
from starlette.responses import Response

from app.config.prices import bundled_books, known
from app.core.errors import BadRequest, NotFound
from app.core.money import PICO_PER_NANO, nano_usd, pico_text, usd_text
from app.dashboard.figures import cells, formats
from app.dashboard.figures.receipt import MoneyLine, amount, money_lines, sentence
from app.dashboard.figures.tables import Column, Line, Records, Table
from app.dashboard.page import ACTOR
from app.store.database.moments import moment
from app.store.records.refusals import RefusalView, refused_request_json
from app.store.records.request_views import RequestDetails, request_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.core.pricing import Rates
    from app.dashboard.page import Visit
    from app.store.records.request_views import RequestView

BASES: Final = {
    "usage": "what the answer used",
    "cut": "what had come when it was cut",
    "elapsed": "the prompt, and what the time allowed",
    "bound": "the most it can have cost",
    "refused": "nothing: it was refused",
    "never_sent": "nothing: it was never sent",
}
SOURCES: Final = {
    "computed": ("exact", "Tokens that the upstream counted, at the rates above"),
    "billed": ("billed", "What the upstream itself billed"),
    "estimated": ("estimated", "It can be settled below once the bill is known"),
    "corrected": ("corrected", "Entered by hand"),
}
MONEY_COLUMNS: Final = (
    Column("What"),
    Column("Tokens", numeric=True),
    Column("$ per MTok", numeric=True, hint="Dollars per million tokens; per token on hover"),
    Column("Rate is from"),
    Column("Amount", numeric=True),
)
ATTEMPT_COLUMNS: Final = (
    Column("Attempt", numeric=False),
    Column("Upstream"),
    Column("Model"),
    Column("Answer"),
    Column("Took", numeric=True),
    Column("Charged", numeric=True),
    Column("For"),
    Column("Upstream’s request id"),
)


async def show(visit: Visit) -> Response:
    """The receipt; a holder sees those of the own key alone.  Raises NotFound."""
    request_id = visit.id("id")
    await visit.store.refusals.written()  # a refusal may be a moment old
    found = await visit.store.requests.found(request_id)
    if visit.key is not None and found.key_id != visit.key.id:
        raise NotFound(f"there is no request {request_id!r}")
    if isinstance(found, RefusalView):
        return await _refused(visit, found)
    lines = money_lines(found)
    if visit.twin == "json":
        return Response(orjson.dumps(request_json(found)), media_type="application/json")
    if visit.twin:
        return visit.records(Records([_record(line) for line in lines]))
    names = await visit.store.keys.names({found.key_id})
    routing = found.routing or {}
    return await visit.html(
        "receipt.html",
        row=found,
        sentence=sentence(found),
        state=state(found),
        when=moment(found.created_us),
        key_name=names.get(found.key_id, found.key_id),
        models=models(found),
        money=_money(visit, found, lines),
        source=SOURCES.get(found.cost_source or "", ("not known yet", "")),
        routing=routing,
        features=features(routing),
        plan=found.cache_plan or {},
        attempts=_attempts(visit, found),
        settles=visit.session.is_operator and is_guess(found),
    )


async def settle(visit: Visit) -> Response:
    """Replace a guessed cost by what the bill says.  Raises BadRequest."""
    request_id = visit.id("id")
    try:
        cost = nano_usd(visit.form.get("cost_usd", "").strip().lstrip("$"))
    except ValueError as error:
        raise BadRequest(f"cost: {error}", param="cost_usd") from error
    note = visit.form.get("note", "").strip()
    if not note:
        raise BadRequest("a note is needed: where the amount is from", param="note")
    await visit.store.requests.correct(request_id, cost, note=note, actor=ACTOR)
    return visit.go(f"/ui/requests/{request_id}")


async def say_outcome(visit: Visit) -> Response:
    """Whether the answer was good: what the routing is judged by.  Raises BadRequest."""
    request_id, said = visit.id("id"), visit.form.get("ok", "")
    if said not in ("yes", "no"):
        raise BadRequest("ok must be yes or no", param="ok")
    note = visit.form.get("note", "").strip() or None
    await visit.store.requests.note_outcome(request_id, note, ok=said == "yes")
    return visit.go(f"/ui/requests/{request_id}")


def is_guess(row: RequestView) -> bool:
    """Whether the cost is not exact."""
    return row.cost_source == "estimated" or row.state == "orphaned"


def state(row: RequestView) -> Markup:
    """What became of a call, in a word."""
    if row.state == "reserved":
        return cells.badge("running", "busy", "Its hold stands; it has not ended")
    if row.state == "orphaned":
        return cells.badge("orphaned", "warn", "Its process was lost: what it cost is a guess")
    if row.status is not None and row.status >= 400:
        return cells.badge(str(row.status), "bad", row.error_code or "")
    if row.cost_source == "estimated":
        return cells.badge("estimated", "warn", "What it cost is a guess that can be settled")
    if row.state == "released":
        return cells.badge("released", "quiet", "Nothing was billed")
    return cells.badge("settled", "good")


def models(row: RequestView) -> Markup:
    """Requested, and, if it is another, answered."""
    if row.requested_model == row.model:
        return cells.name(row.model)
    return Markup(
        '<span class="name" title="{0} → {1}"><bdi>{0}</bdi> → <bdi>{1}</bdi></span>'
    ).format(row.requested_model, row.model)


def features(routing: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What was counted in the request, and what it added to the score."""
    return [
        (str(name).replace("_", " "), formats.count(counted), f"{added:+.3f}")
        for name, (counted, added) in (routing.get("features") or {}).items()
    ]


async def _refused(visit: Visit, found: RefusalView) -> Response:
    if visit.twin == "json":
        return Response(orjson.dumps(refused_request_json(found)), media_type="application/json")
    if visit.twin:
        return visit.records(Records([refused_request_json(found)]))
    names = await visit.store.keys.names({found.key_id} if found.key_id else set())
    return await visit.html(
        "refused.html",
        row=found,
        when=moment(found.created_us),
        key_name=names.get(found.key_id or "", found.key_id or ""),
        budget=found.budget or {},
        nano=formats.nano,
    )


def _money(visit: Visit, row: RequestDetails, lines: Sequence[MoneyLine]) -> Table:
    return Table(
        caption="The sum, to be done again by hand: tokens × rate, added up",
        columns=MONEY_COLUMNS,
        lines=[
            Line(
                (
                    _label(line),
                    "" if line.tokens is None else cells.number(line.tokens),
                    _rate(line),
                    _origin(line),
                    Markup('<span class="num">{}</span>').format(amount(line.pico)),
                )
            )
            for line in lines
        ],
        query=visit.query,
        footer=("Cost", "", "", "", cells.exact(row.cost_nano_usd)),
        empty="Nothing was counted and nothing was billed.",
    )


def _label(line: MoneyLine) -> Markup:
    note = Markup(' <small class="note">{}</small>').format(line.note) if line.note else ""
    above = ""
    if line.above:
        text = f"prompts over {formats.count(line.above)} tokens"
        above = Markup(' <small class="note">{}</small>').format(text)
    return Markup("<span>{}{}{}</span>").format(line.label, above, note)


def _rate(line: MoneyLine) -> Markup:
    if line.rate is None:
        return Markup()
    if not line.category:
        return Markup("{} each").format(formats.exact(line.rate // PICO_PER_NANO))
    shown = cells.rate(line.rate)
    return shown if line.multiplier == "1" else Markup("{} × {}").format(shown, line.multiplier)


def _origin(line: MoneyLine) -> Markup:
    """The book and its date; where the config overrode it, the book's own figure beside it."""
    if not line.category:
        return Markup()
    if line.origin != "config":
        return Markup("<span>price book, since {}</span>").format(line.since)
    in_book = book_rates(line.model, line.since, line.above)
    beside = ""
    if in_book is not None:
        beside = f"book: {formats.rate(getattr(in_book, line.category))}"
    return Markup("<span>{} <small>{}</small></span>").format(
        cells.badge("override", "warn", "cost_per_token in config.yaml"), beside
    )


def book_rates(model: str, since: str, above: int) -> Rates | None:
    """What the price book has for a model that day, above so many tokens of prompt."""
    book = known(bundled_books(), model)
    if book is None:
        return None
    found = [prices for prices in book.schedule if prices.effective_from.isoformat() <= since]
    return found[-1].step(above + 1).rates if found else None


def _attempts(visit: Visit, row: RequestDetails) -> Table:
    return Table(
        caption="Attempts, in order",
        columns=ATTEMPT_COLUMNS,
        lines=[
            Line(
                (
                    str(place),
                    cells.name(each["upstream"]),
                    cells.name(each["model"]),
                    _answer(each),
                    formats.milliseconds(each["latency_ms"]),
                    _charged(each),
                    BASES.get(each.get("basis") or "", each.get("basis") or ""),
                    cells.mono(each["request_id"]) if each.get("request_id") else formats.DASH,
                )
            )
            for place, each in enumerate(row.attempt_details or (), 1)
        ],
        query=visit.query,
        empty="No attempt has ended yet.",
        twins=False,
    )


def _answer(attempt: Mapping[str, Any]) -> Markup:
    status, error = attempt["status"], attempt["error"]
    if error is None:
        return cells.badge(str(status or "answered"), "good")
    word = f"{status} {error}" if status else str(error)
    return cells.badge(word, "bad", str(attempt.get("message") or ""))


def _charged(attempt: Mapping[str, Any]) -> Markup:
    cost = attempt.get("cost_usd")
    if cost is None:
        return cells.unknown("older rows do not tell")
    return cells.call_cost(formats.nano(cost), guessed=bool(attempt.get("charged")))


def _record(line: MoneyLine) -> dict[str, Any]:
    return {
        "what": line.label,
        "model": line.model,
        "tokens": line.tokens,
        "usd_per_token": None if line.rate is None else pico_text(line.rate),
        "multiplier": line.multiplier,
        "origin": line.origin,
        "effective_from": line.since,
        "amount_usd": _usd(line.pico),
    }


def _usd(pico: int) -> str:
    nano, rest = divmod(pico, PICO_PER_NANO)
    if not rest:
        return usd_text(nano)
    return f"{'-' if pico < 0 else ''}{pico_text(abs(pico))}"
