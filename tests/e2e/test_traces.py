"""Spans as a collector and Langfuse get them: their sums are the ledger's, to the nano-dollar."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64encode
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.running import Simulated, gateway, simulator
from tests.store.database.postgres import Server, new_database
from tests.telemetry.sink import Collector, Got, collector

HAIKU = "claude-haiku-4-5-20251001"
BY_OPENROUTER = "anthropic/claude-haiku-4.5"
SONNET = "claude-sonnet-4-6"
PROMPT = "a sentence that only Langfuse may see"
SYSTEM = [{"type": "text", "text": "You are terse. " * 900, "cache_control": {"type": "ephemeral"}}]
CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
RESPONSES = "/v1/responses"
CONFIG = """
retries: {max_attempts: 2}
telemetry: {langfuse: {enabled: true, include_content: %s}, otlp: {enabled: true}}
"""
TOKENS = {
    "input": "input_tokens",
    "input_cached_tokens": "cache_read_tokens",
    "input_cache_creation_5m": "cache_write_5m_tokens",
    "input_cache_creation_1h": "cache_write_1h_tokens",
    "output": "output_tokens",
}
FAULTS = {20: "overloaded", 40: "error500", 60: "reset_mid_stream", 64: "reset_mid_stream"}
TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = f"00-{TRACE}-b7ad6b7169203331-00"


def told(sink: Collector, upstream: Simulated) -> dict[str, str]:
    return {
        "OPENROUTER_API_KEY": "sk-or-of-the-tests",
        "OPENROUTER_BASE_URL": f"{upstream.url}/api/v1",
        "LANGFUSE_HOST": sink.url,
        "LANGFUSE_PUBLIC_KEY": "pk-lf-of-the-tests",
        "LANGFUSE_SECRET_KEY": "sk-lf-of-the-tests",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"{sink.url}/otel",
    }


def body(path: str, n: int, *, stream: bool) -> dict[str, Any]:
    model = BY_OPENROUTER if n % 5 == 4 else SONNET if n % 3 == 0 else HAIKU
    turn = [{"role": "user", "content": f"{PROMPT}, number {n % 7}"}]
    if path == RESPONSES:
        asked: dict[str, Any] = {"model": model, "input": turn, "max_output_tokens": 60}
        return {**asked, "stream": stream, "store": False}
    system = {"system": SYSTEM} if path == MESSAGES and n % 2 else {}
    return {"model": model, "max_tokens": 60, "messages": turn, "stream": stream, **system}


def settle_at_once(upstream: Simulated) -> None:
    """What OpenRouter billed is known as soon as it is asked for."""
    told = upstream.http.post(f"{upstream.url}/_sim/openrouter", json={"ready_after_s": 0})
    assert told.status_code == 200


def eventually(holds: Callable[[], bool], patience_s: float = 20) -> bool:
    deadline_s = time.monotonic() + patience_s
    while not holds() and time.monotonic() < deadline_s:
        time.sleep(0.1)
    return holds()


def of(spans: list[Got], path: str) -> list[Got]:
    """The calls' own spans, as one destination got them."""
    return [span for span in spans if span.path == path and span.name.startswith("chat ")]


def assert_sums(rows: list[dict[str, Any]], spans: list[Got]) -> None:
    assert len(spans) == len(rows)
    by_id = {span.attributes["langfuse.observation.metadata.request_id"]: span for span in spans}
    for row in rows:
        span = by_id[row["id"]].attributes
        costs = json.loads(span["langfuse.observation.cost_details"], parse_float=Decimal)
        usage = json.loads(span["langfuse.observation.usage_details"])
        assert costs.pop("total") == Decimal(row["cost_usd"]) == sum(costs.values())
        assert {name: usage[name] for name in TOKENS} == {
            name: row[column] for name, column in TOKENS.items()
        }
        by_openrouter = row["upstream"] == "openrouter" and row["state"] == "settled"
        discount = "cache_discount_usd" if by_openrouter else "cache_savings_usd"
        assert span["langfuse.observation.metadata.cache_discount"] == row[discount]
        if row["cost_source"]:
            assert span["langfuse.observation.metadata.cost_source"] == row["cost_source"]
        assert span["gen_ai.response.model"] == row["model"]


