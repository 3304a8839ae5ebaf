"""Every priced call tells which conversation it belongs to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.running import Gateway

ROUTES = ("/v1/chat/completions", "/v1/responses", "/v1/messages")
CHAT = ROUTES[0]


def hello(path: str, **fields: Any) -> dict[str, Any]:
    turns = [{"role": "user", "content": "Hello"}]
    if path == "/v1/responses":
        return {"model": "haiku", "input": turns, "max_output_tokens": 50, **fields}
    return {"model": "haiku", "messages": turns, "max_tokens": 50, **fields}


def conversation(
    served: Gateway, key: str, body: Mapping[str, Any], path: str = CHAT, **headers: str
) -> str:
    named = [(name.encode(), text.encode()) for name, text in headers.items()]
    sent = [(b"authorization", f"Bearer {key}".encode()), *named]
    answer = served.http.post(f"{served.url}{path}", json=body, headers=sent)
    assert answer.status_code == 200, answer.text
    return str(answer.headers["x-tollkeeper-conversation"])


def test_a_call_tells_its_conversation_in_its_answer_and_its_row(served: Gateway) -> None:
    key = served.key(max_budget_usd="5.00")
    found = set()
    for path in ROUTES:
        for streamed in (False, True):
            answer = served.post(path, key, hello(path, stream=streamed))
            assert answer.status_code == 200, answer.text
            found.add(answer.headers["x-tollkeeper-conversation"])
    (named,) = found
    assert re.fullmatch("[0-9a-f]{16}", named)
    rows = served.admin("GET", f"requests?conversation={named}")["data"]
    assert [row["conversation"] for row in rows] == [named] * 6
    assert {row["dialect"] for row in rows} == {
        "openai_chat", "openai_responses", "anthropic_messages",
    }  # fmt: skip


@pytest.mark.parametrize(
    "header", ["x-tollkeeper-conversation", "x-claude-code-session-id", "x-session-id"]
)
def test_a_name_is_the_same_one_in_a_header_and_in_the_body(served: Gateway, header: str) -> None:
    key = served.key(max_budget_usd="5.00")
    in_body = conversation(served, key, hello(CHAT, session_id="Gespräch"))
    sent = {header: "Gespräch"}
    assert conversation(served, key, hello(CHAT, session_id="other"), **sent) == in_body
    assert conversation(served, key, hello(CHAT), **{header: ""}) == conversation(
        served, key, hello(CHAT)
    )
    assert conversation(served, served.key(), hello(CHAT), **sent) != in_body


def test_of_several_names_the_gateways_own_comes_first(served: Gateway) -> None:
    key = served.key(max_budget_usd="5.00")
    names = {"x-session-id": "c", "x-claude-code-session-id": "b", "x-tollkeeper-conversation": "a"}
    sent: dict[str, str] = {}
    for header, name in names.items():
        sent[header] = name
        in_body = conversation(served, key, hello(CHAT, session_id=name))
        assert conversation(served, key, hello(CHAT), **sent) == in_body


@pytest.mark.parametrize("name", ["x" * 1_000_000, "a\0b", "\u202e\u0007"])
def test_a_name_in_a_body_counts_whole_whatever_it_holds_on_every_route(
    served: Gateway, name: str
) -> None:
    key = served.key(max_budget_usd="5.00")
    found = {
        conversation(served, key, hello(path, session_id=said), path)
        for path in ROUTES
        for said in (name, f"  {name}\n", f"{name}x")
    }
    assert len(found) == 2


def test_a_name_that_is_no_text_is_refused_on_every_route(served: Gateway) -> None:
    key = served.key(max_budget_usd="5.00")
    for path in ROUTES:
        answer = served.post(path, key, hello(path, session_id=7))
        assert answer.status_code == 400, answer.text
        assert "session_id" in answer.json()["error"]["message"]


def test_a_name_counts_whole_however_long_it_is(served: Gateway) -> None:
    key = served.key(max_budget_usd="5.00")
    found = {
        conversation(served, key, hello(path, **body), path, **headers)
        for path in ROUTES
        for length in (2_999, 3_000)
        for body, headers in (
            ({}, {"x-session-id": "x" * length}),
            ({"session_id": "x" * length}, {}),
        )
    }
    assert len(found) == 2
