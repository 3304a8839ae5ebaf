"""Conversations remembered in Redis, for all replicas; in the process where it does not answer.

A call waits for Redis at most `ANSWER_S`, and after a failure for `REST_S` not at all. What a call
taught is written behind it; where replicas write at the same time, the last one is kept.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from app.core.beginnings import NEW, after_call
from app.core.remembered import learned, learned_of_shared
from app.store.memory.process import KEPT_S, NOTHING_SHARED, ProcessMemory
from app.store.memory.texts import (
    conversation_from,
    conversation_text,
    shared_from,
    shared_text,
)

if TYPE_CHECKING:
    from app.core.remembered import Asked, Conversation, Lesson, Shared

ANSWER_S = 0.05
REST_S = 5.0
CLOSE_S = 2.0
MOST_CONNECTIONS = 32
MOST_WAITING = 10_000  # lessons; what comes then is remembered in the process alone
FAILURES = (RedisError, OSError, TimeoutError)
_NAME = "tollkeeper:memory:1"
_log = logging.getLogger("tollkeeper.memory")


class RedisMemory:
    """Implements ports.Memory."""

    def __init__(
        self,
        url: str,
        own: ProcessMemory,
        *,
        now_s: Callable[[], float] = time.monotonic,
        answer_s: float = ANSWER_S,
    ) -> None:
        """Raises ValueError where `url` is none of Redis's."""
        self._own = own
        self._now_s = now_s
        self._answer_s = answer_s
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=MOST_CONNECTIONS,
            timeout=answer_s,
            socket_timeout=answer_s,
            socket_connect_timeout=answer_s,
            retry=Retry(NoBackoff(), 0),
        )
        self._redis: Any = Redis.from_pool(pool)
        self._rests_until_s: float | None = None
        self._lessons: asyncio.Queue[Lesson] = asyncio.Queue(MOST_WAITING)
        self._writer: asyncio.Task[None] | None = None

    async def recall(self, asked: Asked) -> tuple[Conversation | None, Mapping[str, Shared]]:
        """See ports.Memory."""
        known, shared = await self._own.recall(asked)
        if not self._answers:
            return known, shared
        try:
            async with asyncio.timeout(self._answer_s):
                texts = await self._redis.mget(_names(asked))
        except FAILURES as error:
            self._failed(error)
            return known, shared
        self._answered()
        found = conversation_from(texts[0])
        if known is None or (found is not None and _last_s(found) > _last_s(known)):
            known = found
        told = shared_from(texts[1])
        if told is None and asked.prefix and (not shared or NEW in shared):
            told = shared_from(texts[2])
        return known, told or shared

    def learn(self, lesson: Lesson) -> None:
        """See ports.Memory."""
        self._own.learn(lesson)
        if not self._answers or self._lessons.full():
            return
        self._lessons.put_nowait(lesson)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())

    async def close(self) -> None:
        """Write what waits, for a while, and let go of the connections."""
        if self._writer is not None:
            try:
                async with asyncio.timeout(CLOSE_S):
                    await self._lessons.join()
            except TimeoutError:
                _log.warning("not all was remembered in Redis")
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
        await self._redis.aclose()

    async def _write(self) -> None:
        while True:
            lesson = await self._lessons.get()
            try:
                if self._answers:
                    async with asyncio.timeout(4 * self._answer_s):
                        await self._teach(lesson)
                    self._answered()
            except FAILURES as error:
                self._failed(error)
            finally:
                self._lessons.task_done()

    async def _teach(self, lesson: Lesson) -> None:
        asked = lesson.asked
        names = _names(asked)
        texts = await self._redis.mget(names)
        before = conversation_from(texts[0])
        after = {names[0]: conversation_text(learned(before, lesson))}
        if asked.prefix:
            opens = before is None or asked.agent not in before.threads
            known = shared_from(texts[1]) or NOTHING_SHARED
            after[names[1]] = shared_text(learned_of_shared(known, lesson, opens=opens))
            of_key = after_call(shared_from(texts[2]) or NOTHING_SHARED, known, lesson.warm.at_s)
            if of_key is not None:
                after[names[2]] = shared_text(of_key)
        async with self._redis.pipeline(transaction=False) as pipe:
            for name, text in after.items():
                pipe.set(name, text, ex=int(KEPT_S))
            await pipe.execute()

    @property
    def _answers(self) -> bool:
        """Whether Redis is asked: one that has failed rests a while."""
        return self._rests_until_s is None or self._now_s() >= self._rests_until_s

    def _failed(self, error: BaseException) -> None:
        if self._rests_until_s is None:
            # Its text may hold the address, which may hold a password.
            kind = type(error).__name__
            _log.warning(
                "Redis does not answer: memory is this process's own", extra={"kind": kind}
            )
        self._rests_until_s = self._now_s() + REST_S

    def _answered(self) -> None:
        if self._rests_until_s is not None:
            self._rests_until_s = None
            _log.info("Redis answers again")


def _names(asked: Asked) -> tuple[str, str, str]:
    of_key = f"{_NAME}:prefix:{asked.key_id}:"
    return f"{_NAME}:conversation:{asked.conversation}", f"{of_key}{asked.prefix}", of_key


def _last_s(conversation: Conversation) -> float:
    """When the conversation's last call began."""
    return max((thread.at_s for thread in conversation.threads.values()), default=0.0)