@pytest.mark.timeout(180)
def test_a_hundred_mixed_calls_cost_in_traces_what_they_cost_in_the_ledger(
    upstream: Simulated, tmp_path: Path
) -> None:
    upstream.reset()
    settle_at_once(upstream)
    with (
        collector() as sink,
        gateway(
            tmp_path, upstream.url, config=CONFIG % "false", environ=told(sink, upstream)
        ) as served,
    ):
        key = served.key()
        for n in range(100):
            fault = FAULTS.get(n)
            if fault is not None:
                upstream.faults(*([{"kind": fault}] * (2 if n == 20 else 1)))
            path = (CHAT, MESSAGES, RESPONSES)[n % 3]
            served.post(path, key, body(path, n, stream=n % 2 == 0))
        attempts = sum(row["attempts"] for row in served.rows())
        # those of OpenRouter's calls wait for its bill
        assert eventually(lambda: len(sink.spans) == 2 * (100 + attempts), 60)
        rows = served.rows()
        metrics = served.metrics()
        assert served.stop() == 0
        assert len(rows) == 100
        assert {row["state"] for row in rows} == {"settled", "released"}
        assert {row["upstream"] for row in rows} == {"anthropic", "openrouter"}
        for destination in ("/api/public/otel/v1/traces", "/otel/v1/traces"):
            assert_sums(rows, of(sink.spans, destination))
        assert len(sink.spans) == 2 * (100 + attempts)
        assert PROMPT not in str(sink.spans)
        assert 'tollkeeper_telemetry_dropped_total{where="recorder"} 0.0' in metrics
        basic = "Basic " + b64encode(b"pk-lf-of-the-tests:sk-lf-of-the-tests").decode()
        to_langfuse = [sent for sent in sink.headers if sent.get("authorization") == basic]
        assert to_langfuse
        assert {sent["x-langfuse-ingestion-version"] for sent in to_langfuse} == {"4"}
        assert {sent["content-encoding"] for sent in sink.headers} == {"gzip"}
        assert {span.resource["service.name"] for span in sink.spans} == {"tollkeeper"}
        assert "sk-lf-of" not in served.log_text()


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    server: Server = request.getfixturevalue("postgres")
    return asyncio.run(new_database(server))


@pytest.mark.timeout(180)
def test_a_kill_between_reply_and_look_up_loses_no_trace(tmp_path: Path, database: str) -> None:
    with simulator() as upstream, collector() as sink:
        settle_at_once(upstream)
        environ = {**told(sink, upstream), "TOLLKEEPER_DATABASE_URL": database}
        config = "ledger: {lease_s: 6}\n" + CONFIG % "true"
        headers = {"traceparent": CALLER, "x-tollkeeper-tags": "a,b"}
        with gateway(tmp_path, upstream.url, config=config, environ=environ) as first:
            key = first.key()
            for n in (4, 9, 14, 19):
                upstream.faults({"kind": "reset_mid_stream" if n == 14 else "ok"})
                first.post(MESSAGES, key, body(MESSAGES, n, stream=n % 2 == 0), **headers)
            first.process.kill()
            first.process.wait()
        assert sink.spans == []
        with gateway(tmp_path, upstream.url, config=config, environ=environ) as second:
            assert eventually(lambda: len(sink.spans) == 16, 60)
            rows = second.rows()
            assert second.stop() == 0
        assert {row["cost_source"] for row in rows} == {"billed"}
        for destination in ("/api/public/otel/v1/traces", "/otel/v1/traces"):
            spans = of(sink.spans, destination)
            assert_sums(rows, spans)
            assert {span.trace for span in spans} == {TRACE}
            assert [span.attributes["langfuse.trace.tags"] for span in spans] == [["a", "b"]] * 4
        assert len(sink.spans) == 16


