"""What every memory does, whether it is the process's own or Redis."""

from __future__ import annotations

from app.core.remembered import Conversation, Shared, Tried, learned, learned_of_shared
from app.ports import Memory
from app.store.memory.process import ProcessMemory, Recent, size_of
from tests.core.test_remembered import HAIKU, SONNET, WHO, lesson


async def test_nothing_is_known_at_first() -> None:
    memory: Memory = ProcessMemory()
    assert await memory.recall(WHO) == (None, {})
    await memory.close()


async def test_what_was_learned_is_recalled() -> None:
    memory = ProcessMemory()
    first, second = lesson(10.0, wrote=900), lesson(70.0, HAIKU, read=900)
    memory.learn(first)
    memory.learn(second)
    known = learned(learned(None, first), second)
    shared = learned_of_shared({}, first, opens=True)
    assert await memory.recall(WHO) == (known, learned_of_shared(shared, second, opens=False))


async def test_a_prefix_is_shared_by_the_conversations_of_a_key_alone() -> None:
    memory = ProcessMemory()
    memory.learn(lesson(10.0, wrote=900))
    asked = WHO.__class__("c2", "key_1", "a1", named=False, prefix="p1")
    stranger = WHO.__class__("c3", "key_2", "a1", named=False, prefix="p1")
    nothing = WHO.__class__("c3", "key_1", "a1", named=False, prefix=None)
    tried = Tried(("system",), 0, 900, 0)
    kept = Shared(10.0, 1, 1, 0, 1, 0, 0, -250, tried=tried)
    assert await memory.recall(asked) == (None, {SONNET: kept})
    assert await memory.recall(stranger) == await memory.recall(nothing) == (None, {})


async def test_what_is_a_day_old_is_forgotten() -> None:
    now = [0.0]
    memory = ProcessMemory(lambda: now[0])
    memory.learn(lesson())
    now[0] = 24 * 3_600.0 - 1
    assert (await memory.recall(WHO))[0] is not None
    now[0] += 1
    assert await memory.recall(WHO) == (None, {})


def test_the_least_recently_kept_go_when_there_are_too_many_or_they_are_too_large() -> None:
    recent: Recent[str] = Recent(lambda: 0.0, 3, 100)
    for key, size in (("a", 10), ("b", 20), ("a", 30), ("c", 40)):
        recent.put(key, key, size)
    assert (len(recent), recent.bytes) == (3, 90)
    recent.put("d", "d", 5)
    assert [recent.get(key) for key in "abcd"] == ["a", None, "c", "d"]
    assert (len(recent), recent.bytes) == (3, 75)
    recent.put("e", "e", 90)
    assert [recent.get(key) for key in "acde"] == [None, None, "d", "e"]
    recent.put("f", "f", 1_000)
    assert (len(recent), recent.bytes) == (0, 0)


def test_a_conversation_counts_by_what_it_keeps() -> None:
    known = learned(None, lesson())
    assert size_of(Conversation(SONNET, "anthropic")) == 1_000
    assert size_of(known) == 2_000 + 700 + 16
