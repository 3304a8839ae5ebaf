"""A finished call, as the ledger tells it."""

from __future__ import annotations

from datetime import UTC, datetime

from app.core.keys import Key
from app.core.pricing import Cost
from app.core.routing import Reason, Route
from app.core.usage import Usage
from app.ports import Attempt, CallRecord, Charge

MODEL = "claude-haiku-4-5-20251001"
KEY = Key("key_1", "one", "tk-one", datetime(2026, 11, 1, tzinfo=UTC))


def call(latency_s: float, cost_nano_usd: int, *, retried: bool = False) -> CallRecord:
    tries = [Attempt("anthropic", 529, "OverloadedError", 5)] if retried else []
    usage = Usage(input_tokens=3, cache_write_5m_tokens=12_304, output_tokens=550)
    return CallRecord(
        request_id="req_1",
        key=KEY,
        model=MODEL,
        dialect="openai_chat",
        route=Route("haiku", 0.0, Reason.DEFAULT),
        status=200,
        error_code=None,
        attempts=[*tries, Attempt("anthropic", 200, None, 9)],
        latency_s=latency_s,
        ttft_s=latency_s,
        held_nano_usd=cost_nano_usd,
        cost_nano_usd=cost_nano_usd,
        charge=Charge(usage, Cost(output=cost_nano_usd), "computed", "{}", 0, 0),
    )
