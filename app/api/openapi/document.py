"""`GET /openapi.json`: every route with what it takes, what it gives, and how it refuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from fastapi import APIRouter, Response

from app.api.openapi.answers import ANSWER_SCHEMAS
from app.api.openapi.operations import Operation, operations
from app.api.openapi.requests import REQUEST_SCHEMAS
from app.api.openapi.schemas import (
    ADMIN_SCHEMAS,
    ANY_OBJECT,
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
JSON, SSE, PROMETHEUS = "application/json", "text/event-stream", "text/plain"
UPSTREAMS_OWN = "upstream_refused"
_BEARER: Schema = {"type": "http", "scheme": "bearer"}
_HEADER: Schema = {"type": "apiKey", "in": "header", "name": "x-api-key"}
SECURITY_SCHEMES: Mapping[str, Schema] = {
    "virtual_key": {**_BEARER, "description": "A virtual key, `tk-…`."},
    "virtual_key_header": {**_HEADER, "description": "A virtual key, `tk-…`."},
    "master_key": {**_BEARER, "description": "The master key."},
    "master_key_header": {**_HEADER, "description": "The master key."},
    "metrics_token": {**_BEARER, "description": "The metrics token."},
}

router = APIRouter()


@router.get("/openapi.json")
async def description() -> Response:
    """The document, for anyone."""
    return Response(orjson.dumps(document()), media_type=JSON)


def document() -> dict[str, Any]:
    """The OpenAPI document; made anew at each call."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations(router):
        paths.setdefault(operation.path, {})[operation.method] = _described(operation)
    return {
        "openapi": OPENAPI_VERSION,
        "info": {
            "title": "Tollkeeper",
            "version": API_VERSION,
            "description": "An OpenAI-compatible gateway to Claude. "
            "Any other path is a 404 `not_supported` in the same error shape.",
        },
        "paths": paths,
        "components": {
            "schemas": {
                **REQUEST_SCHEMAS,
                **ANSWER_SCHEMAS,
                **ADMIN_SCHEMAS,
                "Metrics": TEXT,
                "OpenApi": ANY_OBJECT,
            },
            "responses": dict(_refusals()),
            "headers": {REQUEST_ID: {"required": True, "schema": {**TEXT, "pattern": "^req_"}}},
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def _described(operation: Operation) -> dict[str, Any]:
    media = PROMETHEUS if operation.answer == "Metrics" else JSON
    content: dict[str, Any] = {media: {"schema": named(operation.answer)}}
    if operation.stream:
        content[SSE] = {}
    responses: dict[str, Any] = {
        str(operation.status): {
            "description": "Done.",
            "headers": _headers(),
            "content": content,
        }
    }
    for status in sorted(map(str, operation.refusals)):
        refusal = f"#/components/responses/{operation.shape}_{status}"
        responses[status] = {"$ref": refusal}
    if operation.name == "ready":
        responses["503"] = {
            "description": "Not ready.",
            "headers": _headers(),
            "content": {JSON: {"schema": named("NotReady")}},
        }
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.says.splitlines()[0],
        "tags": [operation.path.split("/")[1]],
        "parameters": list(_parameters(operation)),
        "responses": responses,
        "security": list(operation.security),
    }
    if operation.body:
        body = {"required": True, "content": {JSON: {"schema": named(operation.body)}}}
        described["requestBody"] = body
    return described


def _parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    for part in operation.path.split("/"):
        if part.startswith("{"):
            name = part.strip("{}")
            schema = {**TEXT, "minLength": 1}
            yield {"name": name, "in": "path", "required": True, "schema": schema}
    for name, schema in operation.queries:
        yield {"name": name, "in": "query", "schema": schema}
    for name in operation.headers:
        yield {"name": name, "in": "header", "schema": TEXT}


def _headers() -> dict[str, Any]:
    return {REQUEST_ID: {"$ref": f"#/components/headers/{REQUEST_ID}"}}


def _refusals() -> Iterator[tuple[str, dict[str, Any]]]:
    """A response for each shape and status that a route refers to, with the codes it may have."""
    used = {(o.shape, str(status)) for o in operations(router) for status in o.refusals}
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
