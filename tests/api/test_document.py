"""The OpenAPI document tells every route, and what it tells holds together."""

from __future__ import annotations

import json
from typing import Any

import httpx2
from pydantic import BaseModel

from app.api import document as described
from app.api import operations as health
from app.api.admin import answers, replays, spend_answers
from app.api.admin import routes as admin
from app.api.client.paths import USUAL
from app.api.document import document
from app.dialects.openai_chat.parameters import PARAMETERS
from app.dialects.openai_responses.parameters import RESPONSES_PARAMETERS
from app.store.database.tables import COST_CATEGORIES, TOKEN_COLUMNS
from app.store.records.columns import STORED
from app.store.records.fields import KeyFields
from app.store.reports.query import GROUPS
from tests.house.repository import ROOT
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
    routes: list[Any] = [
        *admin.router.routes,
        *replays.router.routes,
        *health.router.routes,
        *described.router.routes,
    ]
    framed = {
        (method.lower(), route.path)
        for route in routes
        for method in route.methods - {"HEAD"}  # as GET, without the body
    }
    assert len(framed) == 27
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
    assert len(names) == len(set(names)) == 34


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


def test_hand_made_schemas_are_few() -> None:
    files = (ROOT / "app/api/openapi").glob("*.py")
    assert sum(len(path.read_text("utf-8").splitlines()) for path in files) <= 500


def test_a_keys_fields_are_told_once_and_each_has_its_column() -> None:
    assert {"name", *KeyFields.model_fields} == STORED.keys()
    assert KeyFields.model_fields.keys() <= properties("Key").keys()
    assert properties("NewKey").keys() == properties("KeyChange").keys() == STORED.keys()
    assert "KeyFields" not in told()["components"]["schemas"]


def test_the_answers_name_every_column_of_tokens_costs_and_groups() -> None:
    assert tuple(answers.Tokens.model_fields) == TOKEN_COLUMNS
    assert tuple(answers.CostDetails.model_fields) == (*COST_CATEGORIES, "other")
    assert set(GROUPS) <= spend_answers.SpendRow.model_fields.keys()


def test_what_the_admin_routes_answer_is_what_is_told(served: Gateway) -> None:
    secret = served.key(name="told", max_budget_usd="1.00", model_budgets={"haiku": "0.50"})
    asked = {"model": "haiku", "messages": [{"role": "user", "content": "Hi"}]}
    called = served.chat(secret, asked, **{"x-tollkeeper-tags": "a"})
    key = served.own_key(secret)
    team = served.admin("POST", "teams", {"name": "told"})
    paths: list[tuple[str, type[BaseModel]]] = [
        ("keys?limit=5", answers.KeyList),
        (f"keys/{key['id']}", answers.Key),
        ("teams", answers.TeamList),
        (f"teams/{team['id']}", answers.Team),
        ("requests", answers.RequestList),
        (f"requests/{called.headers['x-request-id']}", answers.RequestDetails),
        (f"spend?group_by={','.join(GROUPS)}", spend_answers.SpendReport),
        ("spend?group_by=", spend_answers.SpendReport),
        ("prices", answers.PriceList),
        ("audit", answers.AuditEntryList),
        ("reconcile", answers.Reconciliation),
    ]
    for path, model in paths:
        answer = served.admin("GET", path)
        assert model.model_validate(answer).model_dump(mode="json", exclude_unset=True) == answer
    made = served.admin("POST", "keys", {"name": "made"})
    answers.KeyWithSecret.model_validate(made)
    answers.Key.model_validate(key)
