"""What both APIs tell of an answer in the same words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from app.core.money import usd_text
from app.core.receipt import Receipt

REFUSAL = "The model declined to answer."


def refusal_text(stop_reason: str | None, details: Mapping[str, Any] | None) -> str | None:
    """Why the model refused, in its vendor's words where there are any; None if it did not."""
    if stop_reason != "refusal":
        return None
    explanation = (details or {}).get("explanation")
    return explanation if isinstance(explanation, str) and explanation else REFUSAL


def usage_json(receipt: Receipt) -> dict[str, Any]:
    """`usage` with the receipt's cost: a number written from its exact decimal text."""
    usage, cost = receipt.usage, receipt.cost
    prompt_tokens = usage.prompt_tokens
    details = {
        "input": usd_text(cost.input),
        "cache_write_5m": usd_text(cost.cache_write_5m),
        "cache_write_1h": usd_text(cost.cache_write_1h),
        "cache_read": usd_text(cost.cache_read),
        "output": usd_text(cost.output),
        "server_tools": usd_text(cost.server_tools),
    }
    if receipt.total_nano_usd != cost.total:  # bounds of earlier attempts that stay charged
        details["other"] = usd_text(receipt.total_nano_usd - cost.total)
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": prompt_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "cost": orjson.Fragment(usd_text(receipt.total_nano_usd)),
        "cost_details": details,
    }
