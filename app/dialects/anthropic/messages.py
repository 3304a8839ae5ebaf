"""Anthropic's own API as callers speak it: read what the gateway needs, keep the rest as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import orjson

from app.core.conversations import first_words
from app.core.errors import BadRequest
from app.core.model_names import AUTO
from app.core.request import Block, Message, Request
from app.dialects.ceilings import MOST_MESSAGES, MOST_PARTS, MOST_TOOLS, check_values
from app.dialects.json_text import dumps, loads

SURELY_SHALLOW = 200  # no deeper than this many brackets, and such JSON can be written again

# Top-level fields that have a place of their own in a Request.
_OWN_PLACE = frozenset(
    {"model", "messages", "system", "tools", "max_tokens", "stream", "session_id"}
)

# Those of the others that the gateway looks into.
_OBJECTS = (
    "cache_control",
    "context_management",
    "metadata",
    "output_config",
    "thinking",
    "tool_choice",
)

_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_BLOCK_TEXTS = {"text": "text", "thinking": "thinking", "redacted_thinking": "data"}


MOST_USER_CHARS = 256
_MOST_JSON_USER_CHARS = 4_096  # longer than any that Claude Code sends
_OLDER_CLAUDE_CODE = re.compile(r"user_([0-9a-f]{64})_account_([0-9a-f-]*)_session_.*", re.ASCII)


def parse(body: bytes, default_model: str = AUTO) -> Request:
    """A caller's `/v1/messages`, of `default_model` where it names none.

    Raises BadRequest for what the gateway itself can't read.  Fields it does not know stay in
    `options`; the vendor judges them.
    """
    raw = _object(body)
    max_tokens = _max_tokens(raw)
    stream = raw.get("stream", False)
    if not isinstance(stream, bool):
        raise BadRequest("stream: must be true or false", param="stream")
    return _request(body, raw, default_model, max_tokens=max_tokens, stream=stream)


def parse_count_tokens(body: bytes, default_model: str = AUTO) -> Request:
    """A caller's `/v1/messages/count_tokens`.  Raises BadRequest."""
    return _request(body, _object(body), default_model, max_tokens=None, stream=False)


def _request(
    body: bytes, raw: dict[str, Any], default_model: str, *, max_tokens: int | None, stream: bool
) -> Request:
    named = raw.get("model") is not None
    model = raw["model"] if named else default_model
    if not isinstance(model, str) or not model:
        raise BadRequest("model: must be a non-empty string", param="model")
    messages = _messages(raw.get("messages"))
    options = {name: value for name, value in raw.items() if name not in _OWN_PLACE}
    if options:
        _check_options(options)
    tools = _blocks(raw.get("tools"), "tools", MOST_TOOLS)
    if options:
        _check_forced(options, tools)
    return Request(
        model,
        messages,
        _system(raw.get("system")),
        tools,
        max_tokens,
        stream,
        options,
        end_user=_end_user(options) if options else None,
        session_id=_session_id(raw),
        prompt_cache_key=_cache_key(options) if options else None,
        first_words=first_words(messages),
        original=body if named and "session_id" not in raw and _says_each_once(body, raw) else None,
    )


def _session_id(raw: Mapping[str, Any]) -> str | None:
    """What names the conversation here: the vendor refuses the field."""
    session_id = raw.get("session_id")
    if session_id is not None and not isinstance(session_id, str):
        raise BadRequest("session_id: must be a string", param="session_id")
    return session_id or None


def _cache_key(options: Mapping[str, Any]) -> str | None:
    """OpenAI's field, which the vendor is left to judge."""
    key = options.get("prompt_cache_key")
    return key if isinstance(key, str) else None


class _SaidTwiceError(Exception):
    """An object of a body has a name twice."""


def _says_each_once(body: bytes, raw: dict[str, Any]) -> bool:
    """Whether no reader of JSON can take another value than we did, in any object of the body.

    A body that says a name twice is written anew, as it was read. One that is just what we would
    write ourselves needs no second look.
    """
    if dumps(raw) == body:
        return True
    try:
        json.loads(body.decode(), object_pairs_hook=_unrepeated, parse_int=str, parse_float=str)
    except _SaidTwiceError:
        return False
    return True


