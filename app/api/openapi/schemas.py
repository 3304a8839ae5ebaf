"""JSON schemas of what the admin and operations routes take and give, and of every error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from app.core.budgets import WINDOWS
from app.core.money import MOST_USD
from app.store.database.tables import COST_CATEGORIES, TOKEN_COLUMNS

Schema: TypeAlias = dict[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
MAYBE_TEXT: Schema = {"type": ["string", "null"]}
MAYBE_COUNT: Schema = {"type": ["integer", "null"], "minimum": 0}
MOMENT: Schema = {"type": "string", "format": "date-time"}
MAYBE_MOMENT: Schema = {"type": ["string", "null"], "format": "date-time"}
ANY_OBJECT: Schema = {"type": "object"}
USD: Schema = {
    "type": "string",
    "pattern": r"^-?[0-9]+\.[0-9]{2,9}$",
    "description": "USD, an exact decimal text.",
}
MAYBE_USD: Schema = {**USD, "type": ["string", "null"]}
ASKED_USD: Schema = {
    "type": "string",
    "pattern": r"^[0-9]{1,9}(\.[0-9]{1,9})?$",
    "description": f"USD, a plain decimal text, at most {MOST_USD}.",
}
SPENT_BY = ("key", "model", "team", "day", "user", "tag")
STATES = ("reserved", "settled", "released", "orphaned")


def named(name: str) -> Schema:
    """A reference to one of the document's schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def mapping(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": values}


