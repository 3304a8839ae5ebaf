"""Content parts of an item -> content blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.core.request import Block
from app.dialects.ceilings import MOST_PARTS
from app.dialects.json_values import (
    as_list,
    as_name,
    as_object,
    as_text,
    one_of,
    refuse,
    unsupported,
)
from app.dialects.openai.content import Breakpoints, marked_block
from app.dialects.openai.files import file_block, image_block

SYSTEM_PARTS = ("input_text",)
ASSISTANT_PARTS = ("output_text", "refusal", "input_text")
USER_PARTS = ("input_text", "input_image", "input_file")


def read_parts(
    content: object, where: str, kinds: tuple[str, ...], breakpoints: Breakpoints
) -> str | list[Block]:
    """A string as it came, or the blocks of a list of parts; blank text blocks are left out."""
    if type(content) is str:
        return content
    if not isinstance(content, list):
        refuse(where, f"expected a string or an array of {', '.join(kinds)} parts")
    blocks: list[Block] = []
    for n, given in enumerate(as_list(content, where, MOST_PARTS)):
        at = f"{where}[{n}]"
        part = as_object(given, at)
        block = _block(part, at, kinds)
        if block is not None:
            blocks.append(marked_block(block, part, at, breakpoints))
    return blocks


def _block(part: Mapping[str, Any], where: str, kinds: tuple[str, ...]) -> dict[str, Any] | None:
    if part.get("type") == "input_audio":
        unsupported(where, "audio is not supported")
    kind = one_of(part.get("type"), f"{where}.type", kinds)
    if kind == "input_image":
        if part.get("file_id") is not None:
            unsupported(f"{where}.file_id", "uploaded files are not kept; send `image_url`")
        return image_block(part.get("image_url"), f"{where}.image_url")
    if kind == "input_file":
        return _document(part, where)
    field = "refusal" if kind == "refusal" else "text"
    text = as_text(part.get(field), f"{where}.{field}")
    return {"type": "text", "text": text} if text.strip() else None


def _document(part: Mapping[str, Any], where: str) -> dict[str, Any] | None:
    if part.get("file_url") is None:
        return file_block(part, where)
    url = as_name(part["file_url"], f"{where}.file_url")
    if not url.startswith(("https://", "http://")):
        refuse(f"{where}.file_url", "expected an http(s) URL")
    return {"type": "document", "source": {"type": "url", "url": url}}
