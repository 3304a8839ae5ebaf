"""What a prompt is made of, as digests: enough to tell which part of it changed, never its words.

Breakpoints are no part of it, and a text is the same whether it stands alone or as a block: the
vendor's cache sees neither.
"""

from __future__ import annotations

import marshal
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from app.core.values import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from app.core.request import Block, Request

SIZE = 8  # bytes of a digest
_MARK = "cache_control"
_FORM = 2  # marshal's last one in which equal values are equal bytes
_LONG = 16_384  # of a picture or a document so many characters are read, not all
_PLAIN = 2  # fields of a plain text block
_KEPT_WITH_MESSAGES = ("tool_choice", "thinking", "output_config", "context_management")
_THINKING_OFF = "disabled"
_USER = marshal.dumps("user", _FORM)
_KEPT_TEXT = 8_192  # characters of a system prompt whose digest is kept for calls to come
_KEPT_TEXTS = 256


@value
class Fingerprint:
    """A prompt's parts in the cache's order; empty where there are none.

    `settings` are the options that decide whether the vendor keeps the messages. `turns` has a
    digest of SIZE for each message, which covers those before it too. `opening` is that of the
    first words of the user.
    """

    tools: bytes = b""
    system: bytes = b""
    settings: bytes = b""
    turns: bytes = b""
    opening: bytes = b""

    @property
    def prefix(self) -> str | None:
        """Names tools and system prompt together: 16 hex digits; None where there are neither."""
        return _prefix(self.tools, self.system) if self.tools or self.system else None

    @property
    def length(self) -> int:
        """How many messages there are."""
        return len(self.turns) // SIZE

    def begins_with(self, other: Fingerprint, turns: int) -> bool:
        """Whether the first `turns` messages are those of `other`."""
        if not turns:
            return True
        last = slice((turns - 1) * SIZE, turns * SIZE)
        return self.turns[last] == other.turns[last] != b""

    def shared_turns(self, other: Fingerprint) -> int:
        """How many messages at the beginning are the same."""
        if self.turns.startswith(other.turns):
            return other.length
        most = min(self.length, other.length)
        for turn in range(most, 0, -1):
            if self.begins_with(other, turn):
                return turn
        return 0


def fingerprint(request: Request) -> Fingerprint:
    """Of a request as its caller sent it: what the gateway makes of it follows from that."""
    tools = _digest(map(_encoded, request.tools)) if request.tools else b""
    system = _system(request.system) if request.system else b""
    speed = request.options.get("speed")
    if speed is not None:
        system = _digest((system, _dumped(speed)))
    turns, opening, before, pictures = [], b"", b"", False
    for message in request.messages:
        content, role = message.get("content"), message.get("role")
        said = [before, _USER if role == "user" else _dumped(role)]
        if isinstance(content, str):
            said.append(_text(content))
        elif isinstance(content, (list, tuple)):
            for block in content:
                said.append(_encoded(block))
                pictures = pictures or (isinstance(block, dict) and block.get("type") == "image")
        else:
            said.append(_dumped((content,)))
        before = blake2b(b"".join(said), digest_size=SIZE).digest()
        turns.append(before)
        if not opening and role == "user":
            opening = before
    options = request.options
    settings = _settings(options, pictures=pictures) if options or pictures else b""
    return Fingerprint(tools, system, settings, b"".join(turns), opening)


def _settings(options: Mapping[str, Any], *, pictures: bool) -> bytes:
    """How a thought is shown, and whether it is named as off, changes nothing."""
    found = {name: options[name] for name in _KEPT_WITH_MESSAGES if options.get(name) is not None}
    thinking, output = found.get("thinking"), found.get("output_config")
    if isinstance(thinking, dict):
        shown = {name: given for name, given in thinking.items() if name != "display"}
        found["thinking"] = {} if shown.get("type") == _THINKING_OFF else shown
    if isinstance(output, dict):
        found["output_config"] = output.get("format")
    kept = {name: given for name, given in found.items() if given}
    if not kept and not pictures:
        return b""
    return _digest((_dumped(kept), b"pictures" if pictures else b""))


def _system(blocks: Sequence[Block]) -> bytes:
    """A system prompt's digest: the same one comes with call after call."""
    if len(blocks) == 1:
        text = _plain_text(blocks[0])
        if text is not None and len(text) <= _KEPT_TEXT:
            return _text_digest(text)
    return _digest(map(_encoded, blocks))


@lru_cache(maxsize=_KEPT_TEXTS)
def _text_digest(text: str) -> bytes:
    return _digest((_text(text),))


@lru_cache(maxsize=_KEPT_TEXTS)
def _prefix(tools: bytes, system: bytes) -> str:
    return blake2b(tools + b"|" + system, digest_size=SIZE).hexdigest()


def _digest(parts: Iterable[bytes]) -> bytes:
    return blake2b(b"".join(parts), digest_size=SIZE).digest()


def _encoded(block: object) -> bytes:
    text = _plain_text(block)
    if text is not None:
        return _text(text)
    if not isinstance(block, dict):
        return _dumped(block)
    inner = block.get("content")
    if _MARK in block or "source" in block or (isinstance(inner, list) and _is_marked(inner)):
        return _dumped(_bare(block))
    return _dumped(block)


def _plain_text(block: object) -> str | None:
    """The text of a block that holds nothing else, but perhaps a mark."""
    if not isinstance(block, dict) or block.get("type") != "text":
        return None
    text = block.get("text") if len(block) == _PLAIN + (_MARK in block) else None
    return text if isinstance(text, str) else None


def _is_marked(blocks: list[object]) -> bool:
    """Whether a mark, or data that may be long, stands somewhere in blocks that a block holds."""
    for block in blocks:
        if isinstance(block, dict):
            if _MARK in block or "source" in block:
                return True
            inner = block.get("content")
            if isinstance(inner, list) and _is_marked(inner):
                return True
    return False


def _text(text: str) -> bytes:
    encoded = text.encode("utf-8", "surrogatepass")
    return b"%d:%b" % (len(encoded), encoded)


def _bare(block: Block) -> Block:
    """The block without its marks and those inside it; of long data its ends and its middle."""
    bare = {name: each for name, each in block.items() if name != _MARK}
    inner, source = bare.get("content"), bare.get("source")
    if isinstance(inner, list):
        bare["content"] = [_bare(each) if isinstance(each, dict) else each for each in inner]
    data = source.get("data") if isinstance(source, dict) else None
    if isinstance(data, str) and len(data) > _LONG:
        third, middle = _LONG // 3, len(data) // 2
        sample = (len(data), data[:third], data[middle : middle + third], data[-third:])
        bare["source"] = {**(source or {}), "data": sample}
    return bare


def _dumped(value: Any) -> bytes:  # noqa: ANN401 - whatever JSON has
    try:
        return marshal.dumps(value, _FORM)
    except ValueError:  # a number that JSON has and marshal has not
        return repr(value).encode("utf-8", "surrogatepass")
