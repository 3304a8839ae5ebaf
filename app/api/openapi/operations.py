"""The client routes as the OpenAPI document tells them: they stand outside any framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

Shape: TypeAlias = Literal["openai", "anthropic"]
Security: TypeAlias = tuple[Mapping[str, list[str]], ...]

VIRTUAL_KEY: Security = ({"virtual_key": []}, {"virtual_key_header": []})
FREE = (400, 401, 403, 404, 413, 429, 500, 502, 503, 504)
BILLED = (*FREE, 402, 409)
OTHER = "4XX"  # another refusal of the upstream keeps its status
UNCHANGED = (529, OTHER, "5XX")  # on Anthropic's routes its answers pass as they are
CALL_HEADERS = (
    *("x-tollkeeper-cache", "x-tollkeeper-tags", "x-tollkeeper-conversation"),
    "idempotency-key",
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One route: names of schemas, statuses of refusals; `stream`: it may answer in events."""

    method: str
    path: str
    name: str
    says: str
    answer: str
    body: str | None = None
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


def _read(path: str, name: str, answer: str, says: str, *more: int) -> Operation:
    refusals = (401, 500, 503, *more)
    return Operation("get", path, name, says, answer, refusals=refusals, security=VIRTUAL_KEY)


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
    _read("/v1/models", "list_models", "ModelList", "What the key may name as `model`."),
    _read("/v1/models/{model}", "get_model", "Model", "One of them, by id or alias.", 404),
    _read("/v1/key", "own_key", "Key", "The caller's own key."),
)
