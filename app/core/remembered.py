"""What the calls before tell of a conversation, and of a prompt that many conversations share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, TypeVar

from app.core.values import value

if TYPE_CHECKING:
    from app.core.caching import Place
    from app.core.fingerprints import Fingerprint

HOUR_S = 3_600
FIVE_MINUTES_S = 300
SURELY_KEPT_S = 290  # what was written or read for five minutes so long ago is still there
MOST_GAPS = 5
MOST_MODELS = 4  # with a warm prefix, in one thread
MOST_THREADS = 16  # of agents, in one conversation
TOOLS, SYSTEM = -2, -1  # where a mark stands that is in no message

T = TypeVar("T")
Spot = tuple[int, int]
"""Where a mark stands: the message's number, or TOOLS or SYSTEM, and the block's in it."""


@value
class Warm:
    """What one model's cache is believed to hold of a thread's prompt since its last call there.

    `tokens` were read or written by that call; the first `hour_tokens` of them live for an hour,
    the rest for `ttl_s` from `at_s` (Unix seconds) on. `date` is the vendor's own clock then, as
    its answer bore it; `end` the last mark; `message_id` the answer's.
    """

    tokens: int
    hour_tokens: int
    ttl_s: int
    at_s: float
    fingerprint: Fingerprint
    end: Spot
    upstream: str
    message_id: str | None = None
    date: str | None = None

    def tokens_at(self, now_s: float) -> int:
        """How many of the tokens are still expected there."""
        age_s = now_s - self.at_s
        if age_s < self.ttl_s:
            return self.tokens
        return self.hour_tokens if age_s < HOUR_S else 0


@value
class Tried:
    """What the last call's marks came to; `placed` by the gateway, and so many of the caller's."""

    placed: tuple[Place, ...]
    callers: int
    written_tokens: int
    read_tokens: int
    output_tokens: int = 0

    @property
    def is_marked(self) -> bool:
        """Whether there were any marks."""
        return bool(self.placed or self.callers)

    @property
    def closes_beginning(self) -> bool:
        """Whether tools or system prompt ended in a mark of the gateway's."""
        return "system" in self.placed or "tools" in self.placed


@value
class Thread:
    """One agent's calls within a conversation: they share a beginning.

    `model` answered last; `warm` is by model, the last used last; `gaps_s` are the pauses between
    the last calls, the newest last. `unread` calls in a row read nothing though the one before
    had just written or read.
    """

    model: str
    at_s: float
    warm: Mapping[str, Warm]
    calls: int = 1
    gaps_s: tuple[float, ...] = ()
    tried: Tried | None = None
    unread: int = 0


@value
class Conversation:
    """`model` answered last, by `upstream`; threads are by agent, the last used last."""

    model: str
    upstream: str
    threads: dict[str, Thread] = field(default_factory=dict)


@value
class Shared:
    """A prompt's tools and system prompt at one model, over all conversations of a virtual key.

    `opened` threads began with it, of which `found` read something of it; `unread` calls in a row
    read nothing though the one before had just written or read. `saved_nano_usd` is what caching
    has saved on its calls, less what it cost more. `gaps_s` are the pauses between the last calls
    of any thread, `turn_gaps_s` those within threads. `behind` messages at the end of a thread's
    last prompt did not stand there in the one after it.
    """

    at_s: float
    calls: int = 0
    opened: int = 0
    found: int = 0
    writes: int = 0
    reads: int = 0
    unread: int = 0
    saved_nano_usd: int = 0
    gaps_s: tuple[float, ...] = ()
    turn_gaps_s: tuple[float, ...] = ()
    behind: int = 0
    bytes_per_token: float | None = None
    tried: Tried | None = None


@value
class Asked:
    """Whom a call is of: what memory is asked by.

    `agent` names the thread; `named` says that the caller did so. `prefix` is `Fingerprint.prefix`.
    """

    conversation: str
    key_id: str
    agent: str
    named: bool
    prefix: str | None


@value
class Recalled:
    """What memory knows for one call, at the moment that it came.

    `thread` is the call's own; None: it is the thread's first. `shared` is by model.
    """

    now_s: float
    fingerprint: Fingerprint
    conversation: Conversation | None = None
    thread: Thread | None = None
    shared: Mapping[str, Shared] = field(default_factory=dict)

    @property
    def last(self) -> Warm | None:
        """What the thread's last call left in its model's cache."""
        return None if self.thread is None else self.thread.warm.get(self.thread.model)

    def warm_tokens(self, model: str) -> int:
        """How much of this prompt the model's cache is expected to hold: what has not changed."""
        warm = None if self.thread is None else self.thread.warm.get(model)
        if warm is None or not is_kept(self.fingerprint, warm):
            return 0
        return warm.tokens_at(self.now_s)

    @property
    def behind(self) -> int | None:
        """How many messages of the thread's last prompt have not stayed; None: there was none.

        Where something before the messages changed, none of them has.
        """
        thread = self.thread
        warm = None if thread is None else thread.warm.get(thread.model)
        if warm is None:
            return None
        now, then = self.fingerprint, warm.fingerprint
        if (now.tools, now.system, now.settings) != (then.tools, then.system, then.settings):
            return then.length
        return then.length - now.shared_turns(then)

    @property
    def gap_s(self) -> float | None:
        """The pause since the thread's last call; None where there was none."""
        return None if self.thread is None else max(self.now_s - self.thread.at_s, 0.0)


