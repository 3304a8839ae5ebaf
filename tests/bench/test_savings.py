"""The bills that the gateway's is compared with, and the benchmark itself on one workload."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.simulator.facts import MODELS
from bench.parts.bills import Call, always_marked, cheapest, is_strong, optimum, total
from bench.parts.workloads import WORKLOADS, workload

ROOT = Path(__file__).resolve().parents[2]
SONNET, HAIKU = MODELS["claude-sonnet-4-6"], MODELS["claude-haiku-4-5"]
INPUT, WRITE_5M, WRITE_1H, READ = 3_000_000, 3_750_000, 6_000_000, 300_000  # pico-USD on Sonnet


def asked(at_s: float, system_bytes: int, *turns: str) -> Call:
    """A call whose turns are the user's and the assistant's in turn; it answers ten tokens."""
    roles = itertools.cycle(("user", "assistant"))
    messages = [{"role": role, "content": text} for role, text in zip(roles, turns, strict=False)]
    body = {
        "model": SONNET.id,
        "system": [{"type": "text", "text": "s" * system_bytes}],
        "messages": messages,
    }
    return Call(at_s, SONNET, body, 10)


GAPS = [
    # seconds between the calls of one token, and the least it costs
    ([], INPUT),
    ([60], WRITE_5M + READ),
    ([600], 2 * INPUT),  # an hour for one read would be 6.3
    ([600, 600], WRITE_1H + 2 * READ),
    ([4_000], 2 * INPUT),
    ([4_000, 60], INPUT + WRITE_5M + READ),
    ([60, 4_000, 60], 2 * (WRITE_5M + READ)),
    # A later mark of an hour, behind a read, keeps what was written for five minutes.
    ([60, 600], WRITE_5M + 2 * READ),
]


@pytest.mark.parametrize(("gaps", "least"), GAPS)
def test_a_token_is_paid_for_in_the_cheapest_way(gaps: list[int], least: int) -> None:
    times = itertools.accumulate(gaps, initial=0)
    assert cheapest([(at_s, SONNET.rates) for at_s in times]) == least


def test_the_optimum_of_two_calls_that_share_a_system_prompt() -> None:
    # 2,000 tokens of system written for five minutes and read, 5 + 5 tokens of user turn sent
    # plain, and 2 x 10 tokens answered.
    calls = [asked(0, 8_000, "aaaa"), asked(60, 8_000, "bbbb")]
    assert optimum(calls) == 2_000 * 4_050 + 10 * 3_000 + 20 * 15_000 == 8_430_000


def test_what_is_too_short_to_be_cached_is_sent_plain() -> None:
    calls = [asked(0, 4_000, "aaaa"), asked(60, 4_000, "bbbb")]
    assert optimum(calls) == 2 * 1_005 * 3_000 + 20 * 15_000


def test_a_short_system_prompt_is_cached_with_the_turns_behind_it() -> None:
    # The first turn brings 1,004 + 104 tokens: enough together.
    calls = [asked(0, 4_000, "a" * 400), asked(60, 4_000, "a" * 400, "b" * 36, "c" * 36)]
    assert optimum(calls) == 1_104 * 4_050 + 26 * 3_000 + 20 * 15_000


def test_other_models_share_nothing() -> None:
    calls = [asked(0, 20_000, "aaaa"), replace(asked(60, 20_000, "aaaa"), model=HAIKU)]
    assert optimum(calls) == 5_005 * 4_000 + 10 * 20_000


def marked(call: Call) -> Iterator[Call]:
    """The call with every legal choice of marks: an hour before five minutes, at most four."""
    messages = call.body["messages"]
    for ttls in itertools.product((None, "1h", "5m"), repeat=1 + len(messages)):
        chosen = [ttl for ttl in ttls if ttl]
        if len(chosen) > 4 or chosen != sorted(chosen):
            continue
        marks: list[dict[str, Any]] = [
            {"cache_control": {"type": "ephemeral", "ttl": ttl}} if ttl else {} for ttl in ttls
        ]
        (system,) = call.body["system"]
        turns = [
            {"role": turn["role"], "content": [{"type": "text", "text": turn["content"]} | mark]}
            for turn, mark in zip(messages, marks[1:], strict=True)
        ]
        yield replace(call, body={**call.body, "system": [system | marks[0]], "messages": turns})


def best_of_all_plans(calls: Sequence[Call]) -> int:
    choices = [list(marked(call)) for call in calls]
    return min(total(plan) for plan in itertools.product(*choices))


LEFT_OUT = [
    # seconds between three calls, and what the cheapest real plan costs above the bound
    ((60, 60), 0),
    ((600, 60), 0),
    ((600, 600), 0),
    ((4_000, 60), 0),
    # What was written for five minutes lives on for an hour only if something behind it is written
    # for an hour: here the few tokens of the last turn would have to be, for no call to read.
    ((60, 600), 69_300),
]


@pytest.mark.parametrize(("gaps", "left_out"), LEFT_OUT)
def test_no_plan_of_marks_costs_less_than_the_optimum(gaps: tuple[int, int], left_out: int) -> None:
    turns = ("a" * 40, "b" * 2_000, "c" * 4, "d" * 2_000, "e" * 4)
    times = (0, gaps[0], sum(gaps))
    calls = [asked(times[n], 6_000, *turns[: 2 * n + 1]) for n in (0, 1)]
    calls.append(asked(times[2], 6_000, *turns[:3]))
    assert best_of_all_plans(calls) - optimum(calls) == left_out


def test_always_marked_is_priced_by_the_simulators_own_rules() -> None:
    # 2,000 tokens of system and 5 of the turn are written; then 2,000 are read and 5 written.
    calls = [asked(0, 8_000, "aaaa"), asked(60, 8_000, "bbbb")]
    assert total(always_marked(calls)) == 2_010 * 3_750 + 2_000 * 300 + 20 * 15_000
    assert total(calls) == 2 * 2_005 * 3_000 + 20 * 15_000


def test_the_plain_rule_looks_at_characters_and_items() -> None:
    assert not is_strong(asked(0, 9_000, "a" * 999))
    assert is_strong(asked(0, 9_000, "a" * 1_000))
    assert not is_strong(asked(0, 10, "\n".join(f"- {n}" for n in range(29))))
    assert is_strong(asked(0, 10, "\n".join(f"- {n}" for n in range(30))))


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_seed_makes_the_same_calls_again(name: str) -> None:
    assert workload(name, 1) == workload(name, 1)
    assert workload(name, 1) != workload(name, 2)


def test_it_plays_a_workload_and_prices_it_under_every_rule(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    command = [sys.executable, str(ROOT / "bench" / "savings.py"), "--workload", "support chat"]
    done = subprocess.run(
        [*command, "--json", str(result)], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    (found,) = json.loads(result.read_text())
    assert found["calls"] == len(workload("support chat", 1))
    assert found["optimum"] <= found["gateway"] <= found["sonnet"]
    assert found["optimum"] <= found["always"]
    assert "| support chat |" in done.stdout
