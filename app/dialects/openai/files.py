"""Pictures and documents that a request carries: what their first bytes say, their label else."""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from typing import Any

from app.dialects.json_values import as_name, as_object, as_text, one_of, refuse, unsupported

IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
PDF = "application/pdf"
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_FIRST_BYTES: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"%PDF-"), PDF),
)
_ENOUGH_LETTERS = 16  # of base64, for the longest of them
_ENCODINGS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"", "utf-8-sig"))

Block = dict[str, Any]


def image_block(image: object, where: str) -> Block:
    """A picture by URL or in base64; a PDF among the pictures is a document."""
    url = image
    if not isinstance(image, str):
        url, where = as_object(image, where).get("url"), f"{where}.url"
    url = as_name(url, where)
    if url.startswith(("https://", "http://")):
        return {"type": "image", "source": {"type": "url", "url": url}}
    media_type, data = _data_url(url, where)
    if media_type == PDF:
        return _in_base64("document", PDF, data)
    one_of(media_type, where, IMAGE_TYPES)
    return _in_base64("image", media_type, data)


def file_block(file: Mapping[str, Any], where: str) -> Block | None:
    """A PDF or a text as a document, a picture as such; None for a text without a word."""
    if file.get("file_id") is not None:
        unsupported(f"{where}.file_id", "uploaded files are not kept; send `file_data`")
    where_data = f"{where}.file_data"
    given = as_name(file.get("file_data"), where_data)
    title = as_text(file.get("filename") or "", f"{where}.filename")
    if given.startswith("data:"):
        media_type, data = _data_url(given, where_data)
    else:
        data = as_base64(given, where_data)
        media_type = _type_by_bytes(data) or "text/plain"
    if media_type in IMAGE_TYPES:
        return _in_base64("image", media_type, data)
    if media_type == PDF:
        document = _in_base64("document", PDF, data)
    else:
        text = _text(data, media_type, where_data)
        if not text.strip():
            return None
        source = {"type": "text", "media_type": "text/plain", "data": text}
        document = {"type": "document", "source": source}
    return {**document, "title": title} if title else document


def _in_base64(kind: str, media_type: str, data: str) -> Block:
    return {"type": kind, "source": {"type": "base64", "media_type": media_type, "data": data}}


def _data_url(url: str, where: str) -> tuple[str, str]:
    """Media type and base64 text of a `data:` URL."""
    head, comma, data = url.partition(",")
    if not (head.startswith("data:") and comma):
        refuse(where, "expected an http(s) or data: URL")
    media_type, *parameters = head[len("data:") :].lower().split(";")
    if "base64" not in parameters:
        refuse(where, "a data: URL must hold base64")
    data = as_base64(data, where)
    if media_type == "image/jpg":
        media_type = "image/jpeg"
    return _type_by_bytes(data) or media_type, data


def _type_by_bytes(data: str) -> str | None:
    begin = binascii.a2b_base64(data[:_ENOUGH_LETTERS])
    return next((kind for pattern, kind in _FIRST_BYTES if pattern.match(begin)), None)


def _text(data: str, media_type: str, where: str) -> str:
    """The text that the file is, whatever its label says."""
    content = binascii.a2b_base64(data)
    encoding = next(name for mark, name in _ENCODINGS if content.startswith(mark))
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        refuse(where, f"must be a PDF, a picture or a text, got {media_type[:40]!r}")
    return text


def as_base64(data: str, where: str) -> str:
    """The text, which must be whole groups of base64's own letters."""
    if len(data) % 4 or not _BASE64.fullmatch(data):
        refuse(where, "not valid base64")
    return data
