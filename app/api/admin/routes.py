"""`/admin/*`: keys, teams, requests, spend, prices, audit; all behind the master key."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response

from app.api.operations import running_gateway
from app.config.catalog import price_rows
from app.core.errors import BadRequest, RequestTooLarge
from app.core.model_names import AUTO
from app.core.models import Catalog
from app.core.money import nano_usd
from app.web.auth import check_master
from app.web.running import RunningGateway

MOST_BODY_BYTES = 1 << 20
Limit = Annotated[int, Query(ge=1, le=1000)]
Cursor = str | None


def admin_only(request: Request) -> None:
    """Raise InvalidApiKey unless the request carries the master key."""
    check_master(request.scope["headers"], running_gateway(request).master_key)


def storable(request: Request) -> None:
    """Raise BadRequest for a NUL in the path or the query: databases have none to compare with."""
    if "\0" in request.scope["path"] or b"%00" in request.scope["query_string"]:
        raise BadRequest("the URL holds a NUL character")


router = APIRouter(prefix="/admin", dependencies=[Depends(admin_only), Depends(storable)])
Running = Annotated[RunningGateway, Depends(running_gateway)]


async def json_object(request: Request) -> dict[str, Any]:
    """The body, an object.  Raises BadRequest and RequestTooLarge."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BODY_BYTES:
            raise RequestTooLarge(f"the body is larger than {MOST_BODY_BYTES} bytes")
    try:
        value = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise BadRequest("the body must be a JSON object")
    return value


Body = Annotated[dict[str, Any], Depends(json_object)]


@router.post("/keys", status_code=201)
async def create_key(running: Running, fields: Body) -> Response:
    """Make a key; its secret is in this answer and nowhere else."""
    checked = _with_known_models(fields, running.gateway.policy.catalog)
    made, secret = await running.store.keys.create(checked)
    return _json({**made, "key": secret}, 201)


@router.get("/keys")
async def list_keys(running: Running, cursor: Cursor = None, limit: Limit = 100) -> Response:
    """Keys, newest first."""
    return _json(await running.store.keys.list(cursor=cursor, limit=limit))


@router.get("/keys/{key_id}")
async def get_key(running: Running, key_id: str) -> Response:
    """One key with what it spent."""
    return _json(await running.store.keys.get(key_id))


@router.patch("/keys/{key_id}")
async def change_key(running: Running, key_id: str, fields: Body) -> Response:
    """Change what the body names; null removes a limit."""
    checked = _with_known_models(fields, running.gateway.policy.catalog)
    return _json(await running.store.keys.update(key_id, checked))


@router.delete("/keys/{key_id}")
async def revoke_key(running: Running, key_id: str) -> Response:
    """Revoke; the object stays."""
    return _json(await running.store.keys.revoke(key_id))


@router.post("/keys/{key_id}/rotate")
async def rotate_key(running: Running, key_id: str, fields: Body) -> Response:
    """A new secret; the old one works for `overlap_s` more."""
    unknown = set(fields) - {"overlap_s"}
    if unknown:
        name = min(unknown)
        raise BadRequest(f"unknown field {name!r}; known: overlap_s", param=name)
    overlap_s = fields.get("overlap_s", 0)
    if isinstance(overlap_s, bool) or not isinstance(overlap_s, int):
        raise BadRequest("overlap_s must be a whole number of seconds", param="overlap_s")
    changed, secret = await running.store.keys.rotate(key_id, overlap_s)
    return _json({**changed, "key": secret})


@router.post("/teams", status_code=201)
async def create_team(running: Running, fields: Body) -> Response:
    """Make a team."""
    return _json(await running.store.teams.create(fields), 201)


@router.get("/teams")
async def list_teams(running: Running, cursor: Cursor = None, limit: Limit = 100) -> Response:
    """Teams, newest first."""
    return _json(await running.store.teams.list(cursor=cursor, limit=limit))


@router.get("/teams/{team_id}")
async def get_team(running: Running, team_id: str) -> Response:
    """One team with what its keys spent."""
    return _json(await running.store.teams.get(team_id))


@router.patch("/teams/{team_id}")
async def change_team(running: Running, team_id: str, fields: Body) -> Response:
    """Change what the body names; null removes the limit."""
    return _json(await running.store.teams.update(team_id, fields))


@router.get("/requests")
async def list_requests(
    request: Request, running: Running, cursor: Cursor = None, limit: Limit = 100
) -> Response:
    """Calls, newest first, by key, model, status and time."""
    known = ("key_id", "model", "status", "from", "to")
    filters = {name: request.query_params[name] for name in known if name in request.query_params}
    return _json(await running.store.requests.list(filters, cursor=cursor, limit=limit))


@router.get("/requests/{request_id}")
async def get_request(running: Running, request_id: str) -> Response:
    """One call with all it takes to recompute its cost."""
    return _json(await running.store.requests.get(request_id))


@router.post("/requests/{request_id}/settle")
async def settle_request(running: Running, request_id: str, fields: Body) -> Response:
    """Correct what an orphaned or estimated call cost."""
    cost = fields.get("cost_usd")
    if not isinstance(cost, str):
        raise BadRequest('cost_usd must be a decimal text such as "0.25"', param="cost_usd")
    try:
        amount = nano_usd(cost)
    except ValueError as error:
        raise BadRequest(str(error), param="cost_usd") from error
    return _json(await running.store.requests.correct(request_id, amount))


@router.get("/spend")
async def spend(
    running: Running,
    group_by: str = "key",
    since: Annotated[str | None, Query(alias="from")] = None,
    until: Annotated[str | None, Query(alias="to")] = None,
) -> Response:
    """What was spent, by any combination of key, model, team, day, user and tag."""
    names = [name.strip() for name in group_by.split(",") if name.strip()]
    return _json(await running.store.reports.spend(names, since, until))


@router.get("/reconcile")
async def reconcile(running: Running) -> Response:
    """Ledger totals against window counters and roll-ups, over the whole ledger."""
    return _json(await running.store.reports.reconcile())


@router.get("/prices")
async def prices(running: Running) -> Response:
    """Every price in force."""
    rows = price_rows(running.gateway.policy.catalog, running.gateway.today())
    return _json({"data": [asdict(row) for row in rows], "next_cursor": None})


@router.get("/audit")
async def audit(running: Running, cursor: Cursor = None, limit: Limit = 100) -> Response:
    """Who changed what, newest first."""
    return _json(await running.store.audit.list(cursor=cursor, limit=limit))


def _with_known_models(fields: dict[str, Any], catalog: Catalog) -> dict[str, Any]:
    """`fields`, once every model it names is offered; budgets by model under the model's own id.

    Raises BadRequest naming the field.
    """
    models = fields.get("models")
    for name in models if isinstance(models, list) else ():
        if not isinstance(name, str):
            raise BadRequest("models must be a list of model ids", param="models")
        if name != AUTO and catalog.find(name) is None:
            raise BadRequest(f"no model {name!r} is offered here", param="models")
    budgets = fields.get("model_budgets")
    if not isinstance(budgets, dict):
        return fields
    resolved: dict[str, Any] = {}
    for name, amount in budgets.items():
        model = catalog.find(name)
        if model is None:
            raise BadRequest(f"no model {name!r} is offered here", param="model_budgets")
        if model.id in resolved:
            raise BadRequest(f"two budgets for {model.id!r}", param="model_budgets")
        resolved[model.id] = amount
    return {**fields, "model_budgets": resolved}


def _json(body: object, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
