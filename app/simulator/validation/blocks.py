"""Content blocks: which fields each kind has, and what they may hold."""

from __future__ import annotations

import base64
import binascii
import re
from types import MappingProxyType
from typing import Final

from app.simulator.errors import invalid
from app.simulator.json_values import JsonObject, as_object
from app.simulator.media import media_type_of
from app.simulator.validation.asked import (
    Asked,
    refuse_extra,
    require_list,
    require_object,
    require_text,
)

_FIELDS: Final = MappingProxyType(
    {
        "text": frozenset({"type", "text", "cache_control", "citations"}),
        "image": frozenset({"type", "source", "cache_control"}),
        "document": frozenset({"type", "source", "cache_control", "title", "context", "citations"}),
        "search_result": frozenset(
            {"type", "source", "title", "content", "cache_control", "citations"}
        ),
        "thinking": frozenset({"type", "thinking", "signature"}),
        "redacted_thinking": frozenset({"type", "data"}),
        "tool_use": frozenset({"type", "id", "name", "input", "cache_control", "caller"}),
        "tool_result": frozenset(
            {"type", "tool_use_id", "content", "is_error", "cache_control", "caller"}
        ),
        "tool_reference": frozenset({"type", "tool_name", "cache_control"}),
        "container_upload": frozenset({"type", "file_id", "cache_control"}),
    }
)
_PLACES: Final = MappingProxyType(
    {
        "system": frozenset({"text"}),
        "user": frozenset(
            {"text", "image", "document", "search_result", "tool_result", "container_upload"}
        ),
        "assistant": frozenset(
            {"text", "thinking", "redacted_thinking", "tool_use", "document", "container_upload"}
        ),
        "tool_result": frozenset({"text", "image", "document", "search_result", "tool_reference"}),
    }
)
_IMAGE_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_PDF: Final = "application/pdf"
_CALL_ID: Final = re.compile(r"^[a-zA-Z0-9_-]+$")
_TOOL_NAME: Final = re.compile(r"^[a-zA-Z0-9_-]{1,128}$")
_SOURCE_FIELDS: Final = MappingProxyType(
    {
        "base64": frozenset({"type", "media_type", "data"}),
        "text": frozenset({"type", "media_type", "data"}),
        "url": frozenset({"type", "url"}),
        "file": frozenset({"type", "file_id"}),
        "content": frozenset({"type", "content"}),
    }
)
_MOST_IMAGE_BYTES: Final = 5 * 1024 * 1024


def check_block(asked: Asked, place: str, block: JsonObject, where: str) -> None:
    """Raises ApiError unless a `place` (a role, or inside a tool_result) may hold this block."""
    kind = require_text(block.get("type"), f"{where}.type")
    if place == "assistant" and _is_server_block(kind):
        return
    if kind not in _PLACES[place]:
        allowed = ", ".join(f"'{name}'" for name in sorted(_PLACES[place]))
        raise invalid(
            f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected "
            f"tags: {allowed}"
        )
    refuse_extra(block, _FIELDS[kind], f"{where}.{kind}.")
    if kind == "text":
        _check_text(asked, place, block, where)
    elif kind == "image":
        _check_image(block, where)
    elif kind == "document":
        _check_document(asked, place, block, where)
    else:
        _check_other(asked, kind, block, where)


def _is_server_block(kind: str) -> bool:
    return kind == "server_tool_use" or (kind.endswith("_tool_result") and kind != "tool_result")


def _check_text(asked: Asked, place: str, block: JsonObject, where: str) -> None:
    text = require_text(block.get("text"), f"{where}.text.text")
    if not text:
        if block.get("cache_control") is not None:
            raise invalid(f"{where}.text: cache_control cannot be set for empty text blocks")
        top = "system" if place == "system" and where.startswith("system") else "messages"
        raise invalid(f"{top}: text content blocks must be non-empty")
    if place != "system" and not text.strip():
        raise invalid("messages: text content blocks must contain non-whitespace text")
    if asked.strict and place == "user" and block.get("citations"):
        raise invalid(f"{where}.text.citations: Extra inputs are not permitted")


