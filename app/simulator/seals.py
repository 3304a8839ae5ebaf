"""Signatures of thinking blocks: each is bound to the conversation that it was thought in."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Final

import orjson

from app.simulator.errors import invalid
from app.simulator.json_values import JsonObject, as_objects, content_blocks
from app.simulator.prompt import unmarked

_PREFIX: Final = "Simulated"
_THOUGHT: Final = frozenset({"thinking", "redacted_thinking"})


def seal(body: JsonObject) -> str:
    """The signature of a thought that answers this request."""
    *_, (_, _, last) = _walk(body)
    return last


def check_seals(body: JsonObject) -> None:
    """Raises ApiError when anything before a replayed thought has changed since it was made.

    Breakpoints do not count, and signatures that were not made here are taken on trust.
    """
    for where, block, expected in _walk(body):
        signature = str(block.get("signature", ""))
        if block.get("type") == "thinking" and signature.startswith(_PREFIX):
            if signature == expected:
                continue
            raise invalid(
                f"{where}: Invalid `signature` in `thinking` block: the system prompt, the tools "
                "or an earlier message is no longer what it was when the block was made."
            )


def _walk(body: JsonObject) -> Iterator[tuple[str, JsonObject, str]]:
    """Every message block with the seal of what comes before it, then one for what is next."""
    head = [
        [unmarked(tool) for tool in as_objects(body.get("tools"))],
        [unmarked(block) for block in content_blocks(body.get("system"))],
    ]
    digest = blake2b(orjson.dumps(head), digest_size=24)
    for at, message in enumerate(as_objects(body.get("messages"))):
        for inner, block in enumerate(content_blocks(message.get("content"))):
            yield f"messages.{at}.content.{inner}", block, _PREFIX + digest.hexdigest()
            if block.get("type") not in _THOUGHT:
                digest.update(orjson.dumps([message.get("role"), unmarked(block)]))
    yield "", {}, _PREFIX + digest.hexdigest()
