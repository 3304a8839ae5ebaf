"""A ledger that is gone, and a bug: both still answer, in shape, with an id, and tell nothing."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import httpx2
import pytest
from fastapi import FastAPI

from app.api.app import build
from app.core.ended import Refused
from app.core.errors import LedgerUnavailable
from app.upstream.breakers import Breakers
from app.web.running import RunningGateway
from tests.running import MASTER_KEY

ROUTES = [
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/responses"),
    ("POST", "/v1/messages"),
    ("POST", "/v1/messages/count_tokens"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/haiku"),
    ("GET", "/v1/key"),
    ("GET", "/admin/keys"),
]
BOTH = pytest.mark.parametrize(("method", "path"), ROUTES)
GONE = LedgerUnavailable("the ledger can't be reached")
BUG = KeyError("a secret of ours")


class Broken:
    """A store whose every look-up fails in the same way."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self.keys = self
        self.refusals = self

    def note(self, _call: Refused, *, unsure: bool = False) -> None:
        """Nothing is kept."""

    def find_cached(self, _secret: str) -> None:
        return None

    async def find(self, _secret: str) -> None:
        raise self._error

    async def list(self, **_page: object) -> None:
        raise self._error

    async def ping(self) -> None:
        raise self._error


class Counted:
    """Keeps the codes of what was refused."""

    def __init__(self) -> None:
        self.codes: list[str] = []

    def refused(self, call: Refused) -> None:
        self.codes.append(call.code)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, object]]:
    yield {}


@asynccontextmanager
async def face(error: Exception, recorder: Counted) -> AsyncIterator[httpx2.AsyncClient]:
    """The HTTP face over a broken store."""
    settings = SimpleNamespace(
        server=SimpleNamespace(max_body_bytes=1_000, max_pending_bytes=10_000),
        upstreams={"anthropic": None},
    )
    gateway = SimpleNamespace(upstreams={}, breaker=Breakers(lambda *_: None))
    running = RunningGateway(
        gateway=cast("Any", gateway),
        settings=cast("Any", settings),
        store=cast("Any", Broken(error)),
        recorder=cast("Any", recorder),
        master_key=MASTER_KEY,
    )
    transport = httpx2.ASGITransport(
        build(running, lifespan, lambda rest: rest), raise_app_exceptions=False
    )
    async with httpx2.AsyncClient(transport=transport, base_url="http://gateway") as http:
        yield http


async def asked(error: Exception, method: str, path: str, recorder: Counted) -> httpx2.Response:
    headers = {"authorization": f"Bearer {MASTER_KEY}"}
    async with face(error, recorder) as http:
        return await http.request(method, path, headers=headers, json={})


def assert_shape(answer: httpx2.Response, path: str, code: str) -> None:
    assert answer.headers["x-request-id"].startswith("req_")
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    if path.startswith("/v1/messages"):
        assert (body["type"], body["error"]["type"]) == ("error", "api_error")
        assert body["request_id"] == answer.headers["x-request-id"]
    else:
        assert (body["error"]["type"], body["error"]["code"]) == ("api_error", code)


@BOTH
async def test_a_ledger_that_is_gone_is_a_503(method: str, path: str) -> None:
    recorder = Counted()
    answer = await asked(GONE, method, path, recorder)
    assert answer.status_code == 503
    assert_shape(answer, path, "ledger_unavailable")
    assert recorder.codes == ["ledger_unavailable"]


@BOTH
async def test_a_bug_is_a_500_that_is_logged_and_tells_nothing(
    method: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Counted()
    with caplog.at_level(logging.ERROR, "tollkeeper.api"):
        answer = await asked(BUG, method, path, recorder)
    assert answer.status_code == 500
    assert_shape(answer, path, "internal_error")
    assert "secret" not in json.dumps(answer.json())
    assert [record.exc_info[1] for record in caplog.records if record.exc_info] == [BUG]
    assert recorder.codes == []


async def test_readiness_says_that_the_ledger_is_gone() -> None:
    answer = await asked(GONE, "GET", "/health/ready", Counted())
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "ledger_unavailable",
        "message": "the ledger can't be reached",
        "config_refused": None,
        "upstreams": {"anthropic": {"state": "off", "models": {}}},
    }
