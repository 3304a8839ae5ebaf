"""A closed-loop HTTP/1.1 load generator: a plan as JSON on stdin, what it measured on stdout.

Each connection sends its next request when its answer is complete.  An answer is good when its
status is 200, it holds as many marks as the plan says, and it ends as the plan says.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import cast

import uvloop

from bench.parts.processes import cpu_s, rss_mb

DRAIN_S = 15.0
SAMPLE_BYTES = 600
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
LAST_CHUNK = b"\r\n0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Plan:
    """`ending`: what every answer must hold near its end.  `pid`: whose CPU time is counted."""

    port: int
    path: str
    headers: dict[str, str]
    bodies: list[str]
    connections: int
    spread_s: float  # the connections begin evenly over this time
    warm_up_s: float
    seconds: float
    mark: str
    marks: int
    ending: str
    pid: int | None


@dataclass(frozen=True, slots=True)
class Sample:
    """Times in milliseconds; `cpu_ms` per good answer; 0 where nothing was counted.

    Answers are counted that came while it was measured, latencies are those of the calls that
    were made then, however long they took: what is slow is not left out.
    """

    good: int
    bad: int
    bad_answer: str
    per_s: float
    p50_ms: float
    ttft_p50_ms: float
    cpu_ms: float
    rss_mb: float
    latencies_ms: list[float] = field(default_factory=list)


class Run:
    """The tally that all connections of one measurement share."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.mark = plan.mark.encode()
        self.ending = plan.ending.encode()
        self.requests = itertools.cycle([request_bytes(plan, body) for body in plan.bodies])
        self.measuring = False
        self.over = False
        self.good = 0
        self.open = 0
        self.idle = asyncio.Event()
        self.noted = asyncio.Event()
        self.bad = 0
        self.bad_answer = ""
        self.latencies_s: list[float] = []
        self.ttfts_s: list[float] = []

    def note_bad(self, answer: bytes) -> None:
        """Counted at any time, warm-up included.  The whole run ends with the first."""
        self.bad += 1
        self.over = True
        self.noted.set()
        self.bad_answer = self.bad_answer or answer[:SAMPLE_BYTES].decode(errors="replace")

    def closed(self) -> None:
        self.open -= 1
        if not self.open:
            self.idle.set()


class Connection(asyncio.Protocol):
    def __init__(self, run: Run) -> None:
        self._run = run
        self._waiting = False
        self._clear()

    def _clear(self) -> None:
        self._received = bytearray()
        self._body_at = -1
        self._length: int | None = None
        self._first_mark_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._run.open += 1
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting:
            self._run.note_bad(f"connection lost ({exc}) after: ".encode() + self._received)
        self._run.closed()

    def _send(self) -> None:
        if self._run.over:
            self._transport.close()
            return
        self._clear()
        self._waiting = True
        self._counts = self._run.measuring
        self._sent_s = time.perf_counter()
        self._transport.write(next(self._run.requests))

    def data_received(self, data: bytes) -> None:
        received = self._received
        received += data
        if not self._first_mark_s and self._run.mark in received:
            self._first_mark_s = time.perf_counter()
        if self._body_at < 0:
            head_end = received.find(b"\r\n\r\n")
            if head_end < 0:
                return
            self._body_at = head_end + 4
            length = LENGTH.search(received, 0, head_end)
            self._length = int(length[1]) if length else None
        if self._length is None:
            # The blank line of the head may be the line end before an empty answer's last chunk.
            complete = received.endswith(LAST_CHUNK, self._body_at - 2)
        else:
            complete = len(received) >= self._body_at + self._length
        if complete:
            self._finish()

    def _finish(self) -> None:
        self._waiting = False
        run, received = self._run, self._received
        body = bytes(received[self._body_at :])
        if self._length is None:
            body = joined_chunks(body)
        if (
            not received.startswith(b"HTTP/1.1 200")
            or body.count(run.mark) != run.plan.marks
            or run.ending not in body
        ):
            run.note_bad(bytes(received))
        elif self._counts:
            run.latencies_s.append(time.perf_counter() - self._sent_s)
            run.ttfts_s.append(self._first_mark_s - self._sent_s)
        if run.measuring and not run.bad:
            run.good += 1
            run.noted.set()
        self._send()


def request_bytes(plan: Plan, body: str) -> bytes:
    head = "".join(f"{name}: {value}\r\n" for name, value in plan.headers.items())
    content = body.encode()
    return (
        f"POST {plan.path} HTTP/1.1\r\nhost: 127.0.0.1:{plan.port}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(content)}\r\n{head}\r\n".encode()
        + content
    )


def joined_chunks(body: bytes) -> bytes:
    """A chunked body without its frames: a mark may be cut by one."""
    parts: list[bytes] = []
    at = 0
    while True:
        line_end = body.index(b"\r\n", at)
        size = int(body[at:line_end], 16)
        if not size:
            return b"".join(parts)
        parts.append(body[line_end + 2 : line_end + 2 + size])
        at = line_end + 2 + size + 2


def percentile(values: Sequence[float], fraction: float) -> float:
    return sorted(values)[round((len(values) - 1) * fraction)] if values else 0.0


async def measure(plan: Plan) -> Sample:
    run = Run(plan)
    loop = asyncio.get_running_loop()
    for _ in range(plan.connections):
        await loop.create_connection(lambda: Connection(run), "127.0.0.1", plan.port)
        await asyncio.sleep(plan.spread_s / plan.connections)
    await asyncio.sleep(plan.warm_up_s)
    cpu_before_s = cpu_s(plan.pid) if plan.pid else 0.0
    began_s = time.perf_counter()
    run.measuring = True
    await asyncio.sleep(plan.seconds)
    with suppress(TimeoutError):  # a machine's disk may stall for longer than was asked for
        await asyncio.wait_for(run.noted.wait(), DRAIN_S)
    run.measuring = False
    lasted_s = time.perf_counter() - began_s
    used_s = cpu_s(plan.pid) - cpu_before_s if plan.pid else 0.0
    used_mb = rss_mb(plan.pid) if plan.pid else 0.0
    run.over = True
    try:
        await asyncio.wait_for(run.idle.wait(), DRAIN_S)
    except TimeoutError:
        run.note_bad(f"{run.open} answers did not end within {DRAIN_S:g} s".encode())
    good = run.good
    return Sample(
        good=good,
        bad=run.bad,
        bad_answer=run.bad_answer,
        per_s=good / lasted_s,
        p50_ms=percentile(run.latencies_s, 0.5) * 1000,
        ttft_p50_ms=percentile(run.ttfts_s, 0.5) * 1000,
        cpu_ms=used_s * 1000 / good if good else 0.0,
        rss_mb=used_mb,
        latencies_ms=[round(latency_s * 1000, 3) for latency_s in run.latencies_s],
    )


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(measure(Plan(**json.load(sys.stdin)))))))
