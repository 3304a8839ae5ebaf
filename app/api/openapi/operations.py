"""The routes as the OpenAPI document tells them: what their own code does not say stands here."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from fastapi import APIRouter

from app.api import operations as health
from app.api.admin import routes as admin
from app.api.openapi.schemas import MOMENT, SPENT_BY, STATES, TEXT, Schema, words

Shape: TypeAlias = Literal["openai", "anthropic"]
Security: TypeAlias = tuple[Mapping[str, list[str]], ...]

VIRTUAL_KEY: Security = ({"virtual_key": []}, {"virtual_key_header": []})
MASTER_KEY: Security = ({"master_key": []}, {"master_key_header": []})
METRICS_KEY: Security = (*MASTER_KEY, {"metrics_token": []})
FREE = (400, 401, 403, 404, 413, 429, 500, 502, 503, 504)
BILLED = (*FREE, 402, 409)
OTHER = "4XX"  # another refusal of the upstream keeps its status
UNCHANGED = (529, OTHER, "5XX")  # on Anthropic's routes its answers pass as they are
CALL_HEADERS = ("x-tollkeeper-cache", "x-tollkeeper-tags", "idempotency-key")


@dataclass(frozen=True, slots=True)
class Operation:
    """One route: names of schemas, statuses of refusals; `stream`: it may answer in events."""

    method: str
    path: str
    name: str
    says: str
    answer: str
    status: int = 200
    body: str | None = None
    queries: tuple[tuple[str, Schema], ...] = ()
    headers: tuple[str, ...] = ()
    refusals: tuple[int | str, ...] = ()
    shape: Shape = "openai"
    security: Security = ()
    stream: bool = False


def _call(path: str, name: str, body: str, answer: str, says: str) -> Operation:
    """A call of a model that is billed."""
    return Operation(
        method="post",
        path=path,
        name=name,
        says=says,
        answer=answer,
        body=body,
        headers=CALL_HEADERS,
        refusals=(*BILLED, OTHER),
        security=VIRTUAL_KEY,
        stream=True,
    )


CLIENT_OPERATIONS = (
    _call(
        *("/v1/chat/completions", "chat_completions", "ChatRequest", "ChatCompletion"),
        "OpenAI Chat Completions.",
    ),
    _call("/v1/responses", "responses", "ResponsesRequest", "Response", "OpenAI Responses."),
    replace(
        _call("/v1/messages", "messages", "MessagesRequest", "Message", "Anthropic Messages."),
        refusals=(*BILLED, *UNCHANGED),
        shape="anthropic",
    ),
    replace(
        _call(
            *("/v1/messages/count_tokens", "count_tokens", "CountTokensRequest", "TokenCount"),
            "Count a prompt; free.",
        ),
        headers=(),
        refusals=(*FREE, *UNCHANGED),
        shape="anthropic",
        stream=False,
    ),
    Operation(
        *("get", "/v1/models", "list_models", "What the key may name as `model`.", "ModelList"),
        refusals=(401, 500, 503),
        security=VIRTUAL_KEY,
    ),
    Operation(
        *("get", "/v1/models/{model}", "get_model", "One of them, by id or alias.", "Model"),
        refusals=(401, 404, 500, 503),
        security=VIRTUAL_KEY,
    ),
    Operation(
        *("get", "/v1/key", "own_key", "The caller's own key.", "Key"),
        refusals=(401, 500, 503),
        security=VIRTUAL_KEY,
    ),
)

_PAGE: tuple[tuple[str, Schema], ...] = (
    ("cursor", {**TEXT, "description": "`next_cursor` of the page before."}),
    ("limit", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}),
)
_SPAN: tuple[tuple[str, Schema], ...] = tuple(
    (name, {"anyOf": [{"type": "string", "format": "date"}, MOMENT]}) for name in ("from", "to")
)
_GROUP = "|".join(SPENT_BY)
_GROUPS: Schema = {
    "type": "string",
    "pattern": f"^({_GROUP})(,({_GROUP}))*$",
    "default": "key",
    "description": f"Any combination of {', '.join(SPENT_BY)}, with commas between.",
}
_FILTERS: tuple[tuple[str, Schema], ...] = (
    ("key_id", TEXT),
    ("model", TEXT),
    ("status", {"anyOf": [{"type": "string", "pattern": "^[1-5][0-9]{2}$"}, words(*STATES)]}),
    *_SPAN,
)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a route's own code does not tell."""

    answer: str
    body: str | None = None
    queries: tuple[tuple[str, Schema], ...] = ()


_FACTS: Mapping[str, _Facts] = {
    "create_key": _Facts("KeyWithSecret", body="NewKey"),
    "list_keys": _Facts("KeyList", queries=_PAGE),
    "get_key": _Facts("Key"),
    "change_key": _Facts("Key", body="KeyChange"),
    "revoke_key": _Facts("Key"),
    "rotate_key": _Facts("KeyWithSecret", body="Rotation"),
    "create_team": _Facts("Team", body="NewTeam"),
    "list_teams": _Facts("TeamList", queries=_PAGE),
    "get_team": _Facts("Team"),
    "change_team": _Facts("Team", body="TeamChange"),
    "list_requests": _Facts("RequestList", queries=(*_FILTERS, *_PAGE)),
    "get_request": _Facts("RequestDetails"),
    "settle_request": _Facts("RequestDetails", body="Correction"),
    "spend": _Facts("SpendReport", queries=(("group_by", _GROUPS), *_SPAN)),
    "reconcile": _Facts("Reconciliation"),
    "prices": _Facts("PriceList"),
    "audit": _Facts("AuditEntryList", queries=_PAGE),
    "live": _Facts("Alive"),
    "ready": _Facts("Ready"),
    "metrics": _Facts("Metrics"),
    "description": _Facts("OpenApi"),
}


def operations(own: APIRouter) -> Iterator[Operation]:
    """Every route of the gateway; `own` is the document's.  Raises KeyError for an unknown one."""
    yield from CLIENT_OPERATIONS
    for route in admin.router.routes:
        yield _operation(route, MASTER_KEY)
    for route in (*health.router.routes, *own.routes):
        yield _operation(route, ())


def _operation(route: Any, security: Security) -> Operation:  # noqa: ANN401 - a route of any kind
    facts = _FACTS[route.name]
    refusals: set[int | str] = {500}
    if security:
        refusals |= {400, 401, 503}
    if "{" in route.path:
        refusals.add(404)
    if facts.body:
        refusals.add(413)
    if route.name == "metrics":
        security, refusals = METRICS_KEY, {401, 500}
    (method,) = route.methods - {"HEAD"}
    return Operation(
        method=method.lower(),
        path=route.path,
        name=route.name,
        says=inspect.getdoc(route.endpoint) or "",
        answer=facts.answer,
        status=route.status_code or 200,
        body=facts.body,
        queries=facts.queries,
        refusals=tuple(refusals),
        security=security,
    )
