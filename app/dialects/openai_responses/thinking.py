"""Thinking blocks in and out of `encrypted_content`: the caller carries them, unread."""

from __future__ import annotations

import binascii
from collections.abc import Sequence

import orjson

from app.core.request import Block

REASONING_ID = "rs_"  # how the ids of reasoning items begin

_WISHES = "tollkeeper_wishes"
# what the vendor wants back, byte for byte
_FIELDS = {"thinking": ("thinking", "signature"), "redacted_thinking": ("data",)}


def sealed(block: Block, wishes: Sequence[str] = ()) -> str | None:
    """The block as base64 of its JSON; None when the vendor would not take it back.

    `wishes` are the words that were added to the prompt it answers: its signature holds for a
    prompt with them alone.
    """
    kept = _replayable(block)
    if kept is None:
        return None
    text = orjson.dumps({**kept, _WISHES: wishes} if wishes else kept)
    return binascii.b2a_base64(text, newline=False).decode()


def unsealed(text: object) -> tuple[Block, list[str]] | None:
    """The block and the wishes that `sealed` was given.

    None for anything else, another vendor's text too.
    """
    if not isinstance(text, str):
        return None
    try:
        block = orjson.loads(binascii.a2b_base64(text, strict_mode=True))
    except ValueError:  # neither base64 nor JSON
        return None
    kept = _replayable(block) if isinstance(block, dict) else None
    if kept is None:
        return None
    wishes = block.get(_WISHES)
    given = wishes if isinstance(wishes, list) else []
    return kept, [wish for wish in given if isinstance(wish, str) and wish.strip()]


def _replayable(block: Block) -> Block | None:
    kind = block.get("type")
    fields = _FIELDS.get(kind) if isinstance(kind, str) else None
    if fields is None or not all(isinstance(block.get(name), str) for name in fields):
        return None
    if not block[fields[-1]]:
        return None
    return {"type": kind, **{name: block[name] for name in fields}}
