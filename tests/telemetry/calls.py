"""A finished call, as the ledger tells it."""

from __future__ import annotations

from datetime import UTC, datetime

from app.core.caching import CachePlan
from app.core.ended import Attempt, Charge, Ended, Ending
from app.core.keys import Key
from app.core.pricing import Cost
from app.core.request import Request
from app.core.routing import Reason, Route
from app.core.usage import Usage

MODEL = "claude-haiku-4-5-20251001"
KEY = Key("key_1", "one", "tk-one", datetime(2026, 11, 1, tzinfo=UTC))


def call(latency_s: float, cost_nano_usd: int, *, retried: bool = False) -> Ended:
    tries = [Attempt("anthropic", MODEL, 529, "OverloadedError", 5)] if retried else []
    usage = Usage(input_tokens=3, cache_write_5m_tokens=12_304, output_tokens=550)
    latency_ms = round(latency_s * 1_000)
    return Ended(
        request_id="req_1",
        key=KEY,
        dialect="openai_chat",
        request=Request(model="auto", messages=()),
        model=MODEL,
        upstream="anthropic",
        route=Route("haiku", 0.0, Reason.DEFAULT),
        cache_plan=CachePlan((), 0, None, "off"),
        attempts=(*tries, Attempt("anthropic", MODEL, 200, None, 9)),
        charge=Charge(usage, Cost(output=cost_nano_usd), "computed", "{}", 0, 0),
        other_nano_usd=0,
        held_nano_usd=cost_nano_usd,
        reason=Ending.ANSWERED,
        error=None,
        status=200,
        error_code=None,
        latency_ms=latency_ms,
        ttft_ms=latency_ms,
    )
