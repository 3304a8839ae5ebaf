"""What the process's own memory keeps: not too much, and not for too long."""

from __future__ import annotations

from app.core.remembered import Conversation, learned
from app.store.memory.process import ProcessMemory, Recent, size_of
from tests.core.test_remembered import SONNET, WHO, lesson


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
