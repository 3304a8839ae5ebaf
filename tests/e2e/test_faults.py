"""Every fault of an upstream x whole and streamed x both lanes x without and with a fallback.

What the caller is told, which attempts are made, what the row says and costs, and that no
connection to the upstream stays open. The faulty model costs 1,000 nano-USD a token of input and
5,000 of output, the fallback twice as much; the prompt counts 12 tokens, an answer has 3 and may
have 50, which is less than what is charged for a silence of any length.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx2
import orjson
import pytest

from tests.e2e.fault_server import (
    BEGUN,
    CLOSE,
    CLOSES,
    HEALTHY,
    OPENS,
    PING,
    REPLY,
    STOP,
    TEXT,
    Upstream,
    event,
    raw,
    repeated,
    sent,
    served_upstreams,
)
from tests.running import Gateway, free_port, gateway
from tests.upstream.anthropic.wire_server import MESSAGE, Answer, failure, hang, reset, whole

PATHS = ("/v1/chat/completions", "/v1/messages")
NATIVE = "/v1/messages"
LOST, EXACT, FALLBACK = 262_000, 27_000, 54_000  # 12 in and 50 out; 12 and 3; the same at twice


@dataclass(frozen=True)
class Told:
    """What a fault comes to without a fallback; `moves` says whether one would be asked.

    `native` is the status in Anthropic's own lane where it is another one; `begun` says that the
    answer's own status was 200, as the stream had begun.
    """

    status: int
    code: str | None
    cost: int = 0
    basis: str = "refused"
    moves: bool = True
    native: int | None = None
    begun: bool = False

    def status_at(self, path: str) -> int:
        return self.native if path == NATIVE and self.native is not None else self.status


def final(status: int, code: str) -> Told:
    """The caller's own mistake: nobody else is asked."""
    return Told(status, code, moves=False)


AUTH = Told(502, "upstream_auth_error")
OURS = Told(502, "upstream_error", native=400)
FAILED = Told(502, "upstream_error")
BUSY = Told(503, "upstream_overloaded", native=529)
SLOW = Told(429, "upstream_rate_limited")
BROKEN = Told(502, "upstream_error", LOST, "elapsed")
SILENT = Told(504, "upstream_timeout", LOST, "elapsed")
CUT = Told(502, "upstream_error", LOST, "cut", moves=False, begun=True)
STALLED = replace(CUT, status=504, code="upstream_timeout")
CUT_BUSY = replace(CUT, status=503, code="upstream_overloaded", native=529)
DONE = Told(200, None, EXACT, "usage", moves=False, begun=True)


def said(status: int, message: str = "no", **headers: str) -> Answer:
    return failure(status, message, {**CLOSE, **headers})


def body(data: object, **headers: str) -> Answer:
    return whole(data, headers={**CLOSE, **headers})


def error(kind: str, message: str = "no") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


