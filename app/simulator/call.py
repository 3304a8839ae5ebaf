"""A request as it arrives: logged, authenticated and read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import sha256
from typing import Final

import orjson

from app.simulator.errors import ApiError, error_body, invalid
from app.simulator.facts import VERSIONS
from app.simulator.journal import Entry, Journal, kept_headers, key_fingerprint
from app.simulator.json_values import JsonObject, parsed
from app.simulator.lifetimes import find_model
from app.simulator.state import Simulator
from app.simulator.validation import Asked
from app.simulator.wire import Wire

_LIMITS: Final = (
    ("requests", 4_000, 3_999),
    ("tokens", 5_000_000, 4_990_000),
    ("input-tokens", 4_000_000, 3_990_000),
    ("output-tokens", 1_000_000, 999_000),
)


@dataclass(slots=True)
class Call:
    simulator: Simulator
    wire: Wire
    entry: Entry
    journal: Journal
    """The one that the entry stands in, whatever is reset meanwhile."""
    body: JsonObject = field(default_factory=dict)
    generation_id: str | None = None
    """Where OpenRouter was asked: its name for the answer."""

    @property
    def account(self) -> str:
        """Caches are not shared between keys."""
        return sha256(api_key(self.wire.headers).encode()).hexdigest()

    def headers(self, content_type: str = "application/json") -> dict[str, str]:
        now_s = self.simulator.clock.now_s()
        resets_at = datetime.fromtimestamp(now_s + 1, UTC)
        date = format_datetime(datetime.fromtimestamp(now_s, UTC), usegmt=True)
        headers = {"content-type": content_type, "request-id": self.entry.request_id, "date": date}
        if self.generation_id is not None:
            return headers | {"x-generation-id": self.generation_id}
        headers["anthropic-organization-id"] = "5a1b0c6e-0000-4000-8000-000000000000"
        for name, limit, remaining in _LIMITS:
            headers[f"anthropic-ratelimit-{name}-limit"] = str(limit)
            headers[f"anthropic-ratelimit-{name}-remaining"] = str(remaining)
            headers[f"anthropic-ratelimit-{name}-reset"] = f"{resets_at:%Y-%m-%dT%H:%M:%SZ}"
        return headers

    async def answer(self, status: int, body: object, extra: dict[str, str] | None = None) -> None:
        """Send a whole JSON answer and close the entry."""
        self.journal.answered(self.entry, status)
        self.journal.close(self.entry)
        encoded = body.encode() if isinstance(body, str) else orjson.dumps(body)
        await self.wire.answer(status, self.headers() | (extra or {}), encoded)

    async def refuse(self, error: ApiError) -> None:
        body = error_body(error.error_type, error.message, self.entry.request_id)
        await self.answer(error.status, body)


def open_call(simulator: Simulator, wire: Wire) -> Call:
    """Log the arrival, before anything can go wrong."""
    entry = Entry(
        id=simulator.next_request(),
        received_at=simulator.clock.now_iso(),
        method=wire.scope["method"],
        path=wire.scope["path"],
        key=key_fingerprint(api_key(wire.headers)),
        headers=kept_headers(wire.headers),
        raw_body=b"",
        request_id=simulator.new_id("req_"),
    )
    simulator.journal.add(entry)
    return Call(simulator, wire, entry, simulator.journal)


async def read_call(call: Call) -> None:
    """Authenticate, then read the body.  Raises ApiError."""
    check_key(api_key(call.wire.headers))
    check_version(call.wire.headers)
    await read_json(call)


async def read_json(call: Call) -> None:
    """Read the body.  Raises ApiError."""
    raw = await call.wire.read_body()
    call.entry.raw_body = raw
    try:
        body = parsed(raw)
    except ValueError as error:
        raise invalid(f"The request body is not valid JSON: {error}") from error
    if not isinstance(body, dict):
        raise invalid("The request body is not valid JSON: an object is required")
    call.body = body
    model = body.get("model")
    call.entry.model = model if isinstance(model, str) else None
    call.entry.stream = body.get("stream") is True


def asked(call: Call, *, counting: bool) -> Asked:
    """What is to be validated.  Raises ApiError when the model does not exist."""
    headers = call.wire.headers
    return Asked(
        body=call.body,
        model=find_model(call.body.get("model"), call.simulator.clock.now_s()),
        version=headers["anthropic-version"],
        beta="anthropic-beta" in headers or b"beta=true" in call.wire.scope["query_string"],
        counting=counting,
    )


def api_key(headers: dict[str, str]) -> str:
    """From `x-api-key` or `Authorization: Bearer`; empty when there is none."""
    if headers.get("x-api-key"):
        return headers["x-api-key"]
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def check_key(key: str) -> None:
    if not key:
        raise ApiError(401, "x-api-key header is required")
    if key.startswith("invalid"):
        raise ApiError(401, "invalid x-api-key")
    if key.startswith("forbidden"):
        raise ApiError(403, "Your API key does not have permission to use the specified resource.")


def check_version(headers: dict[str, str]) -> None:
    version = headers.get("anthropic-version")
    if not version:
        raise invalid("anthropic-version: header is required")
    if version not in VERSIONS:
        raise invalid(f'anthropic-version: "{version}" is not a valid version')