def _unrepeated(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise _SaidTwiceError


def _object(body: bytes) -> dict[str, Any]:
    check_values(body)
    try:
        raw = loads(body)
        if body.count(b"{") + body.count(b"[") > SURELY_SHALLOW:
            orjson.dumps(raw)  # refuses what is nested too deeply, far faster than a walk
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is not valid JSON: {error}") from error
    except orjson.JSONEncodeError as error:
        raise BadRequest("the body is nested too deeply") from error
    if not isinstance(raw, dict):
        raise BadRequest("the body must be a JSON object")
    return raw


def _max_tokens(raw: Mapping[str, Any]) -> int:
    """`max_tokens`; 0 is allowed: it fills the cache and writes nothing."""
    value = raw.get("max_tokens")
    if type(value) is not int or value < 0:
        raise BadRequest("max_tokens: a whole number of at least 0 is required", param="max_tokens")
    return value


def _messages(value: object) -> tuple[Message, ...]:
    if not isinstance(value, list) or not value:
        raise BadRequest("messages: a list with at least one message is required", param="messages")
    _check_count(value, "messages", MOST_MESSAGES)
    for index, message in enumerate(value):
        where = f"messages.{index}"
        if not isinstance(message, dict):
            raise BadRequest(f"{where}: must be an object", param=where)
        if not isinstance(message.get("role"), str):
            raise BadRequest(f"{where}.role: a string is required", param=f"{where}.role")
        _check_content(message.get("content"), f"{where}.content")
    return tuple(value)


def _check_content(content: object, where: str) -> None:
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        raise BadRequest(f"{where}: must be a string or a list of blocks", param=where)
    _check_count(content, where, MOST_PARTS)
    for index, block in enumerate(content):
        _check_block(block, f"{where}.{index}")


def _check_count(value: list[Any], where: str, most: int) -> None:
    if len(value) > most:
        raise BadRequest(
            f"{where}: must have at most {most:,} entries, got {len(value):,}", param=where
        )


def _check_block(block: object, where: str) -> None:
    """Only what measuring and marking read; every other field is the vendor's to judge."""
    if not isinstance(block, dict):
        raise BadRequest(f"{where}: must be an object", param=where)
    kind = block.get("type")
    if not isinstance(kind, str):
        raise BadRequest(f"{where}.type: a string is required", param=f"{where}.type")
    field = _BLOCK_TEXTS.get(kind)
    if field is not None and not isinstance(block.get(field), str):
        raise BadRequest(f"{where}.{field}: a string is required", param=f"{where}.{field}")
    if kind == "tool_result" and block.get("content") is not None:
        _check_content(block["content"], f"{where}.content")
    if kind == "tool_use" and not isinstance(block.get("name", ""), str):
        raise BadRequest(f"{where}.name: must be a string", param=f"{where}.name")
    if kind == "thinking" and not isinstance(block.get("signature") or "", str):
        raise BadRequest(f"{where}.signature: must be a string", param=f"{where}.signature")
    if kind in ("document", "image"):
        _check_source(block, where)


def _check_source(block: Mapping[str, Any], where: str) -> None:
    source = block.get("source")
    if not isinstance(source, dict):
        raise BadRequest(f"{where}.source: an object is required", param=f"{where}.source")
    if not isinstance(source.get("data") or "", str):
        raise BadRequest(f"{where}.source.data: must be a string", param=f"{where}.source.data")
    if source.get("type") == "content":
        _check_content(source.get("content"), f"{where}.source.content")
    for field in ("title", "context"):
        if not isinstance(block.get(field) or "", str):
            raise BadRequest(f"{where}.{field}: must be a string", param=f"{where}.{field}")


def _system(value: object) -> tuple[Block, ...]:
    if value is None or value == "":
        return ()
    if isinstance(value, str):
        return ({"type": "text", "text": value},)
    if not isinstance(value, list):
        raise BadRequest("system: must be a string or a list of blocks", param="system")
    _check_count(value, "system", MOST_PARTS)
    for index, block in enumerate(value):
        _check_block(block, f"system.{index}")
    return tuple(value)


def _blocks(value: object, name: str, most: int) -> tuple[Block, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise BadRequest(f"{name}: must be a list", param=name)
    _check_count(value, name, most)
    for index, block in enumerate(value):
        if not isinstance(block, dict):
            raise BadRequest(f"{name}.{index}: must be an object", param=f"{name}.{index}")
        if not isinstance(block.get("type") or "", str):
            where = f"{name}.{index}.type"
            raise BadRequest(f"{where}: must be a string", param=where)
    return tuple(value)


def _check_options(options: Mapping[str, Any]) -> None:
    """The shape of what routing, adapting and bounding look into."""
    for name in _OBJECTS:
        value = options.get(name)
        if value is not None and not isinstance(value, dict):
            raise BadRequest(f"{name}: must be an object", param=name)
    edits = (options.get("context_management") or {}).get("edits")
    _blocks(edits, "context_management.edits", MOST_PARTS)


def _check_forced(options: Mapping[str, Any], tools: tuple[Block, ...]) -> None:
    """A forced tool must be there: its name may be put into words for a model that takes none.

    Toolsets and remote servers name their own tools; there the name need only look like one.
    """
    choice = options.get("tool_choice") or {}
    if choice.get("type") != "tool":
        return
    where, name = "tool_choice.name", choice.get("name")
    if not isinstance(name, str):
        raise BadRequest(f"{where}: a string is required", param=where)
    if any(tool.get("name") == name for tool in tools):
        return
    sets = bool(options.get("mcp_servers")) or any("name" not in tool for tool in tools)
    if not (sets and _TOOL_NAME.fullmatch(name)):
        raise BadRequest(f"{where}: {name[:64]!r} is not among the tools", param=where)


def _end_user(options: Mapping[str, Any]) -> str | None:
    """Who the caller says it is, short enough to be kept; of Claude Code its account alone."""
    metadata = options.get("metadata") or {}
    user_id = metadata.get("user_id")
    if not isinstance(user_id, str) or not user_id:
        return None
    return (_of_claude_code(user_id) or user_id)[:MOST_USER_CHARS]


def _of_claude_code(user_id: str) -> str | None:
    """The account, else the device, from what Claude Code sends; None for any other user.

    Its whole text names the session too: each would be a user of its own.
    """
    if user_id[0] == "{" and len(user_id) <= _MOST_JSON_USER_CHARS:
        try:
            told = orjson.loads(user_id)
        except orjson.JSONDecodeError:
            return None
        known = (told.get("account_uuid"), told.get("device_id"))
        return next((each for each in known if isinstance(each, str) and each), None)
    older = _OLDER_CLAUDE_CODE.fullmatch(user_id, 0, _MOST_JSON_USER_CHARS)
    return None if older is None else older[2] or older[1]
