"""Pictures and documents that a request carries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from app.dialects.json_values import as_name, as_object, as_text, one_of, refuse, unsupported

IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
PDF = "application/pdf"


_PDF_IN_BASE64 = "JVBERi"  # "%PDF-"


_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


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
