"""What a finished call says of itself in a trace: `gen_ai.*` and `langfuse.*` attributes.  Pure.

Langfuse takes usage and cost from its own two JSON texts, whose buckets are disjoint; the
`gen_ai.usage.*` counts are whole, as OpenTelemetry's conventions have them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from app.core.blotted import blot
from app.core.ended import Basis
from app.core.errors import GatewayError
from app.core.money import usd_text
from app.core.pricing import Cost
from app.core.usage import Usage
from app.core.values import value

if TYPE_CHECKING:
    from app.core.ended import Attempt, CostSource, Ended
    from app.core.lookups import Billed

Attributes = Mapping[str, str | int | float | Sequence[str]]
MOST_MESSAGE_CHARS = 500
MOST_CONTENT_CHARS = 256 * 1_024
CUT = "… (cut)"
MS_PER_S = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
PARAMETERS = ("temperature", "top_p", "top_k", "service_tier", "speed", "inference_geo")
NOTHING_USED = Usage()
NOTHING_COST = Cost()


@value
class Told:
    """A call on its way to a tracing tool; `prompt` and `answer` only where they may be told.

    Nothing in it holds on to the request or to an exception's frames. `cost_source` and
    `cache_discount_nano_usd` are what the vendor's bill says, where it has come.
    """

    call: Ended
    ended_ns: int
    error: str | None = None
    prompt: Any = None
    answer: Any = None
    content_bytes: int = 0
    cost_source: CostSource | None = None
    cache_discount_nano_usd: int | None = None

    @property
    def begun_ns(self) -> int:
        """When the call began, in Unix nanoseconds."""
        return self.ended_ns - self.call.latency_ms * NS_PER_MS


def billed(told: Told, bill: Billed) -> Told:
    """The call at what its row came to: what the vendor billed above or below is told apart."""
    call = told.call
    more = bill.cost_nano_usd - call.cost_nano_usd
    if call.charge is None:
        call = replace(call, other_nano_usd=call.other_nano_usd + more)
    else:
        cost = call.charge.cost
        cost = replace(cost, adjustment=cost.adjustment + more)
        call = replace(call, charge=replace(call.charge, cost=cost))
    if more:
        *before, last = call.attempts
        last = replace(last, cost_nano_usd=last.cost_nano_usd + more, basis=Basis.USAGE)
        call = replace(call, attempts=(*before, last))
    return replace(
        told,
        call=call,
        cost_source=bill.cost_source,
        cache_discount_nano_usd=bill.cache_discount_nano_usd,
    )


def error_text(error: BaseException | None) -> str | None:
    """What was meant to be read; of a bug its kind alone."""
    if error is None:
        return None
    text = error.message if isinstance(error, GatewayError) else type(error).__name__
    return blot(text[:MOST_MESSAGE_CHARS])


def generation(told: Told) -> Attributes:
    """The attributes of a call's own span."""
    call = told.call
    found = {**_gen_ai(call), **_langfuse(told), **_trace(call)}
    if told.error is not None:
        found["langfuse.observation.level"] = "ERROR"
        found["langfuse.observation.status_message"] = told.error
        found["error.type"] = call.error_code or "error"
    if told.prompt is not None:
        found["langfuse.observation.input"] = _content(told.prompt)
    if told.answer is not None:
        found["langfuse.observation.output"] = _content(told.answer)
    return _fit(found)


def attempt(tried: Attempt) -> Attributes:
    """The attributes of one attempt's span: no generation of its own, or it would count twice."""
    found = {
        "langfuse.observation.type": "span",
        "server.address": tried.upstream,
        "http.response.status_code": tried.status,
        "error.type": tried.error,
        "tollkeeper.model": tried.model,
        "tollkeeper.upstream_request_id": tried.request_id,
        "tollkeeper.basis": str(tried.basis),
        "tollkeeper.cost_usd": usd_text(tried.cost_nano_usd),
    }
    if tried.error is not None:
        found["langfuse.observation.level"] = "WARNING"
        found["langfuse.observation.status_message"] = blot(
            (tried.message or tried.error)[:MOST_MESSAGE_CHARS]
        )
    return _fit(found)


def usage_details(usage: Usage) -> dict[str, int]:
    """Langfuse's buckets: each token in one of them, and their sum."""
    return {
        "input": usage.input_tokens,
        "input_cached_tokens": usage.cache_read_tokens,
        "input_cache_creation_5m": usage.cache_write_5m_tokens,
        "input_cache_creation_1h": usage.cache_write_1h_tokens,
        "output": usage.output_tokens,
        "total": usage.prompt_tokens + usage.output_tokens,
    }


