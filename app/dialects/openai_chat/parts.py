"""Content parts of a message -> content blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.core.request import Block
from app.dialects.ceilings import MOST_PARTS
from app.dialects.json_values import as_list, as_object, as_text, one_of, refuse, unsupported
from app.dialects.openai.content import Breakpoints, marked_block
from app.dialects.openai.files import file_block, image_block

SYSTEM_PARTS = ("text",)
ASSISTANT_PARTS = ("text", "refusal")
USER_PARTS = ("text", "image_url", "file")


def read_content(
    content: object, where: str, kinds: tuple[str, ...], breakpoints: Breakpoints
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
            blocks.append(marked_block(block, part, f"{where}[{n}]", breakpoints))
    return blocks


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
