"""Conversations remembered in this process: the last used, within bounds, for a while."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from app.core.beginnings import after_call
from app.core.remembered import (
    Asked,
    Conversation,
    Lesson,
    Shared,
    learned,
    learned_of_shared,
)

KEPT_S = 24 * 3_600.0  # a history with thinking stays with its model for long
MOST_CONVERSATIONS = 100_000
MOST_PREFIXES = 20_000
MOST_BYTES = 64 * 1_024 * 1_024  # of each kind
_SIZE = 1_000  # about what a conversation or a prefix takes beside what grows
_WARM_SIZE = 700

T = TypeVar("T")
NOTHING_SHARED: Mapping[str, Shared] = {}


class Recent(Generic[T]):
    """What was put last, by key: at most so many entries and bytes, each for `KEPT_S`."""

    def __init__(self, now_s: Callable[[], float], most: int, most_bytes: int) -> None:
        self._now_s = now_s
        self._most = most
        self._most_bytes = most_bytes
        self._entries: OrderedDict[str, tuple[T, float, int]] = OrderedDict()  # until when, size
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def bytes(self) -> int:
        """What the entries take, about."""
        return self._bytes

    def get(self, key: str) -> T | None:
        """The entry, unless its time is over."""
        kept = self._entries.get(key)
        if kept is None:
            return None
        found, until_s, _ = kept
        return found if until_s > self._now_s() else None

    def put(self, key: str, found: T, size: int) -> None:
        """Keep an entry; those that were put longest ago go where room is needed."""
        entries, held = self._entries, self._bytes + size
        old = entries.pop(key, None)
        if old is not None:
            held -= old[2]
        entries[key] = (found, self._now_s() + KEPT_S, size)
        while held > self._most_bytes or len(entries) > self._most:
            _, (_, _, freed) = entries.popitem(last=False)
            held -= freed
        self._bytes = held


class ProcessMemory:
    """Implements ports.Memory."""

    def __init__(
        self,
        now_s: Callable[[], float] = time.monotonic,
        *,
        most: int = MOST_CONVERSATIONS,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.conversations: Recent[Conversation] = Recent(now_s, most, most_bytes)
        self.shared: Recent[Mapping[str, Shared]] = Recent(
            now_s, min(most, MOST_PREFIXES), most_bytes
        )

    async def recall(self, asked: Asked) -> tuple[Conversation | None, Mapping[str, Shared]]:
        """See ports.Memory."""
        shared = None
        if asked.prefix:
            shared = self.shared.get(f"{asked.key_id}:{asked.prefix}")
            if shared is None:
                shared = self.shared.get(f"{asked.key_id}:")
        return self.conversations.get(asked.conversation), shared or NOTHING_SHARED

    def learn(self, lesson: Lesson) -> None:
        """See ports.Memory."""
        asked = lesson.asked
        before = self.conversations.get(asked.conversation)
        after = learned(before, lesson)
        self.conversations.put(asked.conversation, after, size_of(after))
        if asked.prefix:
            key = f"{asked.key_id}:{asked.prefix}"
            opens = before is None or asked.agent not in before.threads
            old = self.shared.get(key) or NOTHING_SHARED
            shared = learned_of_shared(old, lesson, opens=opens)
            self.shared.put(key, shared, _SIZE * len(shared))
            self._learn_of_key(f"{asked.key_id}:", old, lesson.warm.at_s)

    def _learn_of_key(self, key: str, prefix: Mapping[str, Shared], at_s: float) -> None:
        known = after_call(self.shared.get(key) or NOTHING_SHARED, prefix, at_s)
        if known is not None:
            self.shared.put(key, known, _SIZE)

    async def close(self) -> None:
        """Nothing to let go of."""


def size_of(conversation: Conversation) -> int:
    """About how many bytes a conversation takes in memory."""
    size = _SIZE
    for thread in conversation.threads.values():
        size += _SIZE
        for warm in thread.warm.values():
            size += _WARM_SIZE + len(warm.fingerprint.turns)
    return size