def cost_details(call: Ended) -> str:
    """The same buckets in USD, exact, zeros too: what is left out, Langfuse would work out.

    `other_attempts` is what attempts without an answer are charged, `billed_difference` what the
    vendor itself billed above or below the rest.
    """
    cost = NOTHING_COST if call.charge is None else call.charge.cost
    amounts = {
        "input": cost.input,
        "input_cached_tokens": cost.cache_read,
        "input_cache_creation_5m": cost.cache_write_5m,
        "input_cache_creation_1h": cost.cache_write_1h,
        "output": cost.output,
        "server_tools": cost.server_tools,
        "other_attempts": call.other_nano_usd,
        "total": call.cost_nano_usd,
    }
    if cost.adjustment:
        amounts["billed_difference"] = cost.adjustment
    return "{" + ",".join(f'"{name}":{usd_text(nano)}' for name, nano in amounts.items()) + "}"


def cache_discount_usd(told: Told) -> str:
    """What caching saved, by the vendor's bill where it says; negative where a write cost more."""
    if told.cache_discount_nano_usd is not None:
        return usd_text(told.cache_discount_nano_usd)
    charge = told.call.charge
    return usd_text(0 if charge is None else charge.uncached_nano_usd - charge.cost.total)


def _gen_ai(call: Ended) -> dict[str, Any]:
    usage = NOTHING_USED if call.charge is None else call.charge.usage
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": call.upstream,
        "gen_ai.request.model": call.request.model,
        "gen_ai.request.max_tokens": call.request.max_tokens,
        "gen_ai.response.model": call.model,
        "gen_ai.response.id": None if call.charge is None else call.charge.message_id,
        "gen_ai.response.finish_reasons": call.charge
        and call.charge.stop_reason
        and [call.charge.stop_reason],
        "gen_ai.response.time_to_first_chunk": (
            None if call.ttft_ms is None else call.ttft_ms / MS_PER_S
        ),
        "gen_ai.conversation.id": call.conversation,
        "gen_ai.usage.input_tokens": usage.prompt_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cache_read_tokens,
        "gen_ai.usage.cache_write.input_tokens": usage.cache_write_tokens,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
    }


def _langfuse(told: Told) -> dict[str, Any]:
    call, name = told.call, "langfuse.observation"
    usage = NOTHING_USED if call.charge is None else call.charge.usage
    asked = {key: call.request.options.get(key) for key in PARAMETERS}
    asked["max_tokens"] = call.request.max_tokens
    parameters = {key: each for key, each in asked.items() if isinstance(each, str | int | float)}
    return {
        f"{name}.type": "generation",
        f"{name}.model.name": call.model,
        f"{name}.model.parameters": orjson.dumps(parameters).decode(),
        f"{name}.usage_details": orjson.dumps(usage_details(usage)).decode(),
        f"{name}.cost_details": cost_details(call),
        f"{name}.completion_start_time": _first_token(told),
        f"{name}.metadata.request_id": call.request_id,
        f"{name}.metadata.key_id": call.key.id,
        f"{name}.metadata.key_name": call.key.name,
        f"{name}.metadata.team_id": call.key.team_id,
        f"{name}.metadata.dialect": call.dialect,
        f"{name}.metadata.route": call.route.label,
        f"{name}.metadata.route_reason": str(call.route.reason),
        f"{name}.metadata.status": str(call.status),
        f"{name}.metadata.error_code": call.error_code,
        f"{name}.metadata.cost_source": told.cost_source or call.cost_source,
        f"{name}.metadata.cache_discount": cache_discount_usd(told),
        f"{name}.metadata.cache_miss_reason": call.miss and str(call.miss.reason),
        f"{name}.metadata.cache_miss": call.miss and usd_text(call.miss.nano_usd),
    }


def _trace(call: Ended) -> dict[str, Any]:
    return {
        "langfuse.trace.name": call.dialect,
        "langfuse.trace.tags": [_sendable(tag) for tag in call.request.tags] or None,
        "user.id": call.request.end_user,
        "session.id": call.session or call.conversation,
    }


def _first_token(told: Told) -> str | None:
    """The moment as a JSON text: Langfuse reads it with a JSON parser."""
    if told.call.ttft_ms is None:
        return None
    moment_ns = told.begun_ns + told.call.ttft_ms * NS_PER_MS
    moment = datetime.fromtimestamp(moment_ns / NS_PER_S, UTC)
    return f'"{moment.isoformat(timespec="milliseconds")}"'


def _content(what: object) -> str:
    """As JSON, to some length."""
    text = json.dumps(what, ensure_ascii=False, default=str)  # orjson knows no long integers
    return text if len(text) <= MOST_CONTENT_CHARS else text[:MOST_CONTENT_CHARS] + CUT


def _fit(found: Mapping[str, Any]) -> Attributes:
    """What there is of it, in texts that can be sent: halves of surrogate pairs can't."""
    return {
        name: _sendable(each) if isinstance(each, str) else each
        for name, each in found.items()
        if each is not None
    }


def _sendable(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