@value
class Lesson:
    """What one answered call teaches: see `Warm`, `Tried`, `Shared` and `Recalled`."""

    asked: Asked
    model: str
    warm: Warm
    tried: Tried
    saved_nano_usd: int
    gap_s: float | None = None
    behind: int | None = None
    bytes_per_token: float | None = None


def is_kept(now: Fingerprint, warm: Warm) -> bool:
    """Whether all that was marked then still stands at the beginning of the prompt."""
    then = warm.fingerprint
    turn, _ = warm.end
    if now.tools != then.tools or (turn > TOOLS and now.system != then.system):
        return False
    return turn < 0 or (now.settings == then.settings and now.begins_with(then, turn + 1))


def thread_of(conversation: Conversation, asked: Asked, now: Fingerprint) -> Thread | None:
    """The call's thread.

    One that nobody named and whose first words are new goes on with the last thread where that
    had its tools and system prompt: its beginning was edited.
    """
    threads = conversation.threads
    found = threads.get(asked.agent)
    if found is not None or asked.named or not threads:
        return found
    last = threads[next(reversed(threads))]
    warm = last.warm.get(last.model)
    if warm is None:
        return None
    then = warm.fingerprint
    return last if (then.tools, then.system) == (now.tools, now.system) else None


def learned(before: Conversation | None, lesson: Lesson) -> Conversation:
    """The conversation after an answer: what is longest unused goes first."""
    model, warm, agent = lesson.model, lesson.warm, lesson.asked.agent
    threads = {} if before is None else before.threads
    old = threads.get(agent)
    if old is None:
        thread = Thread(model, warm.at_s, {model: warm}, tried=lesson.tried)
    else:
        thread = Thread(
            model,
            warm.at_s,
            _with(old.warm, model, warm, MOST_MODELS),
            old.calls + 1,
            (*old.gaps_s, max(warm.at_s - old.at_s, 0.0))[-MOST_GAPS:],
            lesson.tried,
            _unread(old.unread, warm.at_s - old.at_s, lesson.tried, old.tried),
        )
    return Conversation(model, warm.upstream, _with(threads, agent, thread, MOST_THREADS))


def learned_of_shared(
    before: Mapping[str, Shared], lesson: Lesson, *, opens: bool
) -> Mapping[str, Shared]:
    """What is known of tools and system prompt after an answer; `opens`: a thread's first."""
    at_s, tried = lesson.warm.at_s, lesson.tried
    old = before.get(lesson.model) or Shared(at_s)
    read, wrote = tried.read_tokens > 0, tried.written_tokens > 0
    gap_s = max(at_s - old.at_s, 0.0) if old.calls else None
    new = Shared(
        at_s,
        old.calls + 1,
        old.opened + opens,
        old.found + (opens and read),
        old.writes + wrote,
        old.reads + read,
        _unread(old.unread, at_s - old.at_s, tried, old.tried, of_beginning=True),
        old.saved_nano_usd + lesson.saved_nano_usd,
        _newest(old.gaps_s, gap_s),
        _newest(old.turn_gaps_s, lesson.gap_s),
        old.behind if lesson.behind is None else lesson.behind,
        lesson.bytes_per_token or old.bytes_per_token,
        tried,
    )
    return _with(before, lesson.model, new, MOST_MODELS)


def _unread(
    before: int, gap_s: float, now: Tried, then: Tried | None, *, of_beginning: bool = False
) -> int:
    """Counted where both calls had marks: for other threads, at the end of what they share."""
    if now.read_tokens:
        return 0
    if then is None or gap_s >= SURELY_KEPT_S or not (then.read_tokens or then.written_tokens):
        return before
    marked = [each.closes_beginning if of_beginning else each.is_marked for each in (then, now)]
    return before + all(marked)


def _newest(gaps_s: tuple[float, ...], gap_s: float | None) -> tuple[float, ...]:
    return gaps_s if gap_s is None else (*gaps_s, gap_s)[-MOST_GAPS:]


def _with(before: Mapping[str, T], name: str, new: T, most: int) -> dict[str, T]:
    """What was there before and the new one, as the last of at most so many."""
    found = dict(before)
    found.pop(name, None)
    found[name] = new
    while len(found) > most:
        del found[next(iter(found))]
    return found
