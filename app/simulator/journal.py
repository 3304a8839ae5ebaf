"""Everything the simulator was asked, what it answered and what it billed."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from app.simulator.json_values import JsonObject, parsed

_MOST_ENTRIES: Final = 100_000
_KEPT_HEADERS: Final = frozenset(
    {
        "anthropic-version",
        "anthropic-beta",
        "content-type",
        "idempotency-key",
        "user-agent",
        "x-stainless-retry-count",
    }
)


@dataclass(slots=True)
class Entry:
    """One request.  Amounts are nano-USD; 0 until it is known that something is billed."""

    id: int
    received_at: str
    method: str
    path: str
    key: str
    headers: dict[str, str]
    raw_body: bytes
    request_id: str
    model: str | None = None
    stream: bool = False
    status: int | None = None
    message_id: str | None = None
    fault: str | None = None
    scripted: bool = False
    deltas_sent: int = 0
    cut: bool = False
    client_gone: bool = False
    usage: JsonObject | None = None
    billed_nano_usd: int = 0
    open: bool = True

    def as_json(self, *, raw: bool = False) -> JsonObject:
        """`raw` adds the body's own text, with every digit of its numbers."""
        shown = {name: getattr(self, name) for name in _SHOWN}
        shown["body"] = _body_json(self.raw_body)
        return shown | {"raw_body": self.raw_body.decode(errors="replace")} if raw else shown


_SHOWN: Final = tuple(name for name in Entry.__slots__ if name != "raw_body")


@dataclass(slots=True)
class Journal:
    """The last 100,000 entries; the totals are of everything since the last reset."""

    entries: deque[Entry] = field(default_factory=lambda: deque(maxlen=_MOST_ENTRIES))
    billed_nano_usd: int = 0
    requests: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    by_path: Counter[str] = field(default_factory=Counter)
    by_fault: Counter[str] = field(default_factory=Counter)

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.requests += 1
        self.by_path[entry.path] += 1

    def charge(self, entry: Entry, amount_nano_usd: int, usage: JsonObject) -> None:
        """Bill an answer; a second charge of the same entry replaces the first."""
        self.billed_nano_usd += amount_nano_usd - entry.billed_nano_usd
        entry.billed_nano_usd = amount_nano_usd
        entry.usage = usage

    def answered(self, entry: Entry, status: int) -> None:
        """The status line is on its way."""
        if entry.status is None:
            self.by_status[str(status)] += 1
        entry.status = status

    def close(self, entry: Entry) -> None:
        if entry.open and entry.fault is not None:
            self.by_fault[entry.fault] += 1
        entry.open = False

    def after(self, last_seen_id: int, limit: int | None) -> list[Entry]:
        found = [entry for entry in self.entries if entry.id > last_seen_id]
        return found if limit is None else found[:limit]

    def summary(self) -> JsonObject:
        return {
            "requests": self.requests,
            "open": sum(entry.open for entry in self.entries),
            "billed_nano_usd": self.billed_nano_usd,
            "by_status": dict(self.by_status),
            "by_path": dict(self.by_path),
            "by_fault": dict(self.by_fault),
        }


def key_fingerprint(key: str) -> str:
    """Tells keys apart without giving them away: 16 hex digits of the SHA-256."""
    return sha256(key.encode()).hexdigest()[:16]


def kept_headers(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name in _KEPT_HEADERS}


def _body_json(raw: bytes) -> object:
    """The body as it came when it is JSON, its text when it is not, null when there is none."""
    if not raw:
        return None
    try:
        return parsed(raw)
    except ValueError:
        return raw.decode(errors="replace")
