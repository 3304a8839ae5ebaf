"""The OpenAPI document tells every route, and what it tells holds together."""

from __future__ import annotations

import json
from typing import Any

import httpx2

from app.api import operations as health
from app.api.admin import routes as admin
from app.api.client.paths import USUAL
from app.api.openapi import document as openapi
from app.api.openapi.document import document
from app.dialects.openai_chat.parameters import PARAMETERS
from app.dialects.openai_responses.parameters import RESPONSES_PARAMETERS
from tests.running import Gateway

GOT = {("get", "/v1/models"), ("get", "/v1/models/{model}"), ("get", "/v1/key")}


def told() -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(json.dumps(document()))
    return parsed


def operations() -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method, path): operation
        for path, methods in told()["paths"].items()
        for method, operation in methods.items()
    }


def references(part: Any) -> set[str]:
    if isinstance(part, dict):
        own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*map(references, part.values()))
    return set().union(*map(references, part)) if isinstance(part, list) else set()


def properties(name: str) -> dict[str, Any]:
    found: dict[str, Any] = told()["components"]["schemas"][name]["properties"]
    return found


def test_every_route_is_told_and_no_other() -> None:
    routes: list[Any] = [*admin.router.routes, *health.router.routes, *openapi.router.routes]
    framed = {
        (method.lower(), route.path)
        for route in routes
        for method in route.methods - {"HEAD"}  # as GET, without the body
    }
    assert len(framed) == 21
    assert operations().keys() == framed | GOT | {("post", path) for path in USUAL}


def test_every_reference_leads_somewhere_and_every_component_is_used() -> None:
    components = told()["components"]
    there = {
        f"#/components/{kind}/{name}"
        for kind in ("schemas", "responses", "headers")
        for name in components[kind]
    }
    assert references(told()) == there


def test_names_of_operations_are_given_once() -> None:
    names = [operation["operationId"] for operation in operations().values()]
    assert len(names) == len(set(names)) == 28


def test_a_billed_call_tells_every_way_it_may_be_refused() -> None:
    statuses = {"400", "401", "402", "403", "404", "409", "413", "429", "500", "502", "503", "504"}
    for path in ("/v1/chat/completions", "/v1/responses", "/v1/messages"):
        assert statuses | {"200", "4XX"} <= operations()["post", path]["responses"].keys()


def test_refusals_on_anthropics_routes_have_anthropics_shape() -> None:
    for (_, path), operation in operations().items():
        shape = "anthropic" if path.startswith("/v1/messages") else "openai"
        shared = [r["$ref"] for r in operation["responses"].values() if "$ref" in r]
        assert all(ref.startswith(f"#/components/responses/{shape}_") for ref in shared), path


def test_the_open_routes_are_those_that_need_no_key() -> None:
    free = {path for (_, path), operation in operations().items() if not operation["security"]}
    assert free == {"/health/live", "/health/ready", "/openapi.json"}


def test_each_parameter_is_described_by_the_dialects_own_table() -> None:
    chat, responses = properties("ChatRequest"), properties("ResponsesRequest")
    assert chat.keys() == PARAMETERS.keys()
    assert responses.keys() == RESPONSES_PARAMETERS.keys()
    assert chat["seed"] == {"description": "Left out: no equivalent."}
    assert chat["n"] == {"enum": [None, 1], "description": "Refused: one choice an answer."}
    assert chat["messages"]["description"].startswith("leading system and developer messages")
    assert responses["background"]["enum"] == [None, False]


def test_the_document_is_served_to_anyone(served: Gateway) -> None:
    with httpx2.Client() as http:
        answer = http.get(f"{served.url}/openapi.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"].startswith("req_")
    assert answer.json() == told()
