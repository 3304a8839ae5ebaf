"""Which conversation a call belongs to: what its caller names it, else what it began with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.core.request import Block, FirstWords, Message, Request

ID_BYTES = 8
_LONG = 16_384  # of a picture or a document so many characters count: both ends, and its length
_NAMED, _BEGUN = b"named", b"begun"
# What a block says of its content, and marks on it: the same words may come with or without.
_BESIDE_THE_POINT = frozenset(
    {"cache_control", "citations", "context", "media_type", "prompt_cache_breakpoint", "title"}
)


def conversation_of(request: Request, key_id: str, name: str | None) -> str:
    """16 hex digits, the same in every process: of `name` within the key, where there is one.

    Else of the key, the end user, the caller's cache key and the user's first words. Tools, system
    prompt and everything that follows may change from call to call; the words may come in any
    dialect's form and with any marks.
    """
    if name is not None:
        return _digest([_told(_NAMED, key_id), _told(_NAMED, name)])
    told = [
        _told(_BEGUN, key_id),
        _told(_BEGUN, request.end_user) if request.end_user else _UNNAMED,
        _told(_BEGUN, request.prompt_cache_key) if request.prompt_cache_key else _UNNAMED,
    ]
    for said in request.first_words:
        if isinstance(said, str):
            told.append(_told(b"text", said))
            continue
        for block in said:
            if block.get("type") == "text":
                told.append(_told(b"text", block["text"]))
            else:
                content = json.dumps(_essence(block), sort_keys=True, default=str)
                told.append(_told(b"block", content))
    return _digest(told)


def first_words(messages: Iterable[Message]) -> FirstWords:
    """What the user says before the assistant first answers it, blank messages left out.

    A greeting by the assistant comes before, and results of tools are not the user's words.
    """
    words: list[str | Sequence[Block]] = []
    for message in messages:
        role, content = message.get("role"), message.get("content")
        if role == "user":
            words += [said] if (said := own_words(content)) else []
        elif role == "assistant" and words:
            break
    return tuple(words)


def own_words(content: object) -> str | Sequence[Block]:
    """What of a user's message is said by the user; nothing where it is blank."""
    if isinstance(content, str):
        return content if content.strip() else ""
    if not isinstance(content, Sequence):
        return ()
    return [block for block in content if _says_something(block)]


def _says_something(block: Block) -> bool:
    kind = block.get("type")
    if kind == "text":
        return bool(block["text"].strip())
    return kind != "tool_result"


def _told(kind: bytes, text: str) -> bytes:
    """Lengths are told, so that no two lists of texts are the same bytes."""
    encoded = text.encode("utf-8", "surrogatepass")
    return b"%b %d %b" % (kind, len(encoded), encoded)


_UNNAMED = _told(_BEGUN, "")


def _digest(told: Iterable[bytes]) -> str:
    return blake2b(b"".join(told), digest_size=ID_BYTES).hexdigest()


def _essence(value: object) -> object:
    if isinstance(value, Mapping):
        return {
            name: _essence(each)
            for name, each in value.items()
            if each is not None and name not in _BESIDE_THE_POINT
        }
    if isinstance(value, (list, tuple)):
        return [_essence(each) for each in value]
    if isinstance(value, str) and len(value) > _LONG:
        return len(value), value[: _LONG // 2], value[-_LONG // 2 :]
    return value
