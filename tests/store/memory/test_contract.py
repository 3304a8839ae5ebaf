"""What every memory does, whether it is the process's own or Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from app.core.beginnings import NEW
from app.core.remembered import Lesson, Shared, Tried, learned, learned_of_shared
from app.ports import Memory
from app.store.memory.process import ProcessMemory
from app.store.memory.redis import RedisMemory
from tests.core.test_remembered import HAIKU, NOW, SONNET, WHO, lesson

Open = Callable[[], Memory]


@pytest.fixture(params=["process", "redis"])
async def opened(request: pytest.FixtureRequest) -> AsyncIterator[Open]:
    """Opens memories: Redis's forget what they know themselves, the process's own are one."""
    if request.param == "process":
        own = ProcessMemory()
        yield lambda: own
        return
    url = request.getfixturevalue("redis_url")
    async with Redis.from_url(url) as client:
        await client.flushall()
    yield lambda: RedisMemory(url, ProcessMemory(), answer_s=5.0)


async def taught(opened: Open, *lessons: Lesson) -> Memory:
    """A memory that others have taught."""
    memory = opened()
    for each in lessons:
        memory.learn(each)
    await memory.close()
    return opened()


async def test_nothing_is_known_at_first(opened: Open) -> None:
    memory = opened()
    assert await memory.recall(WHO) == (None, {})
    await memory.close()


async def test_what_was_learned_is_recalled(opened: Open) -> None:
    first, second = lesson(10.0, wrote=900), lesson(70.0, HAIKU, read=900)
    full = replace(
        second,
        warm=replace(second.warm, date="Mon, 30 Nov 2026 22:00:00 GMT", message_id="msg_1"),
        gap_s=60.0,
        behind=1,
        bytes_per_token=3.5,
    )
    memory = await taught(opened, first, full)
    known = learned(learned(None, first), full)
    shared = learned_of_shared({}, first, opens=True)
    found = await memory.recall(WHO)
    assert found == (known, learned_of_shared(shared, full, opens=False))
    assert found[0] is not None
    assert found[0].threads["a1"].warm[HAIKU].fingerprint == NOW
    await memory.close()


async def test_a_prefix_is_shared_by_the_conversations_of_a_key_alone(opened: Open) -> None:
    memory = await taught(opened, lesson(10.0, wrote=900))
    another = replace(WHO, conversation="c2")
    stranger = replace(another, key_id="key_2")
    new = replace(another, prefix="p9")
    kept = Shared(10.0, 1, 1, 0, 1, 0, 0, -250, tried=Tried(("system",), 0, 900, 0))
    assert await memory.recall(another) == (None, {SONNET: kept})
    assert await memory.recall(stranger) == (None, {})
    assert await memory.recall(new) == (None, {NEW: Shared(10.0, opened=1)})
    assert await memory.recall(replace(another, prefix=None)) == (None, {})
    await memory.close()


async def test_a_call_without_tools_and_system_prompt_teaches_of_its_conversation(
    opened: Open,
) -> None:
    bare = replace(WHO, prefix=None)
    memory = await taught(opened, replace(lesson(10.0), asked=bare))
    known, shared = await memory.recall(bare)
    assert known is not None
    assert (known.model, shared) == (SONNET, {})
    assert await memory.recall(replace(bare, conversation="c9")) == (None, {})
    await memory.close()


async def test_a_key_is_known_by_how_many_of_its_new_prompts_came_again(opened: Open) -> None:
    lessons = [
        replace(lesson(at_s), asked=replace(WHO, conversation=f"c{at_s}", prefix=prefix))
        for at_s, prefix in ((1.0, "p1"), (2.0, "p2"), (3.0, "p1"), (4.0, "p1"), (5.0, "p3"))
    ]
    memory = await taught(opened, *lessons)
    new = replace(WHO, conversation="c9", prefix="p9")
    assert await memory.recall(new) == (None, {NEW: Shared(5.0, opened=3, found=1)})
    await memory.close()
