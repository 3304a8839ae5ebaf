"""OpenRouter's routes: its own `/messages`, and what it tells of models, keys and answers."""

from __future__ import annotations

from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.simulator.call import Call, check_key, read_json
from app.simulator.errors import ApiError, invalid
from app.simulator.facts import MODELS, OLD_VERSION, Model, Rates
from app.simulator.json_values import JsonObject, as_object
from app.simulator.lifetimes import offered
from app.simulator.openrouter.generations import costs
from app.simulator.openrouter.names import LISTED, dated, vendor_id
from app.simulator.outcome import Outcome
from app.simulator.settlement import amount_nano_usd
from app.simulator.state import Simulator

_OWN_FIELDS: Final = ("provider", "session_id", "trace", "user", "usage", "route", "transforms")
_UNSERVED: Final = ("models", "plugins")
_PROVIDERS: Final = frozenset({"anthropic", "amazon-bedrock", "google-vertex"})
_PICO_DIGITS: Final = 12
_PRICED: Final = (
    ("prompt", "input"),
    ("completion", "output"),
    ("input_cache_read", "read"),
    ("input_cache_write", "write_5m"),
    ("input_cache_write_1h", "write_1h"),
)


async def read_message(call: Call) -> None:
    """Authenticate, read, and put it into the words of the vendor behind.  Raises ApiError."""
    scheme, _, key = call.wire.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise ApiError(401, "No auth credentials found")
    check_key(key.strip())
    await read_json(call)
    call.generation_id = call.simulator.new_id("gen-")
    call.wire.headers |= {"anthropic-version": OLD_VERSION, "anthropic-beta": "all"}
    body = call.body
    _check_provider(body.get("provider"))
    if any(body.get(name) for name in _UNSERVED):
        raise invalid("models and plugins are not simulated")
    session = body.get("session_id")
    if session is not None and not (isinstance(session, str) and len(session) <= 256):
        raise invalid("session_id: a text of at most 256 characters")
    kept = {name: value for name, value in body.items() if name not in _OWN_FIELDS}
    call.body = kept | {"model": vendor_id(body.get("model"), call.simulator.clock.now_s())}


def _check_provider(provider: object) -> None:
    only = as_object(provider).get("only")
    if only is not None and not _PROVIDERS.intersection(only):
        raise ApiError(404, "No allowed providers are available for the selected model.")


def in_its_words(call: Call, outcome: Outcome) -> None:
    """What the reply says besides: who answered, under which name, and at what cost."""
    model, message = outcome.attempt.model, outcome.message
    message["provider"] = "Anthropic"
    if message["model"] == model.id:
        message["model"] = dated(model)
    if not call.entry.stream or call.simulator.generations.cost_in_streams:
        hour = outcome.attempt.hour_marks
        outcome.usage.update(costs(amount_nano_usd(model, message, unsplit_1h=hour)))


def openrouter_routes() -> list[Route]:
    """What is not asked with a body."""
    return [
        Route("/api/v1/generation", _generation, methods=["GET"]),
        Route("/api/v1/models", _models, methods=["GET"]),
        Route("/api/v1/key", _key, methods=["GET"]),
    ]


async def _generation(request: Request) -> Response:
    if (refusal := _unauthorized(request)) is not None:
        return refusal
    simulator: Simulator = request.app.state.simulator
    wanted = request.query_params.get("id", "")
    found = simulator.generations.ask(wanted, simulator.clock.now_s())
    if found is None:
        return _error(404, f"Generation {wanted} not found")
    return _answer({"data": found})


async def _models(request: Request) -> Response:
    served = {model.id for model in offered(request.app.state.simulator.clock.now_s())}
    listed = [_listed(n, MODELS[vendor]) for n, vendor in LISTED.items() if vendor in served]
    return _answer({"data": listed})


async def _key(request: Request) -> Response:
    if (refusal := _unauthorized(request)) is not None:
        return refusal
    spent = sum(g.cost for g in request.app.state.simulator.generations.found.values())
    told = {"label": "simulated", "limit": None, "limit_remaining": None, "usage": spent / 1e9}
    return _answer({"data": told | {"is_free_tier": False, "is_management_key": False}})


def _listed(name: str, model: Model) -> JsonObject:
    pricing: JsonObject = _prices(model.rates)
    if model.long_rates is not None:
        pricing["overrides"] = [{"min_prompt_tokens": 100_000, **_prices(model.long_rates)}]
    return {
        "id": name,
        "name": f"Anthropic: {model.display_name}",
        "context_length": model.context_tokens,
        "pricing": pricing,
    }


def _prices(rates: Rates) -> dict[str, str]:
    return {name: _usd(getattr(rates, field)) for name, field in _PRICED}


def _usd(pico: int) -> str:
    return f"0.{pico:0{_PICO_DIGITS}d}".rstrip("0")


def _unauthorized(request: Request) -> Response | None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key or key.startswith("invalid"):
        return _error(401, "No auth credentials found")
    return None


def _error(status: int, message: str) -> Response:
    return _answer({"error": {"code": status, "message": message}}, status)


def _answer(body: object, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
