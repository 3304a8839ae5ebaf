"""`/_sim/`: what a test tells the simulator, and what it asks of it."""

from __future__ import annotations

from datetime import datetime

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.simulator.errors import invalid
from app.simulator.json_values import JsonObject
from app.simulator.state import Simulator


def control_routes() -> list[Route]:
    return [
        Route("/_sim/health", _health, methods=["GET"]),
        Route("/_sim/log", _read_log, methods=["GET"]),
        Route("/_sim/log", _reset, methods=["DELETE"]),
        Route("/_sim/reset", _reset, methods=["POST"]),
        Route("/_sim/faults", _add_faults, methods=["POST"]),
        Route("/_sim/faults", _clear_faults, methods=["DELETE"]),
        Route("/_sim/replies", _add_replies, methods=["POST"]),
        Route("/_sim/replies", _clear_replies, methods=["DELETE"]),
        Route("/_sim/clock", _set_clock, methods=["POST"]),
        Route("/_sim/pace", _set_pace, methods=["POST"]),
    ]


def _simulator(request: Request) -> Simulator:
    simulator = request.app.state.simulator
    if not isinstance(simulator, Simulator):
        raise TypeError("this application is not a simulator")
    return simulator


async def _order(request: Request) -> JsonObject:
    try:
        order = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise invalid(f"not JSON: {error}") from error
    if not isinstance(order, dict):
        raise invalid("an object is required")
    return order


def _answer(body: object) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")


async def _health(request: Request) -> Response:
    return _answer({"status": "ok", "now": _simulator(request).clock.now_iso()})


async def _read_log(request: Request) -> Response:
    journal, query = _simulator(request).journal, request.query_params
    if query.get("summary") == "1":
        return _answer(journal.summary())
    after, limit = query.get("after", "0"), query.get("limit")
    if not after.isdecimal() or (limit is not None and not limit.isdecimal()):
        raise invalid("after and limit are whole numbers")
    entries = journal.after(int(after), None if limit is None else int(limit))
    return _answer(
        {
            "entries": [entry.as_json(raw=query.get("raw") == "1") for entry in entries],
            "last_id": entries[-1].id if entries else int(after),
            "billed_nano_usd": journal.billed_nano_usd,
        }
    )


async def _reset(request: Request) -> Response:
    _simulator(request).reset()
    return _answer({"reset": True})


async def _add_faults(request: Request) -> Response:
    faults = _simulator(request).faults
    return _answer({"added": faults.add(await _order(request)), "waiting": faults.waiting})


async def _clear_faults(request: Request) -> Response:
    _simulator(request).faults.clear()
    return _answer({"waiting": 0})


async def _add_replies(request: Request) -> Response:
    replies = _simulator(request).replies
    return _answer({"added": replies.add(await _order(request)), "waiting": replies.waiting})


async def _clear_replies(request: Request) -> Response:
    _simulator(request).replies.clear()
    return _answer({"waiting": 0})


async def _set_clock(request: Request) -> Response:
    clock, order = _simulator(request).clock, await _order(request)
    if isinstance(order.get("advance_s"), int | float):
        clock.advance(order["advance_s"])
    elif isinstance(order.get("now"), str):
        try:
            clock.set(datetime.fromisoformat(order["now"]))
        except ValueError as error:
            raise invalid(f"now: not an ISO moment: {order['now']!r}") from error
    else:
        raise invalid('give "advance_s" or "now"')
    return _answer({"now": clock.now_iso()})


async def _set_pace(request: Request) -> Response:
    simulator, order = _simulator(request), await _order(request)
    for name in ("latency_s", "delta_interval_s"):
        value = order.get(name, getattr(simulator, name))
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise invalid(f"{name}: seconds, at least 0")
        setattr(simulator, name, float(value))
    return _answer({name: getattr(simulator, name) for name in ("latency_s", "delta_interval_s")})
