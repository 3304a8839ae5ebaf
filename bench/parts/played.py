"""A workload sent through the gateway to the simulator, both on one clock that is put forward."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import uvicorn

from app.main import create_app
from app.simulator.app import create_simulator
from app.simulator.facts import MODELS
from app.simulator.journal import Entry
from app.simulator.json_values import parsed
from app.simulator.server import listen, running_simulator
from app.simulator.state import Simulator
from app.store.database.engine import open_database
from app.store.database.migrate import migrate
from app.store.records.keys import Keys
from app.wiring import Boot
from bench.parts.bills import Call, unmarked
from bench.parts.workloads import Asked

STARTS = datetime(2026, 11, 30, 6, tzinfo=UTC)
START_TIMEOUT_S = 30.0
CONFIG = """\
upstreams:
  anthropic: {{kind: anthropic, api_key: bench, base_url: "{upstream}"}}
models:
  {haiku}: {{upstream: anthropic}}
  {sonnet}: {{upstream: anthropic}}
tiers: {{haiku: {haiku}, sonnet: {sonnet}}}
"""


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a workload: its calls without their marks, and the simulator's own bill."""

    calls: list[Call]
    billed_nano_usd: int
    refused: int


def played(asked: Sequence[Asked], folder: Path, haiku: str, sonnet: str) -> Played:
    simulated = create_simulator(seed=b"bench")
    simulator: Simulator = simulated.state.simulator
    simulator.clock.set(STARTS)
    with running_simulator(simulated) as url:
        config = folder / "config.yaml"
        config.write_text(CONFIG.format(upstream=url, haiku=haiku, sonnet=sonnet))
        database_url = f"sqlite:///{folder / 'savings.db'}"
        migrate(database_url)
        keys = asyncio.run(_made_keys(database_url, sorted({call.key for call in asked})))
        boot = Boot(config, {}, database_url, "bench-master-key-of-this-run")
        with _gateway(boot, simulator) as port:
            refused = _send(asked, keys, port, simulator)
    entries = [entry for entry in simulator.journal.entries if entry.status == 200]
    calls = [_call(entry) for entry in entries if entry.path == "/v1/messages"]
    return Played(calls, simulator.journal.billed_nano_usd, refused)


async def _made_keys(url: str, names: Sequence[str]) -> dict[str, str]:
    database = open_database(url)
    try:
        store = Keys(database)
        return {name: (await store.create({"name": name}))[1] for name in names}
    finally:
        await database.close()


@contextmanager
def _gateway(boot: Boot, simulator: Simulator) -> Iterator[int]:
    def now() -> datetime:
        return datetime.fromtimestamp(simulator.clock.now_s(), UTC)

    listening = listen("127.0.0.1", 0)
    config = uvicorn.Config(
        create_app(boot.settings(), boot, now=now),
        http="app.web.protocol:LimitedProtocol",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline_s:
            raise RuntimeError("the gateway did not start")
        time.sleep(0.005)
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(START_TIMEOUT_S)
        listening.close()


def _send(asked: Sequence[Asked], keys: dict[str, str], port: int, simulator: Simulator) -> int:
    """Send one call after the other, each at its time.  How many were not answered."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    refused = 0
    for call in asked:
        due_s = STARTS.timestamp() + call.at_s
        simulator.clock.advance(max(0.0, due_s - simulator.clock.now_s()))
        simulator.replies.clear()
        simulator.replies.add({"replies": [{"content": call.answer}]})
        headers = {
            "authorization": f"Bearer {keys[call.key]}",
            "content-type": "application/json",
            "anthropic-version": "2023-06-01",
        }
        connection.request("POST", call.path, json.dumps(call.body), headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            refused += 1
            print(f"{call.path}: {answer.status} {text.decode(errors='replace')[:300]}")
    connection.close()
    return refused


def _call(entry: Entry) -> Call:
    body = unmarked(parsed(entry.raw_body))
    at_s = datetime.fromisoformat(entry.received_at).timestamp()
    output_tokens = int((entry.usage or {})["output_tokens"])
    return Call(at_s, MODELS[str(entry.model)], body, output_tokens)
