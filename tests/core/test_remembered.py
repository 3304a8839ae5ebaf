"""What is kept of the calls before, and what it means for the next one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from app.core.fingerprints import Fingerprint, fingerprint
from app.core.remembered import (
    SYSTEM,
    TOOLS,
    Asked,
    Conversation,
    Lesson,
    Recalled,
    Shared,
    Thread,
    Tried,
    Warm,
    is_kept,
    learned,
    learned_of_shared,
    thread_of,
)
from app.core.request import Request

SONNET, HAIKU = "claude-sonnet-4-6", "claude-haiku-4-5-20251001"
TURNS = ({"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"})
ASK = Request(
    "auto", TURNS, system=({"type": "text", "text": "Be brief."},), tools=({"name": "a"},)
)
NOW = fingerprint(ASK)
WHO = Asked("c1", "key_1", "a1", named=False, prefix="p1")


def warm(at_s: float = 0.0, **fields: Any) -> Warm:
    known = {"tokens": 20_000, "hour_tokens": 0, "ttl_s": 300, "fingerprint": NOW, "end": (1, 0)}
    return Warm(at_s=at_s, upstream="anthropic", **{**known, **fields})


def lesson(
    at_s: float = 0.0, model: str = SONNET, agent: str = "a1", *, wrote: int = 0, read: int = 0
) -> Lesson:
    tried = Tried(("system",), 0, wrote, read)
    return Lesson(replace(WHO, agent=agent), model, warm(at_s), tried, 1_000 if read else -250)


def test_a_prefix_is_warm_for_its_lifetime_and_its_hour_long_part_for_an_hour() -> None:
    kept = warm(1_000.0, hour_tokens=8_000)
    assert [kept.tokens_at(at) for at in (1_000.0, 1_299.9, 1_300.0, 4_599.9, 4_600.0)] == [
        20_000,
        20_000,
        8_000,
        8_000,
        0,
    ]


def test_what_was_marked_must_still_stand_at_the_beginning() -> None:
    longer = fingerprint(replace(ASK, messages=(*TURNS, {"role": "user", "content": "More"})))
    edited = fingerprint(replace(ASK, messages=({"role": "user", "content": "Ho"}, TURNS[1])))
    clock = fingerprint(replace(ASK, system=({"type": "text", "text": "12:01"},)))
    tools = fingerprint(replace(ASK, tools=({"name": "b"},)))
    choice = fingerprint(replace(ASK, options={"tool_choice": {"type": "none"}}))
    marked = {"turn": warm(), "system": warm(end=(SYSTEM, 0)), "tools": warm(end=(TOOLS, 0))}
    assert {
        name: [is_kept(each, kept) for each in (longer, edited, choice, clock, tools)]
        for name, kept in marked.items()
    } == {
        "turn": [True, False, False, False, False],
        "system": [True, True, True, False, False],
        "tools": [True, True, True, True, False],
    }


def test_an_answer_makes_its_model_the_last_one_and_keeps_the_others_warm() -> None:
    known = None
    for at_s, model in ((0.0, SONNET), (60.0, HAIKU), (70.0, HAIKU), (400.0, SONNET)):
        known = learned(known, lesson(at_s, model))
    assert known is not None
    thread = known.threads["a1"]
    assert (known.model, known.upstream, thread.model) == (SONNET, "anthropic", SONNET)
    assert (thread.calls, thread.gaps_s, list(thread.warm)) == (
        4,
        (60.0, 10.0, 330.0),
        [HAIKU, SONNET],
    )
    assert [each.at_s for each in thread.warm.values()] == [70.0, 400.0]
    recalled = Recalled(420.0, NOW, known, thread)
    assert (recalled.warm_tokens(SONNET), recalled.warm_tokens(HAIKU)) == (20_000, 0)
    assert Recalled(420.0, NOW).warm_tokens(SONNET) == 0


def test_models_threads_and_gaps_are_bounded() -> None:
    known = None
    for n in range(8):
        known = learned(known, lesson(float(n), f"model-{n}"))
    assert known is not None
    assert list(known.threads["a1"].warm) == ["model-4", "model-5", "model-6", "model-7"]
    assert len(known.threads["a1"].gaps_s) == 5
    for n in range(20):
        known = learned(known, lesson(agent=f"agent-{n}"))
    assert len(known.threads) == 16
    assert "a1" not in known.threads


def test_a_thread_goes_by_its_agent_or_by_the_words_that_it_began_with() -> None:
    known = learned(None, lesson())
    thread = known.threads["a1"]
    new = replace(WHO, agent="a2")
    assert thread_of(known, WHO, NOW) is thread
    assert thread_of(known, new, NOW) is thread  # an edited beginning: all else is the same
    assert thread_of(known, replace(new, named=True), NOW) is None
    assert thread_of(known, new, replace(NOW, system=b"another")) is None
    assert thread_of(Conversation(SONNET, "anthropic"), new, NOW) is None
    cold = Conversation(SONNET, "anthropic", {"a1": Thread(SONNET, 0.0, {})})
    assert thread_of(cold, new, NOW) is None


def test_a_shared_prefix_tells_how_often_it_was_written_and_read() -> None:
    wrote, both = Tried(("system",), 0, 900, 0), Tried(("system",), 0, 20, 900)
    known = learned_of_shared({}, lesson(10.0, wrote=900), opens=True)
    known = learned_of_shared(known, lesson(40.0, wrote=900), opens=True)
    assert known[SONNET] == Shared(40.0, 2, 2, 0, 2, 0, 1, -500, (30.0,), tried=wrote)
    known = learned_of_shared(known, lesson(50.0, read=900), opens=True)
    known = learned_of_shared(known, lesson(55.0, wrote=20, read=900), opens=False)
    known = learned_of_shared(known, lesson(56.0, HAIKU), opens=False)
    assert known == {
        SONNET: Shared(55.0, 4, 3, 1, 3, 2, 0, 1_500, (30.0, 10.0, 5.0), tried=both),
        HAIKU: Shared(56.0, 1, 0, 0, 0, 0, 0, -250, tried=Tried(("system",), 0, 0, 0)),
    }


def test_an_empty_fingerprint_is_kept_by_nothing_that_was_marked() -> None:
    assert not is_kept(Fingerprint(), warm())


def test_writes_that_nothing_read_are_counted_where_they_were_still_kept() -> None:
    shared: dict[str, Shared] = {}
    known = None
    found = []
    for at_s, read in ((0.0, 0), (60.0, 0), (90.0, 0), (390.0, 0), (400.0, 5), (410.0, 0)):
        told = lesson(at_s, wrote=900, read=read)
        shared = dict(learned_of_shared(shared, told, opens=known is None))
        known = learned(known, told)
        found.append((shared[SONNET].unread, known.threads["a1"].unread))
    assert found == [(0, 0), (1, 1), (2, 2), (2, 2), (0, 0), (1, 1)]


def test_a_write_of_turns_alone_is_nothing_that_another_thread_could_read() -> None:
    first, second = lesson(0.0, wrote=900), lesson(60.0, wrote=900)
    told = [replace(each, tried=Tried(("messages",), 0, 900, 0)) for each in (first, second)]
    shared = learned_of_shared({}, told[0], opens=True)
    assert learned_of_shared(shared, told[1], opens=True)[SONNET].unread == 0
    short = replace(second, tried=Tried((), 0, 0, 0))  # nothing to be read without a mark
    assert learned(learned(None, first), short).threads["a1"].unread == 0
    assert learned(learned(None, told[0]), told[1]).threads["a1"].unread == 1


def test_what_was_not_kept_of_the_last_prompt_is_counted_in_messages() -> None:
    more = {"role": "user", "content": "More"}
    known = learned(None, lesson())
    prompts = {
        "longer": replace(ASK, messages=(*TURNS, more)),
        "the same": ASK,
        "an edited answer": replace(ASK, messages=(TURNS[0], more, more)),
        "an edited beginning": replace(ASK, messages=(more,)),
        "another system prompt": replace(ASK, system=()),
    }
    thread = known.threads["a1"]
    assert {
        name: Recalled(70.0, fingerprint(prompt), known, thread).behind
        for name, prompt in prompts.items()
    } == {
        "longer": 0,
        "the same": 0,
        "an edited answer": 1,
        "an edited beginning": 2,
        "another system prompt": 2,
    }
    assert Recalled(70.0, NOW).behind is None
    assert (Recalled(70.0, NOW, known, thread).gap_s, Recalled(70.0, NOW).gap_s) == (70.0, None)


def test_a_shared_prefix_keeps_what_its_threads_do() -> None:
    known = learned_of_shared({}, lesson(0.0), opens=True)
    told = replace(lesson(60.0), gap_s=60.0, behind=1, bytes_per_token=3.5)
    known = learned_of_shared(known, told, opens=False)
    known = learned_of_shared(known, lesson(65.0), opens=True)
    kept = known[SONNET]
    assert (kept.turn_gaps_s, kept.behind, kept.bytes_per_token) == ((60.0,), 1, 3.5)
    assert kept.gaps_s == (60.0, 5.0)
