"""What the answer's headers say about its call."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from app.core.money import usd_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.core.receipt import Opening, Receipt
    from app.web.running import Header

REQUEST_ID = "tollkeeper.request_id"
"""Where a request that FastAPI serves has its id, in the scope."""
MOST_TAGS = 16
MOST_TAG_CHARS = 128


def new_request_id() -> str:
    """`req_` + milliseconds + randomness: ids sort by time, so the ledger's index stays local.

    An id is no secret, and asking the system for randomness lets other threads in.
    """
    return f"req_{time.time_ns() // 1_000_000:012x}{random.getrandbits(64):016x}"


def opening_headers(opening: Opening) -> list[Header]:
    """Headers that stand before the answer's first byte."""
    route = opening.route
    headers: list[Header] = [
        (b"x-request-id", opening.request_id.encode()),
        (b"x-tollkeeper-model", opening.model.encode("latin-1", "replace")),
        (b"x-tollkeeper-route", f"{route.label}; reason={route.reason}".encode()),
        (b"x-tollkeeper-attempts", b"%d" % opening.attempts),
        (b"x-tollkeeper-conversation", opening.conversation.encode()),
    ]
    if opening.native_headers:
        headers += vendors_own(opening.native_headers)
    if opening.dropped:
        names = ",".join(dict.fromkeys(opening.dropped))
        headers.append((b"x-tollkeeper-dropped-params", _printable(names)))
    if opening.max_tokens_set is not None:
        headers.append((b"x-tollkeeper-max-tokens", b"%d" % opening.max_tokens_set))
    return headers


def vendors_own(headers: Mapping[str, str]) -> list[Header]:
    """The vendor's headers that its own clients read: passed on in the native lane."""
    return [
        (name.encode("latin-1"), value.encode("latin-1", "replace"))
        for name, value in headers.items()
        if name == "request-id" or name.startswith("anthropic-")
    ]


def receipt_headers(receipt: Receipt) -> list[Header]:
    """Headers of a whole answer: those of its opening and what it cost."""
    headers = opening_headers(receipt.opening)
    headers.append((b"x-tollkeeper-cost-usd", usd_text(receipt.total_nano_usd).encode()))
    savings = usd_text(receipt.cache_savings_nano_usd).encode()
    headers.append((b"x-tollkeeper-cache-savings-usd", savings))
    if receipt.remaining_nano_usd is not None:
        remaining = usd_text(receipt.remaining_nano_usd).encode()
        headers.append((b"x-tollkeeper-budget-remaining-usd", remaining))
    return headers


def tags(header: str | None) -> tuple[str, ...]:
    """`a, b` -> ('a', 'b'): at most 16 of at most 128 characters each."""
    if not header:
        return ()
    cleaned = (tag.strip()[:MOST_TAG_CHARS] for tag in as_utf8(header).split(","))
    return tuple(dict.fromkeys(tag for tag in cleaned if tag))[:MOST_TAGS]


def as_utf8(header: str) -> str:
    """A header that was read as Latin-1, as HTTP has it; what is UTF-8 under it is read as that."""
    if header.isascii():
        return header
    try:
        return header.encode("latin-1").decode()
    except UnicodeDecodeError:
        return header


def _printable(text: str) -> bytes:
    """Header-safe: a caller's own parameter names end up here."""
    return "".join(c if " " <= c <= "~" else "?" for c in text[:1_000]).encode()
