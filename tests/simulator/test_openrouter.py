"""OpenRouter's face: the same truths by another vendor's names and manners."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from app.simulator.server import running_simulator
from tests.simulator.client import Json, events_of, question, text_block

HAIKU = "anthropic/claude-haiku-4.5"
SONNET = "anthropic/claude-sonnet-4.6"
BEARER = {"authorization": "Bearer sk-or-1"}
LONG = "the cat sat on the mat. " * 400


@pytest.fixture
def openrouter() -> Iterator[httpx2.Client]:
    with running_simulator() as url, httpx2.Client(base_url=url, headers=BEARER) as client:
        yield client


def _ask(client: httpx2.Client, body: Json) -> tuple[Json, str]:
    answer = client.post("/api/v1/messages", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json(), answer.headers["x-generation-id"]


def _generation(client: httpx2.Client, name: str) -> httpx2.Response:
    return client.get("/api/v1/generation", params={"id": name})


def test_a_reply_bears_the_dated_name_and_the_cost_that_was_billed(
    openrouter: httpx2.Client,
) -> None:
    reply, _ = _ask(openrouter, question("What is 2+2?", SONNET))
    usage = reply["usage"]
    assert reply["model"] == "anthropic/claude-4.6-sonnet-20260217"
    assert reply["provider"] == "Anthropic"
    assert usage["is_byok"] is False
    exact = usage["input_tokens"] * 3_000 + usage["output_tokens"] * 15_000
    assert round(usage["cost"] * 1e9) == exact
    entry = openrouter.get("/_sim/log").json()["entries"][-1]
    assert (entry["path"], entry["model"]) == ("/api/v1/messages", SONNET)
    assert entry["billed_nano_usd"] == exact


def test_newer_models_have_their_date_behind_the_version(openrouter: httpx2.Client) -> None:
    reply, _ = _ask(openrouter, question("Hi", "anthropic/claude-haiku-5.5"))
    assert reply["model"] == "anthropic/claude-haiku-5.5-20261007"
    again, _ = _ask(openrouter, question("Hi", "anthropic/claude-haiku-5.5-20261007"))
    assert again["model"] == "anthropic/claude-haiku-5.5-20261007"


def test_a_stream_has_comments_and_its_last_word_and_its_cost_only_if_told(
    openrouter: httpx2.Client,
) -> None:
    body = question("What is 2+2?", SONNET) | {"stream": True}
    text = openrouter.post("/api/v1/messages", json=body).text
    assert text.startswith(": OPENROUTER PROCESSING\n\nevent: message_start\n")
    assert text.endswith('data: {"type":"message_stop"}\n\ndata: [DONE]\n\n')
    assert '"cost"' not in text
    openrouter.post("/_sim/openrouter", json={"cost_in_streams": True})
    text = openrouter.post("/api/v1/messages", json=body).text
    events = events_of(text.split("\n\n", 1)[1].removesuffix("data: [DONE]\n\n"))
    assert next(data for name, data in events if name == "message_delta")["usage"]["cost"] > 0


def test_a_generation_is_known_ten_seconds_later_with_its_cost_and_discount(
    openrouter: httpx2.Client,
) -> None:
    system = [text_block(LONG, "5m")]
    _, written = _ask(openrouter, question("Hi", SONNET, system=system))
    reply, read = _ask(openrouter, question("Hi", SONNET, system=system))
    assert _generation(openrouter, read).status_code == 404
    openrouter.post("/_sim/clock", json={"advance_s": 10})
    found = _generation(openrouter, read).json()["data"]
    tokens = reply["usage"]["cache_read_input_tokens"]
    assert round(found["total_cost"] * 1e9) == round(reply["usage"]["cost"] * 1e9)
    assert round(found["cache_discount"] * 1e9) == tokens * 2_700
    dearer = _generation(openrouter, written).json()["data"]["cache_discount"]
    assert round(dearer * 1e9) == tokens * -750
    assert _generation(openrouter, "gen-unknown").status_code == 404


REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"model": "anthropic/claude-none"}, 404, "not_found_error"),
    ({"model": "anthropic/claude-fable-5.2"}, 404, "not_found_error"),
    ({"provider": {"only": ["nobody"]}}, 404, "not_found_error"),
    ({"max_tokens": -1}, 400, "invalid_request_error"),
]


@pytest.mark.parametrize(("change", "status", "kind"), REFUSED)
def test_what_it_refuses(
    openrouter: httpx2.Client, change: dict[str, Any], status: int, kind: str
) -> None:
    answer = openrouter.post("/api/v1/messages", json=question("Hi", HAIKU) | change)
    assert answer.status_code == status
    assert answer.json()["error"]["type"] == kind


def test_it_takes_a_bearer_alone(openrouter: httpx2.Client) -> None:
    bare = {"authorization": "", "x-api-key": "sk-or-1"}
    refused = openrouter.post("/api/v1/messages", json=question("Hi", HAIKU), headers=bare)
    assert refused.status_code == 401
    assert openrouter.get("/api/v1/key", headers=bare).status_code == 401
    assert openrouter.get("/api/v1/key").json()["data"]["usage"] == 0


def test_its_models_are_listed_with_prices_as_texts(openrouter: httpx2.Client) -> None:
    listed = {m["id"]: m["pricing"] for m in openrouter.get("/api/v1/models").json()["data"]}
    assert listed["anthropic/claude-opus-5.5"] == {
        "prompt": "0.000004",
        "completion": "0.00002",
        "input_cache_read": "0.0000002",
        "input_cache_write": "0.000005",
        "input_cache_write_1h": "0.000008",
    }
    assert listed["anthropic/claude-haiku-5.5"]["overrides"][0]["prompt"] == "0.0000005"
    assert not any("mythos" in name or "5.2" in name for name in listed)
