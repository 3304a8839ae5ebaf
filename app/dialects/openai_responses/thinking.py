"""Thinking blocks in and out of `encrypted_content`: the caller carries them, unread."""

from __future__ import annotations

import binascii

import orjson

from app.core.request import Block

REASONING_ID = "rs_"  # how the ids of reasoning items begin

# what the vendor wants back, byte for byte
_FIELDS = {"thinking": ("thinking", "signature"), "redacted_thinking": ("data",)}


def sealed(block: Block) -> str | None:
    """The block as base64 of its JSON; None when the vendor would not take it back."""
    kept = _replayable(block)
    return None if kept is None else binascii.b2a_base64(orjson.dumps(kept), newline=False).decode()


def unsealed(text: object) -> Block | None:
    """The block that `sealed` was given; None for anything else, another vendor's text too."""
    if not isinstance(text, str):
        return None
    try:
        block = orjson.loads(binascii.a2b_base64(text, strict_mode=True))
    except ValueError:  # neither base64 nor JSON
        return None
    return _replayable(block) if isinstance(block, dict) else None


def _replayable(block: Block) -> Block | None:
    kind = block.get("type")
    fields = _FIELDS.get(kind) if isinstance(kind, str) else None
    if fields is None or not all(isinstance(block.get(name), str) for name in fields):
        return None
    if not block[fields[-1]]:
        return None
    return {"type": kind, **{name: block[name] for name in fields}}
