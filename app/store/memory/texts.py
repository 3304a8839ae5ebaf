"""What is remembered as JSON, for a store that several processes share.

Other versions of the gateway may read and write there too: what cannot be read is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import orjson

from app.core.fingerprints import Fingerprint
from app.core.remembered import Conversation, Shared, Thread, Tried, Warm

_PARTS = tuple(field.name for field in fields(Fingerprint))


def conversation_text(conversation: Conversation) -> bytes:
    """A conversation as JSON."""
    threads = {
        agent: _named(thread)
        | {
            "warm": {model: _warm_fields(warm) for model, warm in thread.warm.items()},
            "tried": None if thread.tried is None else _named(thread.tried),
        }
        for agent, thread in conversation.threads.items()
    }
    return orjson.dumps(_named(conversation) | {"threads": threads})


def conversation_from(text: bytes | None) -> Conversation | None:
    """The conversation of a text; None where it can't be read."""
    try:
        raw = orjson.loads(text or b"")
        threads = {agent: _thread(each) for agent, each in raw["threads"].items()}
        return Conversation(**raw | {"threads": threads})
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def shared_text(shared: Mapping[str, Shared]) -> bytes:
    """What is known of a prefix at each model, as JSON."""
    return orjson.dumps(
        {
            model: _named(each) | {"tried": None if each.tried is None else _named(each.tried)}
            for model, each in shared.items()
        }
    )


def shared_from(text: bytes | None) -> Mapping[str, Shared] | None:
    """What a text knows of a prefix; None where it can't be read."""
    try:
        raw = orjson.loads(text or b"")
        return {
            model: Shared(**_frozen(each) | {"tried": _tried(each["tried"])})
            for model, each in raw.items()
        }
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _named(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any of the values above
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _warm_fields(warm: Warm) -> dict[str, Any]:
    prompt = {part: getattr(warm.fingerprint, part).hex() for part in _PARTS}
    return _named(warm) | {"fingerprint": prompt}


def _thread(raw: dict[str, Any]) -> Thread:
    warm = {model: _warm(each) for model, each in raw["warm"].items()}
    return Thread(**_frozen(raw) | {"warm": warm, "tried": _tried(raw["tried"])})


def _warm(raw: dict[str, Any]) -> Warm:
    prompt = {part: bytes.fromhex(text) for part, text in raw["fingerprint"].items()}
    return Warm(**_frozen(raw) | {"fingerprint": Fingerprint(**prompt)})


def _tried(raw: dict[str, Any] | None) -> Tried | None:
    return None if raw is None else Tried(**_frozen(raw))


def _frozen(raw: dict[str, Any]) -> dict[str, Any]:
    """JSON knows lists alone; the values hold tuples."""
    return {name: tuple(each) if isinstance(each, list) else each for name, each in raw.items()}