def _check_image(block: JsonObject, where: str) -> None:
    at = f"{where}.image.source"
    source = require_object(block.get("source"), at)
    _check_source(source, at)
    kind = source.get("type")
    if kind == "base64":
        if str(source.get("media_type")) not in _IMAGE_TYPES:
            allowed = ", ".join(f"'{name}'" for name in sorted(_IMAGE_TYPES))
            raise invalid(f"{at}.base64.media_type: Input should be {allowed}")
        data = _decoded(source.get("data"), f"{at}.base64")
        if len(data) > _MOST_IMAGE_BYTES:
            raise invalid(f"{at}.base64: image exceeds 5 MB maximum")
        _check_label(str(source["media_type"]), data, f"{at}.base64")
    elif kind == "url":
        _check_url(source, f"{at}.url")
    elif kind != "file":
        raise invalid(f"{at}: Input tag '{kind}' should be 'base64', 'url' or 'file'")


def _check_document(asked: Asked, place: str, block: JsonObject, where: str) -> None:
    if asked.strict and place == "assistant":
        raise invalid(f"{where}: document blocks are not permitted in assistant messages")
    at = f"{where}.document.source"
    source = require_object(block.get("source"), at)
    _check_source(source, at)
    kind = source.get("type")
    if kind == "base64":
        if source.get("media_type") != "application/pdf":
            raise invalid(f"{at}.base64.media_type: Input should be 'application/pdf'")
        if media_type_of(_decoded(source.get("data"), f"{at}.base64")) not in (None, _PDF):
            raise invalid(f"{at}.base64: The PDF specified was not valid.")
    elif kind == "text":
        if source.get("media_type") != "text/plain":
            raise invalid(f"{at}.text.media_type: Input should be 'text/plain'")
        require_text(source.get("data"), f"{at}.text.data")
    elif kind == "url":
        _check_url(source, f"{at}.url")
    elif kind not in ("content", "file"):
        raise invalid(f"{at}: Input tag '{kind}' is not a document source")


def _check_other(asked: Asked, kind: str, block: JsonObject, where: str) -> None:
    if kind == "thinking":
        require_text(block.get("thinking"), f"{where}.thinking.thinking")
        require_text(block.get("signature"), f"{where}.thinking.signature")
    elif kind == "tool_use":
        _check_pattern(block.get("id"), _CALL_ID, f"{where}.tool_use.id")
        _check_pattern(block.get("name"), _TOOL_NAME, f"{where}.tool_use.name")
        require_object(block.get("input"), f"{where}.tool_use.input")
    elif kind == "tool_result":
        _check_pattern(block.get("tool_use_id"), _CALL_ID, f"{where}.tool_result.tool_use_id")
        _check_result_content(asked, block.get("content"), f"{where}.tool_result.content")


def _check_pattern(value: object, pattern: re.Pattern[str], where: str) -> None:
    if not pattern.fullmatch(require_text(value, where)):
        raise invalid(f"{where}: String should match pattern '{pattern.pattern}'")


def _check_source(source: JsonObject, where: str) -> None:
    """Raises ApiError on a field that such a source does not have."""
    kind = str(source.get("type"))
    if kind in _SOURCE_FIELDS:
        refuse_extra(source, _SOURCE_FIELDS[kind], f"{where}.{kind}.")


def _check_result_content(asked: Asked, content: object, where: str) -> None:
    if content is None or isinstance(content, str):
        return
    for at, inner in enumerate(require_list(content, where)):
        check_block(asked, "tool_result", inner, f"{where}.{at}")


def _check_url(source: JsonObject, where: str) -> None:
    url = require_text(as_object(source).get("url"), f"{where}.url")
    if not url.startswith(("https://", "http://")):
        raise invalid(f"{where}.url: Only HTTPS URLs are supported.")


def _check_label(label: str, data: bytes, where: str) -> None:
    """Raises ApiError when the bytes are plainly of another kind than the label says."""
    found = media_type_of(data)
    if found == _PDF:
        raise invalid(f"{where}: Could not process image")
    if found not in (None, label):
        raise invalid(
            f"{where}: The image was specified using the {label} media type, but the image "
            f"appears to be a {found} image"
        )


def _decoded(data: object, where: str) -> bytes:
    text = require_text(data, f"{where}.data")
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid(f"{where}.data: Invalid base64 data") from error
    if not decoded:
        raise invalid(f"{where}.data: cannot be empty")
    return decoded