PAGE = b'<html><script>{"error":{}}</script></html>'
HTML = {"Content-Type": "text/html"}
OVERLOADED = event("error", error={"type": "overloaded_error", "message": "Busy"})
INVALID = event("error", error={"type": "invalid_request_error", "message": "no"})
NO_CREDIT = "Your credit balance is too low to access the API."
AT_LIMIT = "You have reached your specified API usage limits. You will regain access on 2026-12-01."
SPENT = "This request would exceed your organization's spend limit."
HALF = whole(headers=CLOSE)
CUT_BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\nConnection: close\r\n\r\n{"
STARTED = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\nConnection: close\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
UNCOUNTED = {k: v for k, v in MESSAGE.items() if k != "usage"}
START_UNCOUNTED = event("message_start", message={**UNCOUNTED, "content": []})

# fault: the answer and what it comes to, for a whole call and a streamed one
BOTH: dict[str, tuple[Answer, Told]] = {
    "400": (said(400), final(400, "invalid_request")),
    "401": (said(401), AUTH),
    "402": (said(402), replace(OURS, native=402)),
    "403": (said(403), AUTH),
    "404": (said(404), final(404, "model_not_found")),
    "408": (said(408), Told(408, "upstream_refused")),
    "409": (said(409), Told(409, "upstream_refused")),
    "413": (said(413), final(413, "request_too_large")),
    "422": (said(422), final(422, "upstream_refused")),
    "429": (said(429), SLOW),
    "500": (said(500), replace(FAILED, native=500)),
    "502": (said(502), FAILED),
    "503": (said(503), replace(FAILED, native=503)),
    "504": (said(504), Told(504, "upstream_timeout")),
    "529": (said(529), BUSY),
    "599": (said(599), replace(FAILED, native=599)),
    "302": (said(302), final(502, "upstream_error")),
    "no credit": (said(400, NO_CREDIT), OURS),
    "a usage limit": (said(400, AT_LIMIT), OURS),
    "a spend limit": (said(400, SPENT), OURS),
    "a page of HTML": (whole(PAGE, 502, {**CLOSE, **HTML}), FAILED),
    "an error that is not ours to try again": (said(529, **{"x-should-retry": "false"}), BUSY),
    "retry-after in 5,000 digits": (said(429, **{"retry-after": "9" * 5_000}), SLOW),
    "retry-after before now": (said(429, **{"retry-after": "-5"}), SLOW),
    "retry-after at the end of time": (
        said(429, **{"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}),
        SLOW,
    ),
    "an error of 200": (body(error("overloaded_error")), BUSY),
    "a refusal of 200": (body(error("invalid_request_error")), final(400, "invalid_request")),
    "a page of 200": (body(PAGE, **HTML), BROKEN),
    "nothing in 200": (body(b""), BROKEN),
    "a reset": (reset, BROKEN),
    "silence": (hang, SILENT),
    "a hang-up": (raw(b""), BROKEN),
    "no HTTP": (raw(b"SSH-2.0-OpenSSH_9.9\r\n"), BROKEN),
    "half a head": (raw(b"HTTP/1.1 200 OK\r\nContent-"), BROKEN),
    "half a head and silence": (raw(b"HTTP/1.1 200 OK\r\nContent-", "hang"), SILENT),
    "a head without an end": (raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000), BROKEN),
    "a body cut short": (raw(CUT_BODY), BROKEN),
    "a body that stops": (raw(CUT_BODY, "hang"), SILENT),
    "no body": (raw(STARTED, "hang"), SILENT),
    "a body that is reset": (raw(CUT_BODY, "reset"), BROKEN),
    "a chunk of no size": (raw(CHUNKED + b"zz\r\n"), BROKEN),
    "a body that is not packed as it says": (
        body(b"plain", **{"Content-Encoding": "gzip"}),
        BROKEN,
    ),
}
WHOLE: dict[str, tuple[Answer, Told]] = {
    "no usage": (body(UNCOUNTED), BROKEN),
    "usage that is no number": (body({**MESSAGE, "usage": {"input_tokens": "12"}}), BROKEN),
    "half a document": (body(orjson.dumps(MESSAGE)[:-20]), BROKEN),
    "a list": (body([MESSAGE]), BROKEN),
    "another content type": (body(MESSAGE, **HTML), replace(DONE, begun=False)),
}
STREAMED: dict[str, tuple[Answer, Told]] = {
    "an error first": (sent(OVERLOADED), BUSY),
    "an error first, in pieces": (sent(OVERLOADED[:30], OVERLOADED[30:], pause_s=0.02), BUSY),
    "an error after pings": (sent(b": hi\n\n" + PING, PING, OVERLOADED, pause_s=0.02), BUSY),
    "a refusal first": (sent(INVALID), final(400, "invalid_request")),
    "pings and silence": (sent(PING, then="hang"), SILENT),
    "pings for ever": (repeated(b"", PING, 0.05), SILENT),
    "pings and an end": (sent(PING), BROKEN),
    "no event": (sent(b"Hello there\n\n"), BROKEN),
    "an event that can't be read": (sent(b"data: {\n\n"), BROKEN),
    "an error after text": (sent(BEGUN + OVERLOADED), CUT_BUSY),
    "an end after text": (sent(BEGUN), CUT),
    "a reset after text": (sent(BEGUN, then="reset"), CUT),
    "silence after text": (sent(BEGUN, then="hang"), STALLED),
    "an end inside an event": (sent(BEGUN + TEXT[:40]), CUT),
    "what can't be read after text": (sent(BEGUN + b"data: {\n\n", then="hang"), CUT),
    "an end after the count": (sent(REPLY.removesuffix(STOP)), CUT),
    "a count and pings for ever": (repeated(REPLY.removesuffix(STOP), PING, 0.05), STALLED),
    "a start without usage": (sent(START_UNCOUNTED + OPENS + TEXT + CLOSES + STOP), BROKEN),
    "a silence at the end": (sent(REPLY, then="hang"), DONE),
    "a reset at the end": (sent(REPLY, then="reset"), DONE),
    "an error at the end": (sent(REPLY + OVERLOADED), DONE),
    "another content type": (sent(REPLY), DONE),
}  # fmt: skip
NAMES = [*BOTH, *WHOLE, *(name for name in STREAMED if name not in WHOLE)]
PRICES = "{input: 1e-6, output: 5e-6, cache_write_5m: 1e-6, cache_write_1h: 1e-6, cache_read: 1e-6}"
TWICE = "{input: 2e-6, output: 1e-5, cache_write_5m: 2e-6, cache_write_1h: 2e-6, cache_read: 2e-6}"
SHORT = ", ".join(f"{what}_timeout_s: 0.5" for what in ("first_byte", "idle", "total"))


def test_there_are_faults_enough() -> None:
    assert len(NAMES) >= 40


@dataclass
class World:
    faulty: Upstream
    spare: Upstream
    gateway: Gateway
    secret: str


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One gateway for all.  Each fault has a model of its own, whose breaker stays closed."""
    faulty, spare = Upstream(*HEALTHY), Upstream(*HEALTHY)
    folder = tmp_path_factory.mktemp("faults")
    with (
        served_upstreams(faulty, spare),
        gateway(folder, faulty.url, config=config(faulty.url, spare.url)) as running,
    ):
        yield World(faulty, spare, running, running.key())


def config(faulty: str, spare: str) -> str:
    places = {"first": faulty, "second": spare, "nobody": f"http://127.0.0.1:{free_port()}"}
    models = [f"{kind}-{n}" for n in range(len(NAMES) + 1) for kind in ("with", "alone")]
    return "\n".join(
        (
            "upstreams:",
            *(f"  {n}: {{kind: anthropic, api_key: k, base_url: '{places[n]}', {SHORT}}}"
              for n in places),
            "models:",
            *(f"  {model}: {{upstream: first, cost_per_token: {PRICES}}}" for model in models),
            f"  unreached: {{upstream: [nobody, first], cost_per_token: {PRICES}}}",
            f"  spare: {{upstream: second, cost_per_token: {TWICE}}}",
            "tiers: {}",
            "retries: {max_attempts: 1}",
            "fallbacks:",
            *(f"  {model}: [spare]" for model in models if model.startswith("with")),
        )
    )  # fmt: skip


CASES = list(itertools.product((False, True), PATHS, (False, True)))  # streamed, lane, fallback


@pytest.mark.parametrize("name", NAMES)
async def test_a_fault_comes_to_what_the_table_says(world: World, name: str) -> None:
    for_whole = BOTH.get(name) or WHOLE.get(name)
    for_streamed = BOTH.get(name) or STREAMED.get(name)
    world.faulty.whole = for_whole[0] if for_whole else HEALTHY[0]
    world.faulty.streamed = for_streamed[0] if for_streamed else HEALTHY[1]
    number = NAMES.index(name)
    expected, found = [], []
    async with httpx2.AsyncClient(timeout=30) as http, asyncio.TaskGroup() as group:
        cases = []
        for streamed, path, fallback in CASES:
            told = for_streamed if streamed else for_whole
            if told is not None:
                model = f"{'with' if fallback else 'alone'}-{number}"
                sending = group.create_task(call(http, world, path, model, streamed=streamed))
                cases.append((told[1], streamed, path, fallback, sending))
    for told_of, streamed, path, fallback, sending in cases:
        answer = sending.result()
        row = world.gateway.row(answer.headers["x-request-id"])
        place = ("streamed" if streamed else "whole", path, "fallback" if fallback else "alone")
        found.append((place, seen(answer, row)))
        expected.append((place, meant(told_of, path, streamed=streamed, fallback=fallback)))
    assert found == expected
    assert wait_until_closed(world) == (0, 0)


async def call(
    http: httpx2.AsyncClient, world: World, path: str, model: str, *, streamed: bool
) -> httpx2.Response:
    hello = {"role": "user", "content": "Hello"}
    asked = {"model": model, "max_tokens": 50, "messages": [hello], "stream": streamed}
    headers = {"authorization": f"Bearer {world.secret}"}
    return await http.post(f"{world.gateway.url}{path}", json=asked, headers=headers)


def seen(answer: httpx2.Response, row: dict[str, Any]) -> tuple[Any, ...]:
    """Statuses, code, state and cost, then each attempt's model, cost and what that rests on."""
    attempts = row["attempt_details"]
    return (
        (answer.status_code, b'"error":{' in answer.content),
        (row["status"], row["error_code"], row["state"], row["model"].partition("-")[0]),
        (nano(row["cost_usd"]), row["cost_source"]),
        [(a["model"].partition("-")[0], nano(a["cost_usd"]), a["basis"]) for a in attempts],
    )


def meant(told: Told, path: str, *, streamed: bool, fallback: bool) -> tuple[Any, ...]:
    """The same by the table."""
    kind = "with" if fallback else "alone"
    first = (kind, told.cost, told.basis)
    if fallback and told.moves:
        cost = (told.cost + FALLBACK, "estimated" if told.cost else "computed")
        answered = ("spare", FALLBACK, "usage")
        return (200, False), (200, None, "settled", "spare"), cost, [first, answered]
    status = told.status_at(path)
    shown = 200 if told.begun and streamed else status
    source = None if not told.cost else "computed" if told.basis == "usage" else "estimated"
    state = "settled" if told.cost else "released"
    failed = told.code is not None
    return (shown, failed), (status, told.code, state, kind), (told.cost, source), [first]


def nano(usd: str) -> int:
    whole_part, _, fraction = usd.partition(".")
    return int(whole_part) * 10**9 + int(fraction.ljust(9, "0"))


def wait_until_closed(world: World) -> tuple[int, int]:
    ends_s = time.monotonic() + 5
    while (world.faulty.open or world.spare.open) and time.monotonic() < ends_s:
        time.sleep(0.01)
    return world.faulty.open, world.spare.open


async def test_an_upstream_that_nobody_reaches_costs_nothing_and_the_next_is_asked(
    world: World,
) -> None:
    world.faulty.whole, world.faulty.streamed = HEALTHY
    async with httpx2.AsyncClient(timeout=30) as http:
        for (path, streamed), number in zip(
            itertools.product(PATHS, (False, True)), range(4), strict=True
        ):
            answer = await call(http, world, path, "unreached", streamed=streamed)
            row = world.gateway.row(answer.headers["x-request-id"])
            attempts = row["attempt_details"]
            assert [(a["upstream"], a["cost_usd"], a["basis"]) for a in attempts] == [
                ("nobody", "0.00", "never_sent"),
                ("first", "0.000027", "usage"),
            ], number
            assert (row["upstream"], row["cost_source"]) == ("first", "computed")
