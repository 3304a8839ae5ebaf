"""`/admin/*`: keys, teams, requests, spend, prices, audit; all behind the master key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from app.api.admin import answers
from app.api.admin.door import AdminRoute, Running
from app.api.admin.queries import (
    Correction,
    OutcomeNote,
    PageQuery,
    RefusalsQuery,
    RequestsQuery,
    SavingsQuery,
    SpendQuery,
)
from app.api.admin.savings import SavingsReport
from app.api.admin.spend_answers import SpendReport
from app.config.catalog import price_rows
from app.core.csv_text import CSV_TYPE, wants_csv
from app.core.money import nano_usd
from app.core.zones import zone_named
from app.store.records.fields import KeyChange, NewKey, NewTeam, Rotation, TeamChange, unserved
from app.store.records.model_names import meant_model, with_known_models
from app.store.records.ranges import range_of
from app.store.records.request_table import as_csv
from app.store.records.savings_json import savings_json
from app.store.reports import query as store_query
from app.store.reports.spend_views import spend_csv, spend_json
from app.web.running import RunningGateway

WARNING = "x-tollkeeper-warning"
CSV_TOO: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}}
}

router = APIRouter(
    prefix="/admin",
    route_class=AdminRoute,
    generate_unique_id_function=lambda route: route.name,
)
Id = Annotated[str, Path(min_length=1)]
Paged = Annotated[PageQuery, Query()]


@router.post("/keys", status_code=201, response_model=answers.KeyWithSecret)
async def create_key(running: Running, asked: NewKey) -> Response:
    """Make a key; its secret is in this answer and nowhere else."""
    fields = with_known_models(asked.given(), running.gateway.policy.catalog)
    made, secret = await running.store.keys.create(fields)
    return _json({**made, "key": secret}, 201, warnings=unserved(fields))


@router.get("/keys", response_model=answers.KeyList)
async def list_keys(running: Running, page: Paged) -> Response:
    """Keys, newest first."""
    return _json(await running.store.keys.list(cursor=page.cursor, limit=page.limit))


@router.get("/keys/{key_id}", response_model=answers.Key)
async def get_key(running: Running, key_id: Id) -> Response:
    """One key with what it spent."""
    return _json(await running.store.keys.get(key_id))


@router.patch("/keys/{key_id}", response_model=answers.Key)
async def change_key(running: Running, key_id: Id, asked: KeyChange) -> Response:
    """Change what the body names; null removes a limit."""
    fields = with_known_models(asked.given(), running.gateway.policy.catalog)
    changed = await running.store.keys.update(key_id, fields)
    return _json(changed, warnings=unserved(fields))


@router.delete("/keys/{key_id}", response_model=answers.Key)
async def revoke_key(running: Running, key_id: Id) -> Response:
    """Revoke; the object stays."""
    return _json(await running.store.keys.revoke(key_id))


@router.post("/keys/{key_id}/rotate", response_model=answers.KeyWithSecret)
async def rotate_key(running: Running, key_id: Id, asked: Rotation) -> Response:
    """A new secret; the old one works for `overlap_s` more."""
    changed, secret = await running.store.keys.rotate(key_id, asked.overlap_s)
    return _json({**changed, "key": secret})


@router.post("/teams", status_code=201, response_model=answers.Team)
async def create_team(running: Running, asked: NewTeam) -> Response:
    """Make a team."""
    return _json(await running.store.teams.create(asked.given()), 201)


@router.get("/teams", response_model=answers.TeamList)
async def list_teams(running: Running, page: Paged) -> Response:
    """Teams, newest first."""
    return _json(await running.store.teams.list(cursor=page.cursor, limit=page.limit))


@router.get("/teams/{team_id}", response_model=answers.Team)
async def get_team(running: Running, team_id: Id) -> Response:
    """One team with what its keys spent."""
    return _json(await running.store.teams.get(team_id))


@router.patch("/teams/{team_id}", response_model=answers.Team)
async def change_team(running: Running, team_id: Id, asked: TeamChange) -> Response:
    """Change what the body names; null removes the limit."""
    return _json(await running.store.teams.update(team_id, asked.given()))


@router.get("/requests", response_model=answers.RequestList, responses=CSV_TOO)
async def list_requests(
    request: Request, running: Running, asked: Annotated[RequestsQuery, Query()]
) -> Response:
    """Calls, newest or dearest first, by whose they were, what became of them and when.

    As CSV they are all there, whatever the `limit`.
    """
    filters = _with_model_meant(asked.filters(), running)
    if wants_csv(request.headers.get("accept", ""), asked.format):
        chunks = running.store.requests.each(filters, sort=asked.sort, cursor=asked.cursor)
        return await _csv(as_csv(chunks))
    found = running.store.requests.list(
        filters, sort=asked.sort, cursor=asked.cursor, limit=asked.limit
    )
    return _json(await found)


@router.get(
    "/requests/{request_id}", response_model=answers.RequestDetails | answers.RefusedRequest
)
async def get_request(running: Running, request_id: Id) -> Response:
    """One call with all it takes to recompute its cost, or why it was refused before its hold."""
    await running.store.refusals.written()
    return _json(await running.store.requests.get(request_id))


@router.post("/requests/{request_id}/settle", response_model=answers.RequestDetails)
async def settle_request(running: Running, request_id: Id, asked: Correction) -> Response:
    """Correct what an orphaned or estimated call cost."""
    corrected = running.store.requests.correct(
        request_id, nano_usd(asked.cost_usd), note=asked.note
    )
    return _json(await corrected)


@router.post("/requests/{request_id}/outcome", response_model=answers.RequestDetails)
async def note_outcome(running: Running, request_id: Id, asked: OutcomeNote) -> Response:
    """Say whether the answer did: a label to fit routing weights to. The last word counts."""
    noted = running.store.requests.note_outcome(request_id, asked.note, ok=asked.ok)
    return _json(await noted)


@router.get("/refusals", response_model=answers.RefusalList)
async def list_refusals(running: Running, asked: Annotated[RefusalsQuery, Query()]) -> Response:
    """Calls of the last 30 days that were refused before their hold, newest first."""
    found = running.store.refusals.list(asked.filters(), cursor=asked.cursor, limit=asked.limit)
    return _json(await found)


@router.get("/spend", response_model=SpendReport, responses=CSV_TOO)
async def spend(
    request: Request, running: Running, asked: Annotated[SpendQuery, Query()]
) -> Response:
    """What was spent, by any combination of whose it was, what it was for and when.

    As CSV all rows are there, whatever the `limit`.
    """
    names = [name.strip() for name in asked.group_by.split(",") if name.strip()]
    query = store_query.SpendQuery(
        names,
        from_=asked.since,
        to=asked.until,
        zone=zone_named(asked.tz),
        filters=_with_model_meant(asked.filters(), running),
        sort=asked.sort,
        limit=asked.limit,
        cursor=asked.cursor,
    )
    if wants_csv(request.headers.get("accept", ""), asked.format):
        report = await running.store.reports.spend(replace(query, limit=None))
        return StreamingResponse(spend_csv(report), media_type=CSV_TYPE)
    return _json(spend_json(await running.store.reports.spend(query)))


@router.get("/savings", response_model=SavingsReport)
async def savings(running: Running, asked: Annotated[SavingsQuery, Query()]) -> Response:
    """What caching and routing saved or lost, by marks, prefix, reason, route, tier and day."""
    zone = zone_named(asked.tz)
    within = range_of(asked.since, asked.until, zone=zone)
    found = await running.store.savings.read(within, zone)
    return _json(savings_json(found, await running.store.routed.read(within)))


@router.get("/reconcile", response_model=answers.Reconciliation)
async def reconcile(running: Running) -> Response:
    """Ledger totals against window counters and roll-ups, over the whole ledger."""
    return _json(await running.store.reports.reconcile())


@router.get("/prices", response_model=answers.PriceList)
async def prices(running: Running) -> Response:
    """Every price in force."""
    rows = price_rows(running.gateway.policy.catalog, running.gateway.now().date())
    return _json({"data": [asdict(row) for row in rows], "next_cursor": None})


@router.get("/audit", response_model=answers.AuditEntryList)
async def audit(running: Running, page: Paged) -> Response:
    """Who changed what, newest first."""
    return _json(await running.store.audit.list(cursor=page.cursor, limit=page.limit))


def _with_model_meant(filters: dict[str, str], running: RunningGateway) -> dict[str, str]:
    """The filters with a model's id in place of an alias or a tier."""
    if "model" not in filters:
        return filters
    catalog = running.gateway.policy.catalog
    return {**filters, "model": meant_model(filters["model"], catalog)}


async def _csv(pieces: AsyncIterator[str]) -> Response:
    """All of it, piece by piece; what is wrong with the request is found with the first two."""
    head, first = await anext(pieces), await anext(pieces, "")

    async def rest() -> AsyncIterator[str]:
        yield head + first
        async for piece in pieces:
            yield piece

    return StreamingResponse(rest(), media_type=CSV_TYPE)


def _json(body: Any, status: int = 200, warnings: list[str] | None = None) -> Response:  # noqa: ANN401
    headers = {WARNING: f"not enforced yet: {', '.join(warnings)}"} if warnings else None
    return Response(orjson.dumps(body), status, headers, media_type="application/json")
