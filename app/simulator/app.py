"""The simulator as an ASGI application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.simulator.call import Call, asked, check_key, check_version, open_call, read_call
from app.simulator.call import api_key as key_of
from app.simulator.catalogue import list_models, show_model
from app.simulator.control import control_routes
from app.simulator.delivery import deliver, fail_early
from app.simulator.errors import ApiError, error_body, error_type
from app.simulator.openrouter.face import in_its_words, openrouter_routes, read_message
from app.simulator.outcome import decide
from app.simulator.prompt import read_prompt
from app.simulator.state import Simulator
from app.simulator.validation import check
from app.simulator.wire import Wire


def create_simulator(
    *,
    latency_s: float = 0.0,
    delta_interval_s: float = 0.0,
    seed: bytes | None = None,
    announced: bool = False,
) -> Starlette:
    """A simulated vendor of its own; `seed` makes even the identifiers repeatable.

    `announced`: whatever it says in words begins by saying that it is simulated.
    """
    simulator = Simulator(
        latency_s=latency_s, delta_interval_s=delta_interval_s, announced=announced
    )
    if seed is not None:
        simulator.seed = seed
    app = Starlette(
        routes=[
            Route("/v1/messages", _Endpoint(_messages), methods=["POST"]),
            Route("/v1/messages/count_tokens", _Endpoint(_count_tokens), methods=["POST"]),
            Route("/v1/models", _Endpoint(_models), methods=["GET"]),
            Route("/v1/models/{model_id}", _Endpoint(_models), methods=["GET"]),
            Route("/api/v1/messages", _Endpoint(_openrouter), methods=["POST"]),
            *openrouter_routes(),
            *control_routes(),
        ],
        exception_handlers={HTTPException: _no_such_route, ApiError: _control_error},
    )
    app.state.simulator = simulator
    return app


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """One of the vendor's routes: every request is logged, every refusal has its shape."""

    handle: Callable[[Call], Awaitable[None]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wire = Wire(scope, receive, send)
        call = open_call(scope["app"].state.simulator, wire)
        try:
            await self.handle(call)
        except ApiError as error:
            await call.refuse(error)
        finally:
            wire.done()


async def _messages(call: Call) -> None:
    await read_call(call)
    await _serve(call)


async def _openrouter(call: Call) -> None:
    await read_message(call)
    await _serve(call)


async def _serve(call: Call) -> None:
    fault = call.simulator.faults.take(
        call.entry.model,
        call.entry.raw_body,
        lambda fault: call.wire.kept_alive or fault.kind != "reset_kept_alive",
    )
    if fault is not None:
        call.entry.fault = fault.kind
        if await fail_early(call, fault):
            return
    outcome = decide(call)
    if call.generation_id is not None:
        in_its_words(call, outcome)
    await deliver(call, outcome, fault)


async def _count_tokens(call: Call) -> None:
    await read_call(call)
    request = asked(call, counting=True)
    check(request)
    prompt = read_prompt(call.body, request.model)
    await call.answer(200, {"input_tokens": prompt.total_tokens})


async def _models(call: Call) -> None:
    check_key(key_of(call.wire.headers))
    check_version(call.wire.headers)
    model_id = call.wire.scope["path_params"].get("model_id")
    now_s = call.simulator.clock.now_s()
    if model_id is not None:
        await call.answer(200, show_model(model_id, now_s))
        return
    query = Request(call.wire.scope).query_params
    await call.answer(200, list_models(query.get("limit"), query.get("after_id"), now_s))


def _no_such_route(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = {404: "Not found", 405: "Method Not Allowed"}.get(status, "Error")
    request_id = request.app.state.simulator.new_id("req_")
    return JSONResponse(
        error_body(error_type(status), message, request_id), status, {"request-id": request_id}
    )


def _control_error(_: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, ApiError) else 500
    return JSONResponse({"error": str(error)}, status)
