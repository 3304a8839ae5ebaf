"""Either transport against the simulated vendor: what we read is what it bills."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest

from app.core import errors
from app.core.metering import Meter
from app.core.usage import Usage
from app.ports import UpstreamStream
from app.simulator.server import running_simulator
from tests.upstream.anthropic.calls import RecordingHold, Tried, call
from tests.upstream.anthropic.conftest import Opener

LONG = "The quick brown fox jumps over the lazy dog. " * 600
SYSTEM = ({"type": "text", "text": LONG, "cache_control": {"type": "ephemeral", "ttl": "1h"}},)


@pytest.fixture(scope="module")
def simulator() -> Iterator[str]:
    with running_simulator() as url:
        yield url


@pytest.fixture
async def control(simulator: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(simulator) as session:
        async with session.post("/_sim/reset", json={}) as answer:
            assert answer.status == 200
        yield session


@pytest.fixture
def simulated(opened: Opener, simulator: str, control: aiohttp.ClientSession) -> Tried:
    del control  # it has reset the simulator
    return opened(max_attempts=2, base_url=simulator)


async def fault(control: aiohttp.ClientSession, **fields: Any) -> None:
    async with control.post("/_sim/faults", json={"faults": [fields]}) as answer:
        assert answer.status == 200


async def read(stream: UpstreamStream) -> None:
    async for _ in stream.parts():
        pass


async def metered(upstream: Tried, hold: RecordingHold, **fields: Any) -> Meter:
    async with upstream.stream(call(stream=True, **fields), hold) as stream:
        await read(stream)
    return stream.meter


async def test_a_stream_counts_what_a_whole_answer_counts(simulated: Tried) -> None:
    reply = await simulated.send(call(), RecordingHold())
    meter = await metered(simulated, RecordingHold())
    assert meter.finished
    assert meter.usage == reply.usage
    assert reply.usage.output_tokens > 0
    assert meter.stop_reason == reply.stop_reason
    assert (await simulated.count_tokens(call())).tokens == reply.usage.prompt_tokens


async def test_writes_and_reads_of_the_cache_land_in_their_buckets(simulated: Tried) -> None:
    written = (await simulated.send(call(system=SYSTEM), RecordingHold())).usage
    again = (await metered(simulated, RecordingHold(), system=SYSTEM)).usage
    assert isinstance(again, Usage)
    assert written.cache_write_1h_tokens == again.cache_read_tokens > 4_096
    assert (written.cache_write_5m_tokens, written.cache_read_tokens) == (0, 0)
    assert again.cache_write_tokens == 0
    assert written.prompt_tokens == again.prompt_tokens


@pytest.mark.parametrize("kind", ["reset", "garbage", "truncated_body", "drop_after_generation"])
async def test_an_unknown_outcome_is_retried_with_another_bound(
    simulated: Tried, control: aiohttp.ClientSession, kind: str
) -> None:
    await fault(control, kind=kind)
    hold = RecordingHold()
    reply = await simulated.send(call(), hold)
    assert reply.usage.output_tokens > 0
    assert hold.held == 1
    assert [attempt.charged for attempt in hold.attempts] == [True, False]


async def test_a_stream_that_is_cut_keeps_its_exact_input(
    simulated: Tried, control: aiohttp.ClientSession
) -> None:
    whole = (await simulated.send(call(), RecordingHold())).usage
    await fault(control, kind="reset_mid_stream", after_deltas=3)
    async with simulated.stream(call(stream=True), RecordingHold()) as stream:
        with pytest.raises(errors.APIResponseValidationError):
            await read(stream)
    estimate = stream.meter.estimate(64, time.monotonic())
    assert estimate is not None
    assert estimate.input_tokens == whole.input_tokens
    assert 3 <= estimate.output_tokens <= 64


async def test_a_wrong_key_is_refused_at_once(opened: Opener, simulator: str) -> None:
    upstream = opened(max_attempts=3, base_url=simulator, api_key="invalid-key")
    hold = RecordingHold()
    with pytest.raises(errors.AuthenticationError):
        await upstream.send(call(), hold)
    assert len(hold.attempts) == 1
