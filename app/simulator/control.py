r"""`/_sim/`: what a test tells the simulator, and what it asks of it.

GET    /_sim/help      this text
GET    /_sim/health    {"status": "ok", "now": ...}
GET    /_sim/log       every request with its answer's status, usage and bill, oldest first;
                       ?after=ID&limit=N; raw=1 adds `raw_body`, the body's own text;
                       summary=1 gives the totals alone
POST   /_sim/reset     forget the log, caches, scripts and clock; DELETE /_sim/log does the same
POST   /_sim/clock     {"advance_s": 300} or {"now": "2026-11-29T12:00:00Z"}; models retire by it
POST   /_sim/pace      {"latency_s": 0.2, "delta_interval_s": 0.01}, for every answer
POST   /_sim/openrouter {"ready_after_s": 10, "cost_in_streams": false}: when /generation knows an
                       answer, and whether a stream tells its cost; GET: what it billed by id
POST   /_sim/faults    {"faults": [FAULT, ...], "repeat": false, "match": MATCH}
POST   /_sim/replies   {"replies": [REPLY, ...], "repeat": false, "match": MATCH}
DELETE /_sim/faults, /_sim/replies: forget those that wait

One request takes one fault and one reply, in the order in which they came; `repeat` begins again
at the first.  MATCH is {"model": "claude-...", "contains": "text in the body"}, both optional.

FAULT: {"kind": ..., and what it looks at}.  "billed" says whether the answer is billed all the
same (kinds marked * cost nothing unless it is true).
  Before any answer
    status *             status (429), retry_after, body, headers
    overloaded *, error500 *
    html_error *         status (502), body, headers: an error page that is no JSON
    echo_key *           status (401): an error whose message has the caller's key in it
    error_in_200 *       error_type, body, headers: status 200, but the body is an error
    error_first *        error_type, comments, pings, pieces, line_end, delta_interval_s: a stream
                         of comments and pings, then an error event; whole: that error's status
    reset *              the connection is reset before any byte
    reset_kept_alive *   the same, but only on a connection that has served a request before;
                         until there is one, the fault waits
    hang *               nothing is ever said
  Instead of the end
    drop_after_generation   the answer is made, and the connection closed before any byte
    truncated_body          half a body and a hang-up; a stream just ends after `after_deltas`
    reset_mid_stream, hang_mid_stream, sse_error, garbage: after `after_deltas` deltas
    cut_in_event            half an event, then `then`: end, close, reset or hang
    endless_pings           after `after_deltas` deltas only pings, until the caller leaves
  A whole answer, but odd
    ok, slow        first_byte_s, delta_interval_s, pieces (a body or each event goes out in that
                    many parts), line_end ("\n", "\r\n", "\r"), headers: for other kinds too
    second_start    after `after_deltas` deltas message_start comes again, with lesser figures
    falling_counts  a second message_delta with lesser figures
    early_delta     message_delta comes first after `after_deltas` deltas, and the text goes on
    unsplit_writes  message_start is silent about the cache; message_delta gives writes unsplit
    after_stop      after message_stop `then`: close, reset, hang, pings, error, garbage or done
                    ([DONE]); no_blank_line: message_stop lacks its last line feed; no_stop: it
                    does not come

REPLY: {"content": [...], "usage": {...}, "stop_reason", "stop_sequence", "stop_details", "model",
"status", "headers"}: what is left out is made up as usual.  "declines": ["cyber", ...] says in
which category the model declines before any output, then the models of the request's `fallbacks`,
one after the other; "advises": N how often the advisor tool is asked.  "body", "sse" (text) or
"sse_chunks" (base64) are sent to the byte, and billed by the "usage" beside them.
  Billed as the vendor bills: `usage.iterations`, where it is there, entry by entry at each model's
rates; a refusal without output only in the categories that cost; writes without a split
("cache_creation": null) for an hour where the request asked for one.
"""

from __future__ import annotations

from datetime import datetime

import orjson
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from app.simulator.errors import invalid
from app.simulator.json_values import JsonObject
from app.simulator.state import Simulator


def control_routes() -> list[Route]:
    return [
        Route("/_sim/help", _help, methods=["GET"]),
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
        Route("/_sim/openrouter", _set_openrouter, methods=["POST"]),
        Route("/_sim/openrouter", _openrouter_bill, methods=["GET"]),
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


async def _help(_: Request) -> Response:
    return PlainTextResponse(__doc__)


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


async def _set_openrouter(request: Request) -> Response:
    generations, order = _simulator(request).generations, await _order(request)
    after_s = order.get("ready_after_s", generations.ready_after_s)
    if isinstance(after_s, bool) or not isinstance(after_s, int | float) or after_s < 0:
        raise invalid("ready_after_s: seconds, at least 0")
    generations.ready_after_s = float(after_s)
    generations.cost_in_streams = bool(order.get("cost_in_streams", generations.cost_in_streams))
    return _answer({"ready_after_s": after_s, "cost_in_streams": generations.cost_in_streams})


async def _openrouter_bill(request: Request) -> Response:
    """What each answer was billed, in nano-USD, and the ids that /generation was asked for."""
    generations = _simulator(request).generations
    billed = {
        found.id: {"cost": found.cost, "cache_discount": found.cache_discount}
        for found in generations.found.values()
    }
    return _answer({"generations": billed, "asked": generations.asked})


async def _set_pace(request: Request) -> Response:
    simulator, order = _simulator(request), await _order(request)
    for name in ("latency_s", "delta_interval_s"):
        value = order.get(name, getattr(simulator, name))
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise invalid(f"{name}: seconds, at least 0")
        setattr(simulator, name, float(value))
    return _answer({name: getattr(simulator, name) for name in ("latency_s", "delta_interval_s")})
