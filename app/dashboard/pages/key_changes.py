"""Making, changing, rotating and revoking keys; a secret is shown by what made it, once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from app.core.budgets import WINDOWS
from app.core.errors import BadRequest
from app.core.model_names import AUTO
from app.dashboard import spending
from app.dashboard.page import ACTOR
from app.store.records.fields import unserved
from app.store.records.model_names import with_known_models

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from app.dashboard.page import Visit

PATH: Final = "/ui/keys"
LOOKED_BACK: Final = timedelta(days=30)
BUDGET_OF: Final = "budget of "
OVERLAPS: Final = {"0": "at once", "3600": "in an hour", "86400": "in a day", "604800": "in a week"}
TEXTS: Final = ("name", "max_budget_usd", "budget_window", "conversation_budget_usd", "expires_at")
COUNTS: Final = ("rpm", "tpm", "max_parallel")


async def new(visit: Visit) -> Response:
    """The empty form."""
    return await _form(visit, {"team": visit.query["team"]})


async def create(visit: Visit) -> Response:
    """The new key's secret, once; or the form again, saying what was wrong."""
    try:
        given = {name: value for name, value in _fields(visit).items() if value is not None}
        fields = with_known_models(given, visit.running.gateway.policy.catalog)
        made, secret = await visit.store.keys.create(fields, actor=ACTOR)
    except BadRequest as error:
        return await _form(visit, visit.form, error=error)
    return await _secret(visit, made, secret, "Key created")


async def edit(visit: Visit) -> Response:
    """The form with what the key has."""
    key = await visit.store.keys.get(visit.id("id"))
    return await _form(visit, _shown(key), key=key)


async def change(visit: Visit) -> Response:
    """Change what differs, and nothing else."""
    key = await visit.store.keys.get(visit.id("id"))
    try:
        wanted = with_known_models(_fields(visit), visit.running.gateway.policy.catalog)
        has = {**key, "model_budgets": key["model_budgets"] or None}
        changed = {name: value for name, value in wanted.items() if not _same(value, has[name])}
        if changed.get("expires_at") and changed["expires_at"] == _day(key["expires_at"]):
            del changed["expires_at"]
        await visit.store.keys.update(key["id"], changed, actor=ACTOR)
    except BadRequest as error:
        return await _form(visit, visit.form, key=key, error=error)
    return visit.go(f"{PATH}/{key['id']}")


async def rotate(visit: Visit) -> Response:
    """A new secret; the old one ends when the form says."""
    overlap = visit.form.get("overlap_s", "0")
    if overlap not in OVERLAPS:
        raise BadRequest(f"overlap_s must be one of {', '.join(OVERLAPS)}", param="overlap_s")
    made, secret = await visit.store.keys.rotate(visit.id("id"), int(overlap), actor=ACTOR)
    ends = f"The old secret ends {OVERLAPS[overlap]}."
    return await _secret(visit, made, secret, "Secret replaced", ends)


async def revoke(visit: Visit) -> Response:
    """End the key for good, once its name was typed."""
    key = await visit.store.keys.get(visit.id("id"))
    if _typed(visit.form.get("confirm", "")) not in (_typed(key["name"]) or key["id"], key["id"]):
        raise BadRequest(
            "the name that was typed is not the key’s: nothing was revoked", param="confirm"
        )
    await visit.store.keys.revoke(key["id"], actor=ACTOR)
    return visit.go(f"{PATH}/{key['id']}")


def _typed(name: str) -> str:
    """A name without what no one sees or can type into a line."""
    return " ".join("".join(each if each.isprintable() else " " for each in name).split())


async def _secret(
    visit: Visit, key: Mapping[str, Any], secret: str, title: str, more: str = ""
) -> Response:
    url = str(visit.request.base_url).rstrip("/")
    return await visit.html(
        "secret.html",
        key=key,
        secret=secret,
        title=title,
        more=more,
        url=url,
        unserved=unserved(key),
    )


async def _form(
    visit: Visit,
    values: Mapping[str, str],
    *,
    key: Mapping[str, Any] | None = None,
    error: BadRequest | None = None,
) -> Response:
    catalog = visit.running.gateway.policy.catalog
    chosen = [name for name in values.get("models", "").split(",") if name]
    offered = [AUTO, *catalog.tiers, *catalog.models]
    teams = await visit.store.teams.list(limit=1_000)
    return await visit.html(
        "key_form.html",
        status=200 if error is None else 400,
        key=key,
        values=values,
        error=error,
        windows=WINDOWS,
        models=[*offered, *(name for name in chosen if name not in offered)],
        chosen=chosen,
        priced=list(catalog.models),
        budget_of=BUDGET_OF,
        mean=await _mean_cost(visit, key),
        teams=[("", "none"), *((team["id"], team["name"]) for team in teams["data"])],
    )


async def _mean_cost(visit: Visit, key: Mapping[str, Any] | None) -> int:
    """What a call of the key has cost so far, or, of a new one, any call of the last 30 days.

    Nano-USD; 0 before the first one.
    """
    if key is None:
        found = await visit.part(spending.since(visit.store, (visit.now - LOOKED_BACK).date()))
        calls, cost = (found.value.requests, found.value.cost_nano_usd) if found.value else (0, 0)
    else:
        models = (await visit.part(spending.by_model(visit.store, key["id"]))).value or ()
        calls, cost = sum(each.calls for each in models), sum(each.nano_usd for each in models)
    return cost // calls if calls else 0


def _fields(visit: Visit) -> dict[str, Any]:
    """The form as the fields of a key; what was left empty is None."""
    form = visit.form
    fields: dict[str, Any] = {name: form.get(name, "").strip() or None for name in TEXTS}
    fields["team"] = form.get("team") or None
    fields["budget_window"] = fields["budget_window"] or "none"
    for name in ("max_budget_usd", "conversation_budget_usd"):
        fields[name] = fields[name] and fields[name].lstrip("$").replace(",", "")
    for name in COUNTS:
        text = form.get(name, "").strip()
        fields[name] = int(text) if text.isascii() and text.isdecimal() else text or None
    fields["models"] = [name for name in form.get("models", "").split(",") if name] or None
    fields["model_budgets"] = {
        name.removeprefix(BUDGET_OF): amount.strip().lstrip("$")
        for name, amount in form.items()
        if name.startswith(BUDGET_OF) and amount.strip()
    } or None
    if fields["name"] is None:
        raise BadRequest("name: a key needs one", param="name")
    return fields


def _shown(key: Mapping[str, Any]) -> dict[str, str]:
    """The key as the form has it."""
    names = (*TEXTS, *COUNTS, "team")
    shown = {name: "" if key[name] is None else str(key[name]) for name in names}
    shown["expires_at"] = _day(key["expires_at"])
    shown["models"] = ",".join(key["models"] or ())
    budgets = {f"{BUDGET_OF}{model}": usd for model, usd in key["model_budgets"].items()}
    return {**shown, **budgets}


def _day(moment: str | None) -> str:
    """The date of a key's end, as a form's field has it."""
    return "" if moment is None else moment[:10]


def _same(wanted: object, has: object) -> bool:
    """Whether a field stays what it is; '10' and '10.00' are one amount."""
    if isinstance(wanted, str) and isinstance(has, str) and wanted != has:
        return _number(wanted) is not None and _number(wanted) == _number(has)
    return wanted == has


def _number(text: str) -> tuple[str, str] | None:
    whole, _, decimals = text.partition(".")
    if not (whole + decimals).isdecimal():
        return None
    return whole.lstrip("0"), decimals.rstrip("0")
