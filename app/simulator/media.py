"""How many tokens an image or a document costs, read from its own header."""

from __future__ import annotations

import base64
import binascii
import re
import struct
from typing import Final

from app.simulator.facts import Model
from app.simulator.json_values import JsonObject, as_object

URL_IMAGE_TOKENS: Final = 1500
PIXELS_PER_TOKEN: Final = 750
_PDF_PAGE: Final = re.compile(rb"/Type\s*/Page(?![a-zA-Z])")
_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_SIGNATURES: Final = (
    (_PNG_SIGNATURE, "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
_PNG_HEADER_BYTES: Final = 24
_GIF_HEADER_BYTES: Final = 10
_JPEG_FRAMES: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_JPEG_HEADER_CHARS: Final = 700_000  # base64 characters searched for the frame header


def media_type_of(data: bytes) -> str | None:
    """What the first bytes say; None when they say nothing."""
    for signature, media_type in _SIGNATURES:
        if data.startswith(signature):
            return media_type
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    return None


def image_tokens(block: JsonObject, model: Model) -> int:
    """Width x height / 750, capped per model; 1,500 where the size cannot be read."""
    source = as_object(block.get("source"))
    most = 4784 if model.dense_tokenizer else 1600
    size = _size(str(source.get("data", ""))) if source.get("type") == "base64" else None
    if size is None:
        return URL_IMAGE_TOKENS
    width, height = size
    return max(1, min(most, -(-width * height // PIXELS_PER_TOKEN)))


def pdf_tokens(block: JsonObject, model: Model) -> int:
    """2,000 a page (2,600 with the newer tokenizer); a file whose pages cannot be seen has one."""
    source = as_object(block.get("source"))
    per_page = 2600 if model.dense_tokenizer else 2000
    if source.get("type") != "base64":
        return per_page
    return per_page * max(1, len(_PDF_PAGE.findall(_decoded(str(source.get("data", ""))))))


def _decoded(data: str) -> bytes:
    try:
        return base64.b64decode(data)
    except (binascii.Error, ValueError):
        return b""


def _size(data: str) -> tuple[int, int] | None:
    head = _decoded(data[:_JPEG_HEADER_CHARS])
    if head.startswith(_PNG_SIGNATURE) and len(head) >= _PNG_HEADER_BYTES:
        width, height = struct.unpack(">II", head[16:24])
        return width, height
    if head.startswith((b"GIF87a", b"GIF89a")) and len(head) >= _GIF_HEADER_BYTES:
        width, height = struct.unpack("<HH", head[6:10])
        return width, height
    if head.startswith(b"\xff\xd8"):
        return _jpeg_size(head)
    return None


def _jpeg_size(head: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        if head[at + 1] in _JPEG_FRAMES:
            height, width = struct.unpack(">HH", head[at + 5 : at + 9])
            return width, height
        at += 2 + int(struct.unpack(">H", head[at + 2 : at + 4])[0])
    return None
