"""Who writes, who reads, and for how long.  Four bytes are one token on the model used here."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.simulator.client import (
    HAIKU,
    NEW_SONNET,
    SONNET,
    WEATHER,
    Json,
    Simulated,
    question,
    text_block,
    wait_for,
)

SYSTEM = "s" * 8000  # 2,000 tokens
HELLO = 6  # "Hello": 5 bytes are 2 tokens, and 4 for the message


def with_system(text: str = "Hello", ttl: str = "5m", **fields: Any) -> Json:
    return question(text, system=[text_block(SYSTEM, ttl)]) | fields


def turns(count: int, *, mark_last: bool = True) -> list[Json]:
    """A conversation of `count` user messages, 400 bytes each, with short answers between."""
    messages: list[Json] = []
    for at in range(count):
        ttl = "5m" if mark_last and at == count - 1 else None
        messages.append({"role": "user", "content": [text_block(f"{at:04}" * 100, ttl)]})
        messages.append({"role": "assistant", "content": "Well."})
    return messages[:-1]


def test_the_first_request_writes_the_marked_prefix_and_the_second_reads_it(
    sim: Simulated,
) -> None:
    assert sim.usage(with_system()) == (HELLO, 2000, 0, 0)
    assert sim.usage(with_system()) == (HELLO, 0, 0, 2000)
    assert sim.usage(with_system("Bye")) == (5, 0, 0, 2000)


def test_usage_gives_the_sum_of_both_kinds_of_writes(sim: Simulated) -> None:
    body = with_system("Hello", "1h")
    body["messages"][0]["content"] = [text_block("x" * 4000, "5m")]
    usage = sim.ask(body)["usage"]
    assert usage["cache_creation_input_tokens"] == 3004
    assert usage["cache_creation"] == {
        "ephemeral_5m_input_tokens": 1004,
        "ephemeral_1h_input_tokens": 2000,
    }
    assert usage["input_tokens"] == 0


@pytest.mark.parametrize(
    ("model", "size_bytes", "written_tokens"),
    [
        (SONNET, 4092, 0),  # 1,023 tokens
        (SONNET, 4096, 1024),
        (HAIKU, 16380, 0),  # 4,095
        (HAIKU, 16384, 4096),
        (NEW_SONNET, 1572, 0),  # 1,572 x 13 / 40 = 510.9: 511
        (NEW_SONNET, 1575, 512),  # 511.9
    ],
)
def test_a_prefix_below_the_models_minimum_is_not_cached(
    sim: Simulated, model: str, size_bytes: int, written_tokens: int
) -> None:
    body = question("Hello", model, system=[text_block("s" * size_bytes, "5m")])
    for _ in range(2):
        usage = sim.usage(body)
        assert usage[1:] in ((written_tokens, 0, 0), (0, 0, written_tokens))
    assert usage[3] == written_tokens


def test_without_a_mark_nothing_is_written(sim: Simulated) -> None:
    body = question("Hello", system=SYSTEM)
    assert sim.usage(body) == (2006, 0, 0, 0)
    assert sim.usage(body) == (2006, 0, 0, 0)
    assert sim.usage(with_system()) == (HELLO, 2000, 0, 0)


def test_the_mark_itself_is_no_part_of_the_content(sim: Simulated) -> None:
    first = question("Hello", system=[text_block(SYSTEM, "5m")])
    sim.ask(first)
    moved = question("Hello", system=[text_block(SYSTEM)])
    moved["messages"][0]["content"] = [text_block("Hello", "5m")]
    assert sim.usage(moved) == (0, HELLO, 0, 2000)


def test_an_entry_lives_five_minutes_and_each_use_starts_them_again(sim: Simulated) -> None:
    sim.ask(with_system())
    sim.tell("clock", {"advance_s": 290})
    assert sim.usage(with_system())[3] == 2000
    sim.tell("clock", {"advance_s": 290})
    assert sim.usage(with_system())[3] == 2000
    sim.tell("clock", {"advance_s": 301})
    assert sim.usage(with_system()) == (HELLO, 2000, 0, 0)


def test_an_hour_long_entry_lives_an_hour(sim: Simulated) -> None:
    assert sim.usage(with_system(ttl="1h")) == (HELLO, 0, 2000, 0)
    sim.tell("clock", {"advance_s": 3590})
    assert sim.usage(with_system(ttl="1h"))[3] == 2000
    sim.tell("clock", {"advance_s": 3601})
    assert sim.usage(with_system(ttl="1h"))[3] == 0


def test_another_key_or_another_model_does_not_share_the_entry(sim: Simulated) -> None:
    sim.ask(with_system(), key="key-1")
    assert sim.usage(with_system(), key="key-2")[3] == 0
    assert sim.usage(with_system() | {"model": "claude-sonnet-5"})[3] == 0
    assert sim.usage(with_system(), key="key-1")[3] == 2000


def test_an_alias_shares_the_entries_of_its_model(sim: Simulated) -> None:
    system = [text_block("s" * 20000, "5m")]
    sim.ask(question("Hello", "claude-haiku-4-5", system=system))
    assert sim.usage(question("Hello", HAIKU, system=system))[3] == 5000


def test_a_growing_conversation_reads_what_it_wrote_a_turn_ago(sim: Simulated) -> None:
    # 400 bytes + 4 a message = 104 tokens; an answer "Well." is 2 + 4 = 6
    assert sim.usage(question("", messages=turns(10)))[1] == 10 * 104 + 9 * 6
    assert sim.usage(question("", messages=turns(11))) == (0, 110, 0, 1094)


@pytest.mark.parametrize(("behind", "read_tokens"), [(19, 1250), (20, 0)])
def test_the_look_back_is_twenty_positions_the_mark_included(
    sim: Simulated, behind: int, read_tokens: int
) -> None:
    head = text_block("h" * 4984, "5m")  # 1,246 + 4
    sim.ask(question("", messages=[{"role": "user", "content": [head]}]))
    tail = [text_block("next") for _ in range(behind - 1)] + [text_block("last", "5m")]
    content = [text_block("h" * 4984), *tail]
    assert sim.usage(question("", messages=[{"role": "user", "content": content}]))[3] == (
        read_tokens
    )


def test_each_further_mark_opens_its_own_window(sim: Simulated) -> None:
    head = text_block("h" * 4984, "5m")
    sim.ask(question("", messages=[{"role": "user", "content": [head]}]))
    tail = [text_block("next") for _ in range(29)] + [text_block("last", "5m")]
    content = [head, *tail]
    usage = sim.usage(question("", messages=[{"role": "user", "content": content}]))
    assert usage == (0, 30, 0, 1250)


CHANGES: list[tuple[str, Json, tuple[bool, bool, bool]]] = [
    # what changes, and whether tools, system and messages are still read
    ("nothing", {}, (True, True, True)),
    ("tool_choice", {"tool_choice": {"type": "none"}}, (True, True, False)),
    ("thinking", {"thinking": {"type": "adaptive"}}, (True, True, False)),
    ("thinking off, as it was", {"thinking": {"type": "disabled"}}, (True, True, True)),
    ("speed", {"speed": "standard"}, (True, False, False)),
    ("system", {"system": [text_block("t" * 8000, "5m")]}, (True, False, False)),
    ("tools", {"tools": [WEATHER | {"description": "d" * 8000}]}, (False, False, False)),
]


@pytest.mark.parametrize(("what", "change", "kept"), CHANGES, ids=[c[0] for c in CHANGES])
def test_a_change_loses_what_comes_after_it(
    sim: Simulated, what: str, change: Json, kept: tuple[bool, bool, bool]
) -> None:
    described = WEATHER | {
        "description": "x" * 8000,
        "cache_control": {"type": "ephemeral"},
    }
    messages = [{"role": "user", "content": [text_block("m" * 4000, "5m")]}]
    body = question("", tools=[described], system=[text_block(SYSTEM, "5m")], messages=messages)
    # the tool without its mark is 8,165 bytes of JSON, 8 come with each tool, 346 with the first
    tools_tokens = 2396
    expected = {
        (True, True, True): tools_tokens + 2000 + 1004,
        (True, True, False): tools_tokens + 2000,
        (True, False, False): tools_tokens,
        (False, False, False): 0,
    }[kept]
    sim.ask(body)
    assert sim.usage(body | change)[3] == expected, what


def test_a_first_image_loses_the_messages_and_keeps_the_system(sim: Simulated) -> None:
    old = {"role": "user", "content": [text_block("m" * 4000, "5m")]}
    image = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    body = with_system() | {"messages": [old]}
    sim.ask(body)
    assert sim.usage(body)[3] == 3004
    assert sim.usage(body | {"messages": [old, {"role": "user", "content": [image]}]})[3] == 2000


def test_a_late_system_message_keeps_everything_before_it(sim: Simulated) -> None:
    old = {"role": "user", "content": [text_block("m" * 4000, "5m")]}
    late = {"role": "system", "content": "Be brief."}
    body = question("", NEW_SONNET, messages=[old])
    sim.ask(body)
    assert sim.usage(body | {"messages": [old, late]})[3] == 1304


def test_automatic_caching_marks_the_last_block(sim: Simulated) -> None:
    automatic = {"cache_control": {"type": "ephemeral"}}
    body = question("", messages=turns(12, mark_last=False)) | automatic
    assert sim.usage(body) == (0, 12 * 104 + 11 * 6, 0, 0)
    assert sim.usage(question("", messages=turns(13, mark_last=False)) | automatic)[3] == 1314


def test_an_entry_can_be_read_only_once_the_first_answer_has_begun(sim: Simulated) -> None:
    sim.faults({"kind": "slow", "first_byte_s": 0.5})
    first = threading.Thread(target=sim.ask, args=(with_system(),))
    first.start()
    wait_for(lambda: next(iter(sim.log()), None))
    assert sim.usage(with_system())[3] == 0
    first.join()
    assert sim.usage(with_system())[3] == 2000


def test_a_refused_request_writes_nothing(sim: Simulated) -> None:
    sim.faults({"kind": "overloaded"})
    assert sim.send(with_system()).status_code == 529
    assert sim.usage(with_system())[3] == 0


def test_prewarming_writes_the_cache_and_bills_no_output(sim: Simulated) -> None:
    warm = sim.ask(with_system() | {"max_tokens": 0})
    assert warm["content"] == []
    assert warm["stop_reason"] == "max_tokens"
    assert warm["usage"]["output_tokens"] == 0
    # 2,000 x $3.75 + 6 x $3 per million
    assert sim.last_entry()["billed_nano_usd"] == 7_500_000 + 18_000
    assert sim.usage(with_system())[3] == 2000


def test_older_models_forget_finished_thinking_and_newer_ones_keep_it(sim: Simulated) -> None:
    thought = {"type": "thinking", "thinking": "t" * 400, "signature": "c2ln"}
    messages = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": [thought, text_block("Hi")]},
        {"role": "user", "content": "Hello"},
    ]
    # two messages of 6 and one of 4 + 1, the thinking being another 100
    assert sim.count({"model": HAIKU, "messages": messages}) == 17
    assert sim.count({"model": SONNET, "messages": messages}) == 117