def test_what_waits_for_a_bill_when_the_gateway_stops_is_told_as_it_stands_and_never_again(
    tmp_path: Path,
) -> None:
    with simulator() as upstream, collector() as sink:
        settle_at_once(upstream)
        environ = told(sink, upstream)
        with gateway(tmp_path, upstream.url, config=CONFIG % "true", environ=environ) as first:
            key = first.key()
            for n in (4, 9):
                assert first.post(CHAT, key, body(CHAT, n, stream=False)).status_code == 200
            assert first.stop() == 0
        assert len(of(sink.spans, "/otel/v1/traces")) == 2
        assert len(sink.spans) == 8
        with gateway(tmp_path, upstream.url, config=CONFIG % "true", environ=environ) as second:
            assert eventually(
                lambda: all(row["cache_discount_usd"] is not None for row in second.rows()), 60
            )
            time.sleep(5)
            assert second.stop() == 0
        assert len(sink.spans) == 8


def test_a_callers_trace_goes_on_and_a_retry_is_a_span_below_the_call(
    upstream: Simulated, tmp_path: Path
) -> None:
    upstream.reset()
    with (
        collector() as sink,
        gateway(tmp_path, upstream.url, config=CONFIG % "false", environ=told(sink, upstream)) as g,
    ):
        key = g.key()
        upstream.faults({"kind": "overloaded"})
        headers = {"traceparent": CALLER, "x-session-id": "chat-7", "x-tollkeeper-tags": "a,b"}
        g.post(CHAT, key, {**body(CHAT, 0, stream=True), "user": "me"}, **headers)
        g.stop()
    mine = [span for span in sink.spans if span.path == "/otel/v1/traces"]
    (call,) = of(mine, "/otel/v1/traces")
    first, second = sorted(
        (span for span in mine if span.name == "attempt anthropic"), key=lambda s: s.begun_ns
    )
    assert (call.trace, call.parent) == (TRACE, "b7ad6b7169203331")
    assert {first.parent, second.parent} == {call.id}
    assert {first.trace, second.trace} == {TRACE}
    assert call.begun_ns <= first.begun_ns <= first.ended_ns < second.begun_ns
    assert second.ended_ns <= call.ended_ns + 1_000_000
    assert first.attributes["http.response.status_code"] == 529
    assert "gen_ai.usage.input_tokens" not in first.attributes
    said = call.attributes
    assert (said["user.id"], said["session.id"]) == ("me", "chat-7")
    assert said["langfuse.trace.tags"] == ["a", "b"]
    assert "langfuse.observation.completion_start_time" in said


def test_content_goes_to_langfuse_alone_and_only_when_asked_for(
    upstream: Simulated, tmp_path: Path
) -> None:
    upstream.reset()
    with (
        collector() as sink,
        gateway(tmp_path, upstream.url, config=CONFIG % "true", environ=told(sink, upstream)) as g,
    ):
        key = g.key()
        answers = [
            g.post(path, key, body(path, 1, stream=stream))
            for path in (CHAT, MESSAGES, RESPONSES)
            for stream in (True, False)
        ]
        g.stop()
    assert {answer.status_code for answer in answers} == {200}
    langfuse = of(sink.spans, "/api/public/otel/v1/traces")
    assert len(langfuse) == 6
    for span in langfuse:
        asked = json.loads(span.attributes["langfuse.observation.input"])
        (block,) = json.loads(span.attributes["langfuse.observation.output"])
        assert PROMPT in json.dumps(asked["messages"])
        assert len(block["text"]) > 10
    others = [span for span in sink.spans if span.path == "/otel/v1/traces"]
    assert PROMPT not in str(others)
    assert "langfuse.observation.output" not in str(others)


def test_a_destination_that_is_away_costs_callers_nothing_and_its_losses_are_counted(
    upstream: Simulated, tmp_path: Path
) -> None:
    upstream.reset()
    with (
        collector() as sink,
        gateway(tmp_path, upstream.url, config=CONFIG % "false", environ=told(sink, upstream)) as g,
    ):
        sink.status = 400
        key = g.key()
        for n in range(5):
            assert g.post(CHAT, key, body(CHAT, n, stream=False)).status_code == 200
        lost = 'tollkeeper_telemetry_dropped_total{where="langfuse_export"} 5.0'
        assert eventually(lambda: lost in g.metrics())
        assert g.admin("GET", "reconcile")["consistent"] is True


def test_telemetry_that_is_on_and_has_nowhere_to_go_stops_the_start(tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match=r"telemetry\.otlp\.enabled"),
        gateway(tmp_path, "http://127.0.0.1:1", config="telemetry: {otlp: {enabled: true}}"),
    ):
        pass
