"""Content parts of a message -> content blocks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from app.core.request import Block
from app.dialects.ceilings import MOST_PARTS
from app.dialects.json_values import (
    as_list,
    as_name,
    as_object,
    as_text,
    cache_mark,
    one_of,
    refuse,
    unsupported,
)

SYSTEM_PARTS = ("text",)
ASSISTANT_PARTS = ("text", "refusal")
USER_PARTS = ("text", "image_url", "file")

IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
PDF = "application/pdf"
_PDF_IN_BASE64 = "JVBERi"  # "%PDF-"
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")

FIVE_MINUTES: Block = {"type": "ephemeral"}
ONE_HOUR: Block = {"type": "ephemeral", "ttl": "1h"}
LIFETIMES = ("30m", "12h")


def lifetime(messages: list[Any]) -> Block:
    """The mark that every `prompt_cache_breakpoint` of the conversation becomes.

    They promise a *least* lifetime, and lifetimes may only get shorter along the prompt: one
    for all of them, the longest, keeps both rules. `30m` is five minutes, renewed by each use.
    """
    for message in messages:
        parts = message.get("content") if isinstance(message, dict) else None
        if isinstance(parts, list) and any(_wants_long(part) for part in parts):
            return ONE_HOUR
    return FIVE_MINUTES


def _wants_long(part: object) -> bool:
    point = part.get("prompt_cache_breakpoint") if isinstance(part, dict) else None
    return isinstance(point, dict) and point.get("ttl") == "12h"


def read_content(
    content: object, where: str, kinds: tuple[str, ...], breakpoint_mark: Block
) -> str | list[Block]:
    """A string as it came, or the blocks of a list of parts; blank text blocks are left out."""
    if type(content) is str:
        return content
    if not isinstance(content, list):
        refuse(where, f"expected a string or an array of {', '.join(kinds)} parts")
    blocks: list[Block] = []
    for n, part in enumerate(as_list(content, where, MOST_PARTS)):
        block = _block(as_object(part, f"{where}[{n}]"), f"{where}[{n}]", kinds)
        if block is not None:
            blocks.append(marked_block(block, part, f"{where}[{n}]", breakpoint_mark))
    return blocks


def as_blocks(content: str | list[Block]) -> list[Block]:
    """The content as a list of blocks; a blank string is none."""
    if not isinstance(content, str):
        return content
    return [{"type": "text", "text": content}] if content.strip() else []


def _block(part: Mapping[str, Any], where: str, kinds: tuple[str, ...]) -> dict[str, Any] | None:
    kind = part.get("type")
    if kind == "input_audio":
        unsupported(where, "audio is not supported")
    kind = one_of(kind, f"{where}.type", kinds)
    if kind == "image_url":
        return image_block(part.get("image_url"), f"{where}.image_url")
    if kind == "file":
        return file_block(as_object(part.get("file"), f"{where}.file"), f"{where}.file")
    text = as_text(part.get(kind), f"{where}.{kind}")
    return {"type": "text", "text": text} if text.strip() else None


def marked_block(
    block: dict[str, Any], part: Mapping[str, Any], where: str, breakpoint_mark: Block
) -> Block:
    """The block with the caller's mark; a native one wins over OpenAI's breakpoint."""
    own = cache_mark(part, where)
    if own is not None:
        return {**block, "cache_control": own}
    if part.get("prompt_cache_breakpoint") is None:
        return block
    field = f"{where}.prompt_cache_breakpoint"
    point = as_object(part["prompt_cache_breakpoint"], field)
    if point.get("ttl") is not None:
        one_of(point["ttl"], f"{field}.ttl", LIFETIMES)
    return {**block, "cache_control": breakpoint_mark}


def image_block(image: object, where: str) -> dict[str, Any]:
    url = image
    if not isinstance(image, str):
        url, where = as_object(image, where).get("url"), f"{where}.url"
    url = as_name(url, where)
    if url.startswith(("https://", "http://")):
        return {"type": "image", "source": {"type": "url", "url": url}}
    media_type, data = _data_url(url, where)
    if media_type == "image/jpg":
        media_type = "image/jpeg"
    one_of(media_type, where, IMAGE_TYPES)
    return {
        "type": "image",
        "source": {"type": "base64", "media_type": media_type, "data": data},
    }


def file_block(file: Mapping[str, Any], where: str) -> dict[str, Any]:
    if file.get("file_id") is not None:
        unsupported(f"{where}.file_id", "uploaded files are not kept; send `file_data`")
    where_data = f"{where}.file_data"
    given = as_name(file.get("file_data"), where_data)
    if given.startswith(_PDF_IN_BASE64):
        media_type, data = PDF, as_base64(given, where_data)
    else:
        media_type, data = _data_url(given, where_data)
    if media_type != PDF:
        refuse(where_data, f"only {PDF} is supported, got {media_type[:40]!r}")
    source = {"type": "base64", "media_type": PDF, "data": data}
    document: dict[str, Any] = {"type": "document", "source": source}
    if file.get("filename"):
        document["title"] = as_text(file["filename"], f"{where}.filename")
    return document


def _data_url(url: str, where: str) -> tuple[str, str]:
    """Media type and base64 text of a `data:` URL."""
    head, comma, data = url.partition(",")
    if not (head.startswith("data:") and comma):
        refuse(where, "expected an http(s) or data: URL")
    media_type, *parameters = head[len("data:") :].lower().split(";")
    if "base64" not in parameters:
        refuse(where, "a data: URL must hold base64")
    return media_type, as_base64(data, where)


def as_base64(data: str, where: str) -> str:
    """The text, which must be whole groups of base64's own letters."""
    if len(data) % 4 or not _BASE64.fullmatch(data):
        refuse(where, "not valid base64")
    return data
