"""A request's prompt as a chain of positions: what it counts, and what the cache may remember."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final

import orjson

from app.simulator.facts import TTL_S, Model
from app.simulator.json_values import JsonObject, as_object, as_objects, content_blocks
from app.simulator.tokens import (
    MESSAGE_TOKENS,
    TOOLS_TOKENS,
    block_tokens,
    json_tokens,
    tool_tokens,
)

_UNMARKABLE: Final = frozenset({"thinking", "redacted_thinking"})


@dataclass(frozen=True, slots=True)
class Position:
    """One tool, system block or message block, at the end of everything before it."""

    digest: bytes
    tokens: int
    """Of the whole prefix, this position included."""
    ttl_s: int | None
    """How long an entry written here lives; None without a breakpoint."""
    markable: bool


@dataclass(frozen=True, slots=True)
class Prompt:
    positions: tuple[Position, ...]
    total_tokens: int


class _Chain:
    """Grows a prefix: every position's digest covers all that went before it."""

    def __init__(self) -> None:
        self.digest = b""
        self.tokens = 0
        self.positions: list[Position] = []

    def mix(self, *parts: object) -> None:
        """Let what follows depend on `parts` without making a position of them."""
        self.digest = blake2b(self.digest + orjson.dumps(parts), digest_size=16).digest()

    def add(self, block: JsonObject, tokens: int, *, markable: bool = True) -> None:
        self.tokens += tokens
        ttl_s = _ttl_s(block)
        self.positions.append(Position(self.digest, self.tokens, ttl_s, markable))


def read_prompt(body: JsonObject, model: Model) -> Prompt:
    """Count and chain a valid body: tools, then system, then messages."""
    chain = _Chain()
    _add_tools(chain, body, model)
    chain.mix("system", _search_tools(body), _has_citations(body), body.get("speed"))
    for block in content_blocks(body.get("system")):
        chain.mix(unmarked(block))
        chain.add(block, block_tokens(block, model))
    _seed_messages(chain, body, model)
    for message in _seen_messages(body, model):
        chain.tokens += MESSAGE_TOKENS
        role = message["role"]
        for block in content_blocks(message.get("content")):
            chain.mix(role, unmarked(block))
            markable = block["type"] not in _UNMARKABLE and block.get("text") != ""
            chain.add(block, block_tokens(block, model), markable=markable)
    return Prompt(_marked_automatically(chain.positions, body), chain.tokens)


def unmarked(block: JsonObject) -> JsonObject:
    """The block without its breakpoints, which are no part of the content."""
    clean = {name: value for name, value in block.items() if name != "cache_control"}
    if isinstance(clean.get("content"), list):
        clean["content"] = [unmarked(inner) for inner in as_objects(clean["content"])]
    return clean


def marks_of(block: JsonObject) -> Iterator[JsonObject]:
    """The breakpoints set on a block: its own, and those inside a tool's result."""
    if block.get("cache_control") is not None:
        yield as_object(block["cache_control"])
    if isinstance(block.get("content"), list):
        for inner in as_objects(block["content"]):
            yield from marks_of(inner)


def mark_ttl_s(mark: JsonObject) -> int:
    return TTL_S[mark.get("ttl") or "5m"]


def _ttl_s(block: JsonObject) -> int | None:
    return max((mark_ttl_s(mark) for mark in marks_of(block)), default=None)


def _add_tools(chain: _Chain, body: JsonObject, model: Model) -> None:
    tools = as_objects(body.get("tools"))
    chain.tokens += TOOLS_TOKENS if tools else 0
    for tool in tools:
        clean = unmarked(tool)
        if not is_web_search(tool):
            chain.mix("tool", clean)
        chain.add(tool, tool_tokens(clean, model))


def is_web_search(tool: JsonObject) -> bool:
    return str(tool.get("type", "")).startswith("web_search_")


def _search_tools(body: JsonObject) -> list[JsonObject]:
    """Switching web search keeps the cached tools and loses the rest."""
    return [unmarked(tool) for tool in as_objects(body.get("tools")) if is_web_search(tool)]


def _message_blocks(body: JsonObject) -> Iterator[JsonObject]:
    for message in as_objects(body.get("messages")):
        yield from content_blocks(message.get("content"))


def _has_citations(body: JsonObject) -> bool:
    return any(
        as_object(block.get("citations")).get("enabled") is True for block in _message_blocks(body)
    )


def _seed_messages(chain: _Chain, body: JsonObject, model: Model) -> None:
    """Another tool choice, thinking mode or output format, or a first image: no message is kept."""
    output_format = as_object(body.get("output_config")).get("format")
    chain.mix(
        "messages",
        body.get("tool_choice") or {"type": "auto"},
        _thinking_mode(body),
        any(block.get("type") == "image" for block in _message_blocks(body)),
        output_format,
    )
    if output_format is not None:
        chain.tokens += json_tokens(output_format, model)


def _thinking_mode(body: JsonObject) -> JsonObject:
    """Switched off is the same as not asked for; how it is shown changes nothing."""
    thinking = as_object(body.get("thinking"))
    if thinking.get("type") == "disabled":
        return {}
    return {name: value for name, value in thinking.items() if name != "display"}


def _seen_messages(body: JsonObject, model: Model) -> list[JsonObject]:
    """The messages as the model sees them: older models forget thinking of finished turns."""
    messages = as_objects(body.get("messages"))
    if not model.strips_thinking:
        return messages
    last_asked = max(
        (at for at, message in enumerate(messages) if _is_question(message)), default=-1
    )
    return [
        {**message, "content": _without_thinking(message.get("content"))}
        if at < last_asked and message["role"] == "assistant"
        else message
        for at, message in enumerate(messages)
    ]


def _is_question(message: JsonObject) -> bool:
    return message["role"] == "user" and not any(
        block.get("type") == "tool_result" for block in content_blocks(message.get("content"))
    )


def _without_thinking(content: object) -> list[JsonObject]:
    return [block for block in content_blocks(content) if block.get("type") not in _UNMARKABLE]


def _marked_automatically(positions: list[Position], body: JsonObject) -> tuple[Position, ...]:
    """A top-level `cache_control` marks the last block that can carry a breakpoint."""
    if body.get("cache_control") is None:
        return tuple(positions)
    for at in range(len(positions) - 1, -1, -1):
        if not positions[at].markable:
            continue
        if positions[at].ttl_s is None:
            ttl_s = mark_ttl_s(as_object(body["cache_control"]))
            positions[at] = replace(positions[at], ttl_s=ttl_s)
        break
    return tuple(positions)
