"""A Redis that fails costs a call next to nothing, and never an answer."""

from __future__ import annotations

import logging
import signal
import time
from pathlib import Path

import pytest
from redis.asyncio import Redis

from app.config.problems import ConfigError
from app.core.remembered import learned
from app.store.memory.process import ProcessMemory
from app.store.memory.redis import ANSWER_S, RedisMemory
from app.store.memory.texts import conversation_from, shared_from
from app.wiring import memory_of
from tests.core.test_remembered import WHO, lesson
from tests.running import free_port
from tests.store.memory.redis_server import redis_server

LOGGER = "tollkeeper.memory"


@pytest.mark.parametrize("kind", ["nobody there", "frozen", "wrong password"])
async def test_without_its_answer_the_process_knows_what_it_learned_itself(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = ("--requirepass", "right") if kind == "wrong password" else ()
    with redis_server(tmp_path, *options) as (address, process):
        url = {
            "nobody there": f"redis://:hidden@127.0.0.1:{free_port()}/0",
            "frozen": address,
            "wrong password": address.replace("//", "//:hidden@"),
        }[kind]
        if kind == "frozen":
            process.send_signal(signal.SIGSTOP)
        memory = RedisMemory(url, ProcessMemory())
        with caplog.at_level(logging.INFO, LOGGER):
            memory.learn(lesson())
            begun_s = time.monotonic()
            known, _ = await memory.recall(WHO)
            first_s, begun_s = time.monotonic() - begun_s, time.monotonic()
            for _ in range(100):
                await memory.recall(WHO)
            others_s = time.monotonic() - begun_s
            await memory.close()
    assert known == learned(None, lesson())
    assert first_s < 40 * ANSWER_S
    assert others_s < 40 * ANSWER_S  # not one of the hundred waited
    told = [record.getMessage() for record in caplog.records if record.name == LOGGER]
    assert told == ["Redis does not answer: memory is this process's own"]
    assert "hidden" not in caplog.text


async def test_it_is_asked_again_after_a_rest(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    with redis_server(tmp_path) as (url, process):
        memory = RedisMemory(url, ProcessMemory(), now_s=lambda: now[0], answer_s=0.5)
        other = RedisMemory(url, ProcessMemory(), answer_s=5.0)
        other.learn(lesson())
        await other.close()
        process.send_signal(signal.SIGSTOP)
        with caplog.at_level(logging.INFO, LOGGER):
            assert await memory.recall(WHO) == (None, {})
            process.send_signal(signal.SIGCONT)
            now[0] = 4.9
            assert await memory.recall(WHO) == (None, {})
            now[0] = 5.0
            known, shared = await memory.recall(WHO)
            await memory.close()
    assert known is not None
    assert shared
    told = [record.getMessage() for record in caplog.records if record.name == LOGGER]
    assert told[-1] == "Redis answers again"
    assert len(told) == 2


async def test_what_the_process_learned_last_goes_before_what_redis_has_of_before(
    redis_url: str,
) -> None:
    now = [0.0]
    memory = RedisMemory(redis_url, ProcessMemory(), now_s=lambda: now[0], answer_s=5.0)
    asked = WHO.__class__("late", "key_1", "a1", named=False, prefix=None)

    def at(at_s: float) -> None:
        memory.learn(lesson(at_s).__class__(asked, "m", lesson(at_s).warm, lesson().tried, 0))

    at(10.0)
    await memory._lessons.join()
    at(90.0)  # still on its way when the next turn comes
    known, _ = await memory.recall(asked)
    assert known is not None
    assert known.threads["a1"].at_s == 90.0
    await memory.close()


async def test_what_another_version_wrote_is_not_known(redis_url: str) -> None:
    name = f"tollkeeper:memory:1:conversation:{WHO.conversation}"
    async with Redis.from_url(redis_url) as client:
        await client.flushall()
        await client.set(name, '{"model":"m","upstream":"u","threads":{},"mood":"good"}')
    memory = RedisMemory(redis_url, ProcessMemory(), answer_s=5.0)
    assert await memory.recall(WHO) == (None, {})
    memory.learn(lesson())
    await memory.close()
    async with Redis.from_url(redis_url) as client:
        kept = await client.get(name)
        assert isinstance(kept, bytes)
        assert conversation_from(kept) == learned(None, lesson())
        assert 86_000 < await client.ttl(name) <= 86_400


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"no JSON", b"[]", b"7", b'{"threads":{}}', b'{"model":"m","threads":{"a":7}}'),
        b'{"model":"m","upstream":"u","threads":{"a":{"warm":{"m":{"fingerprint":{"tools":"x"}}}}}}',
    ],
)
def test_what_cannot_be_read_is_not_known(text: bytes) -> None:
    assert conversation_from(text) is None
    assert not shared_from(text)


def test_an_address_that_is_none_is_refused_without_being_told() -> None:
    with pytest.raises(ConfigError) as refused:
        memory_of({"TOLLKEEPER_REDIS_URL": "http://:hidden@127.0.0.1"})
    assert "TOLLKEEPER_REDIS_URL" in str(refused.value)
    assert "hidden" not in str(refused.value)
    assert isinstance(memory_of({"TOLLKEEPER_REDIS_URL": ""}), ProcessMemory)
    assert isinstance(memory_of({"TOLLKEEPER_REDIS_URL": "redis://127.0.0.1:1"}), RedisMemory)
