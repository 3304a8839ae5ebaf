"""What `/admin` answers: each object told once; the API's description is generated from these."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from app.core.budgets import Window
from app.store.records.fields import BudgetFields, KeyFields

Usd = Annotated[
    str, Field(pattern=r"^-?[0-9]+\.[0-9]{2,9}$", description="USD, an exact decimal text.")
]
Moment = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Tally = Annotated[int, Field(ge=0)]
Dialect = Literal["openai_chat", "openai_responses", "anthropic_messages"]
State = Literal["reserved", "settled", "released", "orphaned"]
ALWAYS_THERE = ConfigDict(
    extra="forbid", frozen=True, json_schema_serialization_defaults_required=True
)


class Answer(BaseModel):
    """An object that has all of its fields, and no other."""

    model_config = ALWAYS_THERE


class Spent(BaseModel):
    """How a budget stands in its current window."""

    budget_window: Window
    window_started_at: Moment | None
    resets_at: Moment | None
    spent_usd: Usd
    reserved_usd: Usd
    remaining_usd: Annotated[Usd | None, Field(description="null: no limit.")]
    lifetime_spent_usd: Usd


class ModelSpend(Answer):
    spent_usd: Usd
    reserved_usd: Usd
    remaining_usd: Usd


class Key(Spent, KeyFields):
    """A virtual key; `prefix` is how its secret begins."""

    model_config = ALWAYS_THERE

    id: str
    name: str
    prefix: str
    created_at: Moment
    revoked_at: Moment | None
    last_used_at: Moment | None
    model_spend: dict[str, ModelSpend]


class KeyWithSecret(Key):
    key: Annotated[str, Field(description="The secret, shown once.")]


class KeyList(Answer):
    data: list[Key]
    next_cursor: str | None


class Team(Spent, BudgetFields):
    """A budget over several keys."""

    model_config = ALWAYS_THERE

    id: str
    name: str
    created_at: Moment


class TeamList(Answer):
    data: list[Team]
    next_cursor: str | None


class Tokens(BaseModel):
    """What was counted; a prompt is the sum of the first four."""

    input_tokens: Tally
    cache_write_5m_tokens: Tally
    cache_write_1h_tokens: Tally
    cache_read_tokens: Tally
    output_tokens: Tally
    reasoning_tokens: Tally
    web_search_requests: Tally


class CostDetails(BaseModel):
    """The parts of a cost; `other` is there where a bound stayed charged or it was corrected."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: Usd
    cache_write_5m: Usd
    cache_write_1h: Usd
    cache_read: Usd
    output: Usd
    server_tools: Usd
    other: Usd = Field(default_factory=str)


class Request(Tokens):
    """A call that was held: a row of the ledger."""

    model_config = ALWAYS_THERE

    id: str
    key_id: str
    created_at: Moment
    state: State
    dialect: Dialect
    requested_model: str
    model: str
    route_reason: str
    upstream: str
    upstream_request_id: str | None
    upstream_message_id: str | None
    attempts: Tally
    cost_usd: Usd
    cost_details: CostDetails
    cost_source: Literal["computed", "billed", "estimated", "corrected"] | None
    cache_savings_usd: Usd
    routing_savings_usd: Usd
    cache_discount_usd: Usd | None
    cache_miss_reason: str | None
    cache_miss_usd: Usd | None
    reserved_usd: Usd
    status: Tally | None
    error_code: str | None
    latency_ms: Tally | None
    ttft_ms: Tally | None
    stream: bool
    end_user: str | None
    conversation: str | None
    tags: list[str]


class Outcome(Answer):
    """What was last said of how a call ended."""

    ok: bool
    note: str | None
    noted_at: Moment


class RequestDetails(Request):
    """The row with all it takes to recompute its cost."""

    attempt_details: list[dict[str, Any]] | None
    rates: dict[str, Any] | None
    routing: dict[str, Any] | None
    cache_plan: dict[str, Any] | None
    outcome: Outcome | None


class RequestList(Answer):
    data: list[Request]
    next_cursor: str | None


class Shortfall(Answer):
    """How the limit stood that a call did not fit into."""

    scope: str
    limit_usd: Usd
    spent_usd: Usd
    held_usd: Usd
    running_calls: Tally
    remaining_usd: Usd
    needed_usd: Usd
    resets_at: Moment | None
    max_tokens_that_fit: Tally | None


class Refusal(Answer):
    """A call that was refused before its hold: nothing was sent, and the ledger has no row."""

    id: str
    state: Literal["refused"]
    created_at: Moment
    key_id: Annotated[str | None, Field(description="null: no key that is known.")]
    dialect: Dialect | None
    model: Annotated[str | None, Field(description="As its caller named it; null: not read.")]
    status: Tally
    code: str
    message: str
    budget: Shortfall | None
    count: Annotated[
        int,
        Field(ge=1, description="Above 1: so many calls of one second, after the first twenty."),
    ]


class RefusedRequest(Refusal):
    """The same, where a call is asked for."""

    error_code: str
    cost_usd: Usd


class RefusalList(Answer):
    data: list[Refusal]
    next_cursor: str | None


class Price(Answer):
    model: str
    category: str
    tier: str
    usd_per_token: str
    source: str
    effective_from: date
    origin: Literal["config", "price_book"]


class PriceList(Answer):
    data: list[Price]
    next_cursor: str | None


class AuditEntry(Answer):
    id: Tally
    at: Moment
    actor: str
    action: str
    target: str
    details: dict[str, Any]


class AuditEntryList(Answer):
    data: list[AuditEntry]
    next_cursor: str | None


class Difference(Answer):
    kind: str
    id: str
    field: str
    counted: str
    ledger: str


class Reconciliation(Answer):
    consistent: bool
    requests: Tally
    differences: list[Difference]
