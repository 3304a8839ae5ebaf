"""`GET /openapi.json`: FastAPI's description of its routes, and ours of the client routes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import orjson
from fastapi import APIRouter, Response
from fastapi.openapi.utils import get_openapi

from app.api import operations as health
from app.api.admin import replays
from app.api.admin import routes as admin
from app.api.openapi.answers import ANSWER_SCHEMAS
from app.api.openapi.operations import CLIENT_OPERATIONS, Operation
from app.api.openapi.requests import REQUEST_SCHEMAS
from app.api.openapi.schemas import (
    BUDGET_SHORTFALL,
    MAYBE_TEXT,
    TEXT,
    Schema,
    named,
    open_record,
    record,
    words,
)
from app.web.errors import BUG, ROWS

OPENAPI_VERSION = "3.1.0"
API_VERSION = "1"
REQUEST_ID = "x-request-id"
JSON, SSE = "application/json", "text/event-stream"
UPSTREAMS_OWN = "upstream_refused"
MASTER_KEY: tuple[dict[str, list[str]], ...] = ({"master_key": []}, {"master_key_header": []})
_BEARER: Schema = {"type": "http", "scheme": "bearer"}
_HEADER: Schema = {"type": "apiKey", "in": "header", "name": "x-api-key"}
SECURITY_SCHEMES: Mapping[str, Schema] = {
    "virtual_key": {**_BEARER, "description": "A virtual key, `tk-…`."},
    "virtual_key_header": {**_HEADER, "description": "A virtual key, `tk-…`."},
    "master_key": {**_BEARER, "description": "The master key."},
    "master_key_header": {**_HEADER, "description": "The master key."},
    "metrics_token": {**_BEARER, "description": "The metrics token."},
}

router = APIRouter(generate_unique_id_function=lambda route: route.name)


@router.get("/openapi.json", response_model=dict[str, Any])
async def description() -> Response:
    """Every route with what it takes, what it gives and how it refuses; for anyone."""
    return Response(await asyncio.to_thread(_written), media_type=JSON)


@cache
def _written() -> bytes:
    """Once a process: making it takes a quarter of a second, and anyone may ask."""
    return orjson.dumps(document())


def document() -> dict[str, Any]:
    """The OpenAPI document; made anew at each call."""
    told = get_openapi(
        title="Tollkeeper",
        version=API_VERSION,
        openapi_version=OPENAPI_VERSION,
        description="An OpenAI-compatible gateway to Claude. "
        "Any other path is a 404 `not_supported` in the same error shape.",
        routes=[
            *admin.router.routes,
            *replays.router.routes,
            *health.router.routes,
            *router.routes,
        ],
    )
    for path, methods in told["paths"].items():
        for operation in methods.values():
            _complete(path, operation)
    for client in CLIENT_OPERATIONS:
        told["paths"].setdefault(client.path, {})[client.method] = _described(client)
    schemas = told["components"]["schemas"]
    for own in ("HTTPValidationError", "ValidationError"):
        schemas.pop(own, None)
    schemas.update({**REQUEST_SCHEMAS, **ANSWER_SCHEMAS})
    told["components"] |= {
        "responses": dict(_refusals(told["paths"])),
        "headers": {REQUEST_ID: {"required": True, "schema": {**TEXT, "pattern": "^req_"}}},
        "securitySchemes": SECURITY_SCHEMES,
    }
    return told


def _complete(path: str, operation: dict[str, Any]) -> None:
    """Say of a framework's route what holds for all of them: its key, its refusals, its id."""
    says = operation.pop("description", "")
    operation["summary"] = says.partition("\n")[0] or operation["summary"]
    operation["tags"] = [path.split("/")[1]]
    responses = operation["responses"]
    responses.pop("422", None)
    for answer in responses.values():
        answer["headers"] = _headers()
    refusals = {500}
    security: list[dict[str, list[str]]] = []
    if path.startswith("/admin/"):
        refusals, security = {400, 401, 500, 503}, [*MASTER_KEY]
    elif path == "/metrics":
        refusals, security = {401, 500}, [*MASTER_KEY, {"metrics_token": []}]
    if "{" in path:
        refusals.add(404)
    if "requestBody" in operation:
        refusals.add(413)
    for status in sorted(refusals):
        responses[str(status)] = _refusal_of("openai", status)
    operation["security"] = security


def _described(operation: Operation) -> dict[str, Any]:
    content: dict[str, Any] = {JSON: {"schema": named(operation.answer)}}
    if operation.stream:
        content[SSE] = {}
    done = {"description": "Done.", "headers": _headers(), "content": content}
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.says,
        "tags": [operation.path.split("/")[1]],
        "parameters": list(_parameters(operation)),
        "responses": {"200": done}
        | {
            str(status): _refusal_of(operation.shape, status)
            for status in sorted(operation.refusals, key=str)
        },
        "security": list(operation.security),
    }
    if operation.body:
        body = {"required": True, "content": {JSON: {"schema": named(operation.body)}}}
        described["requestBody"] = body
    return described


def _parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    for part in operation.path.split("/"):
        if part.startswith("{"):
            schema = {**TEXT, "minLength": 1}
            yield {"name": part.strip("{}"), "in": "path", "required": True, "schema": schema}
    for name in operation.headers:
        yield {"name": name, "in": "header", "schema": TEXT}


def _headers() -> dict[str, Any]:
    return {REQUEST_ID: {"$ref": f"#/components/headers/{REQUEST_ID}"}}


def _refusal_of(shape: str, status: int | str) -> dict[str, Any]:
    return {"$ref": f"#/components/responses/{shape}_{status}"}


def _refusals(paths: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """A response for each shape and status that a route refers to, with the codes it may have."""
    used = {
        tuple(answer["$ref"].rpartition("/")[2].split("_"))
        for methods in paths.values()
        for operation in methods.values()
        for answer in operation["responses"].values()
        if "$ref" in answer
    }
    rows = [*ROWS.values(), BUG]
    for shape, status in sorted(used):
        own = [row for row in rows if str(row.status) == status]
        if shape == "anthropic":
            refusal = _anthropic_error(*sorted({row.anthropic for row in own}))
        else:
            codes = sorted({row.code for row in own}) or [UPSTREAMS_OWN]
            refusal = _openai_error(*codes, budget=status == "402")
        yield f"{shape}_{status}", refusal


def _openai_error(*codes: str, budget: bool = False) -> dict[str, Any]:
    error = {"message": TEXT, "type": TEXT, "param": MAYBE_TEXT, "code": words(*codes)}
    if budget:
        error["budget"] = BUDGET_SHORTFALL
    return _refusal(codes, record({"error": record(error)}))


def _anthropic_error(*kinds: str) -> dict[str, Any]:
    error = open_record({"type": words(*kinds) if kinds else TEXT, "message": TEXT})
    needed = {"type": {"const": "error"}, "error": error}
    return _refusal(kinds, open_record(needed, {"request_id": MAYBE_TEXT}))


def _refusal(names: tuple[str, ...], schema: Schema) -> dict[str, Any]:
    said = ", ".join(f"`{name}`" for name in names) or "The upstream's own refusal"
    return {"description": f"{said}.", "headers": _headers(), "content": {JSON: {"schema": schema}}}