def maybe(schema: Schema) -> Schema:
    """The schema, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def words(*allowed: str) -> Schema:
    return {"type": "string", "enum": list(allowed)}


def record(needed: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """An object that has all of `needed`, perhaps some of `optional`, and nothing else."""
    return {**open_record(needed, optional), "additionalProperties": False}


def open_record(
    needed: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None
) -> Schema:
    """The same with room for fields that are not named here."""
    return {
        "type": "object",
        "properties": {**needed, **(optional or {})},
        "required": list(needed),
    }


def listed(name: str) -> Schema:
    """A page of a list, newest first."""
    return record({"data": array(named(name)), "next_cursor": MAYBE_TEXT})


_BUDGET: Mapping[str, Schema] = {
    "max_budget_usd": MAYBE_USD,
    "budget_window": words(*WINDOWS),
    "window_started_at": MAYBE_MOMENT,
    "resets_at": MAYBE_MOMENT,
    "spent_usd": USD,
    "reserved_usd": USD,
    "remaining_usd": {**MAYBE_USD, "description": "null: no limit."},
    "lifetime_spent_usd": USD,
}
_KEY: Mapping[str, Schema] = {
    "id": TEXT,
    "name": TEXT,
    "prefix": TEXT,
    "created_at": MOMENT,
    "expires_at": MAYBE_MOMENT,
    "revoked_at": MAYBE_MOMENT,
    "team": MAYBE_TEXT,
    "models": maybe(array(TEXT)),
    "rpm": MAYBE_COUNT,
    "tpm": MAYBE_COUNT,
    "max_parallel": MAYBE_COUNT,
    **_BUDGET,
    "model_budgets": mapping(USD),
    "model_spend": mapping(
        record({"spent_usd": USD, "reserved_usd": USD, "remaining_usd": USD}),
    ),
    "metadata": mapping(TEXT),
}
_LIMIT: Schema = {"type": ["integer", "null"], "minimum": 1, "maximum": 10**12}
_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": r"\S"}
_ASKED_BUDGET: Mapping[str, Schema] = {
    "max_budget_usd": maybe(ASKED_USD),
    "budget_window": {"enum": [*WINDOWS, None]},
}
_ASKED_KEY: Mapping[str, Schema] = {
    **_ASKED_BUDGET,
    "models": maybe({**array(TEXT), "minItems": 1, "maxItems": 500}),
    "model_budgets": maybe(mapping(maybe(ASKED_USD))),
    "rpm": _LIMIT,
    "tpm": _LIMIT,
    "max_parallel": _LIMIT,
    "expires_at": {**MAYBE_TEXT, "description": "A date or an ISO 8601 time."},
    "team": {**MAYBE_TEXT, "description": "A team's id or name."},
    "metadata": maybe(mapping(TEXT)),
}
_TOKENS: Mapping[str, Schema] = dict.fromkeys(TOKEN_COLUMNS, COUNT)
COST_DETAILS: Mapping[str, Schema] = dict.fromkeys(COST_CATEGORIES, USD)
_ATTEMPT = record(
    {
        "upstream": TEXT,
        "status": MAYBE_COUNT,
        "error": MAYBE_TEXT,
        "latency_ms": COUNT,
        "request_id": MAYBE_TEXT,
        "charged": FLAG,
    }
)
_REQUEST: Mapping[str, Schema] = {
    "id": TEXT,
    "key_id": TEXT,
    "created_at": MOMENT,
    "state": words(*STATES),
    "dialect": words("openai_chat", "openai_responses", "anthropic_messages"),
    "requested_model": TEXT,
    "model": TEXT,
    "route_reason": TEXT,
    "upstream": TEXT,
    "upstream_request_id": MAYBE_TEXT,
    "upstream_message_id": MAYBE_TEXT,
    "attempts": COUNT,
    **_TOKENS,
    "cost_usd": USD,
    "cost_details": record(COST_DETAILS, {"other": USD}),
    "cost_source": {"enum": ["computed", "billed", "estimated", "corrected", None]},
    "cache_savings_usd": USD,
    "routing_savings_usd": USD,
    "cache_discount_usd": MAYBE_USD,
    "reserved_usd": USD,
    "status": MAYBE_COUNT,
    "error_code": MAYBE_TEXT,
    "latency_ms": MAYBE_COUNT,
    "ttft_ms": MAYBE_COUNT,
    "stream": FLAG,
    "end_user": MAYBE_TEXT,
    "tags": array(TEXT),
}
_SPEND = record(
    {
        "requests": COUNT,
        "cost_usd": USD,
        "cache_savings_usd": USD,
        "routing_savings_usd": USD,
        **_TOKENS,
    },
    {**dict.fromkeys(SPENT_BY, MAYBE_TEXT), "key_name": MAYBE_TEXT, "team_name": MAYBE_TEXT},
)

ADMIN_SCHEMAS: Mapping[str, Schema] = {
    "Key": record(_KEY),
    "KeyWithSecret": record({**_KEY, "key": {**TEXT, "description": "The secret, shown once."}}),
    "NewKey": record({"name": _NAME}, _ASKED_KEY),
    "KeyChange": record({}, {"name": _NAME, **_ASKED_KEY}),
    "Rotation": record({}, {"overlap_s": {**COUNT, "maximum": 30 * 86_400}}),
    "Team": record({"id": TEXT, "name": TEXT, "created_at": MOMENT, **_BUDGET}),
    "NewTeam": record({"name": _NAME}, _ASKED_BUDGET),
    "TeamChange": record({}, {"name": _NAME, **_ASKED_BUDGET}),
    "Request": record(_REQUEST),
    "RequestDetails": record(
        {
            **_REQUEST,
            "attempt_details": maybe(array(_ATTEMPT)),
            "rates": maybe(ANY_OBJECT),
            "routing": maybe(ANY_OBJECT),
            "cache_plan": maybe(ANY_OBJECT),
        }
    ),
    "Correction": open_record({"cost_usd": ASKED_USD}),
    "SpendReport": record({"data": array(_SPEND), "total_cost_usd": USD}),
    "Price": record(
        {
            "model": TEXT,
            "category": TEXT,
            "tier": TEXT,
            "usd_per_token": TEXT,
            "source": TEXT,
            "effective_from": {"type": "string", "format": "date"},
            "origin": words("config", "price_book"),
        }
    ),
    "AuditEntry": record(
        {
            "id": COUNT,
            "at": MOMENT,
            "actor": TEXT,
            "action": TEXT,
            "target": TEXT,
            "details": ANY_OBJECT,
        }
    ),
    "Reconciliation": record(
        {
            "consistent": FLAG,
            "requests": COUNT,
            "differences": array(
                record(dict.fromkeys(("kind", "id", "field", "counted", "ledger"), TEXT))
            ),
        }
    ),
    **{f"{name}List": listed(name) for name in ("Key", "Team", "Request", "Price", "AuditEntry")},
    "Alive": record({"status": {"const": "alive"}}),
    "Ready": record({"status": {"const": "ready"}, "config_refused": MAYBE_TEXT}),
    "NotReady": record({"status": {"const": "ledger_unavailable"}, "message": TEXT}),
}

BUDGET_SHORTFALL = record(
    {
        "scope": words("key", "key_model", "team", "global"),
        "limit_usd": USD,
        "remaining_usd": USD,
        "needed_usd": USD,
        "resets_at": MAYBE_MOMENT,
        "max_tokens_that_fit": MAYBE_COUNT,
    }
)
