"""Every documented operation under generated requests, good and bad, against a real gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.api.document import document
from tests.running import MASTER_KEY, Gateway, Simulated, gateway
from tests.store.database.postgres import private_server

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
WORDS = {"role": "user", "content": "Why is the sky blue?"}
SHORT = 8


def strict_document() -> dict[str, Any]:
    """Without the upstream's rarer refusals, which the simulated one has not, and without keys."""
    told: dict[str, Any] = json.loads(json.dumps(document()))
    for path in told["paths"].values():
        for operation in path.values():
            for rare in ("4XX", "5XX"):
                operation["responses"].pop(rare, None)
            operation["security"] = []
    return told


AnyCase: TypeAlias = Case[Any]
SCHEMA = schemathesis.openapi.from_dict(strict_document())


@dataclass(frozen=True)
class Target:
    """A gateway, a key that calls it, and what is there to be found by its id."""

    url: str
    secret: str
    known: dict[str, str]

    def send(self, case: AnyCase) -> None:
        """Send it, with names of real things in place of short made-up ones."""
        if isinstance(case.body, dict):
            _make_sensible(case.body)
        if len(case.headers.get("idempotency-key", "")) < SHORT:
            case.headers.pop("idempotency-key", None)
        for name, value in case.path_parameters.items():
            if isinstance(value, str) and len(value) < SHORT:
                case.path_parameters[name] = self.known[name]
        key = self.secret if case.path.startswith("/v1/") else MASTER_KEY
        headers = {"authorization": f"Bearer {key}"}
        answer = case.call(base_url=self.url, headers=headers)
        case.validate_response(answer, checks=CHECKS)


def _make_sensible(body: dict[str, Any]) -> None:
    model = body.get("model")
    if isinstance(model, str) and 0 < len(model) < SHORT:
        body["model"] = "haiku"
    for name in ("messages", "input"):
        given = body.get(name)
        if isinstance(given, list) and given:
            body[name] = [WORDS, *given[1:]]
        elif given == "":
            body[name] = "Hello"
    for choice, among in (("tool_choice", "tools"), ("function_call", "functions")):
        if not body.get(among):
            body.pop(choice, None)


def target_of(running: Gateway) -> Target:
    called = running.key(name="calls")
    answer = running.chat(called, {"model": "haiku", "messages": [WORDS]})
    known = {
        "key_id": running.admin("POST", "keys", {"name": "to be changed"})["id"],
        "team_id": running.admin("POST", "teams", {"name": "a team"})["id"],
        "request_id": answer.headers["x-request-id"],
        "model": "haiku",
    }
    return Target(running.url, called, known)


@pytest.fixture(scope="module")
def target(served: Gateway) -> Target:
    return target_of(served)


@pytest.fixture(scope="module")
def on_postgres(upstream: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("postgres")
    with private_server(folder) as server:
        environ = {"TOLLKEEPER_DATABASE_URL": server.get_uri()}
        with gateway(folder, upstream.url, environ=environ) as running:
            yield target_of(running)
            assert running.admin("GET", "reconcile")["consistent"] is True


@SCHEMA.parametrize()
@settings(max_examples=30, derandomize=True, suppress_health_check=list(HealthCheck))
def test_no_request_breaks_what_is_documented(case: AnyCase, target: Target) -> None:
    target.send(case)


@pytest.mark.long
@pytest.mark.timeout(900)
@SCHEMA.parametrize()
@settings(max_examples=300, suppress_health_check=list(HealthCheck))
def test_many_requests_break_nothing_on_postgres_either(case: AnyCase, on_postgres: Target) -> None:
    on_postgres.send(case)
