"""Traffic to save money on: six seeded workloads, each a list of calls in the order of time."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

BYTES_PER_TOKEN = 4
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
ANSWER_TOKENS = 2_000  # what is asked for at most
Json = dict[str, Any]
PLAIN_WORDS = (
    "account order number invoice delivery screen error message server update customer refund the "
    "of and to in that it is was for on are with as his they at be this from have or by one had "
    "not but what all were when we there can an your which their said if do into has more her two "
    "like him see time could no make than first been its who now people my made over did down only "
    "way find use may water long little very after words called just where most know"
)
WORDS = PLAIN_WORDS.split()


@dataclass(frozen=True, slots=True)
class Asked:
    """One call: when, by which key, and what the model is going to answer."""

    at_s: float
    key: str
    path: str
    body: Json
    answer: list[Json]


def prose(rng: random.Random, tokens: int) -> str:
    """Text that counts about so many tokens."""
    size = tokens * BYTES_PER_TOKEN
    text = ""
    while len(text) < size:
        sentence = " ".join(rng.choices(WORDS, k=rng.randint(6, 14)))
        text += f"{sentence.capitalize()}. "
    return text[:size].strip()


def said(text: str) -> list[Json]:
    return [{"type": "text", "text": text}]


def chat(system: str, turns: list[Json]) -> Json:
    messages = [{"role": "system", "content": system}, *turns] if system else turns
    return {"model": "auto", "max_tokens": ANSWER_TOKENS, "messages": messages}


def one_shot(rng: random.Random, key: str, calls: int = 120) -> Iterator[Asked]:
    """Every prompt comes once: short questions, long texts, and instructions made for one call."""
    at_s = 0.0
    for n in range(calls):
        at_s += rng.choice((2, 20, 60, 400)) * rng.uniform(0.5, 1.5)
        kind = n % 4
        system = "You are a helpful assistant." if kind else ""
        question = prose(rng, rng.randint(20, 300))
        if kind == 2:
            question += "\n\n" + prose(rng, rng.randint(3_000, 12_000))
        if kind == 3:
            system = prose(rng, rng.randint(1_500, 6_000))
        answer = prose(rng, rng.randint(100, 600))
        yield Asked(
            at_s, key, CHAT, chat(system, [{"role": "user", "content": question}]), said(answer)
        )


def conversation(  # noqa: PLR0913 - what makes one
    rng: random.Random,
    key: str,
    system: str,
    start_s: float,
    *,
    turns: int,
    gap_s: tuple[float, float],
    question_tokens: tuple[int, int] = (30, 120),
    answer_tokens: tuple[int, int] = (80, 300),
) -> Iterator[Asked]:
    history: list[Json] = []
    at_s = start_s
    for _ in range(turns):
        history = [*history, {"role": "user", "content": prose(rng, rng.randint(*question_tokens))}]
        answer = prose(rng, rng.randint(*answer_tokens))
        yield Asked(at_s, key, CHAT, chat(system, history), said(answer))
        history = [*history, {"role": "assistant", "content": answer}]
        at_s += rng.uniform(*gap_s)


def support_chat(rng: random.Random, key: str, conversations: int = 25) -> Iterator[Asked]:
    """Many customers, who talk to the same 3 K system prompt at the same time."""
    system = prose(rng, 3_000)
    for n in range(conversations):
        start_s = n * 90 + rng.uniform(0, 60)
        yield from conversation(rng, key, system, start_s, turns=rng.randint(3, 9), gap_s=(20, 120))


def slow_turns(rng: random.Random, key: str, conversations: int = 8) -> Iterator[Asked]:
    """Turns ten minutes apart, one conversation after the other."""
    system = prose(rng, 4_500)
    for n in range(conversations):
        yield from conversation(
            rng,
            key,
            system,
            n * 8_000.0,
            turns=10,
            gap_s=(540, 660),
            question_tokens=(100, 400),
            answer_tokens=(200, 500),
        )


def changing_context(rng: random.Random, key: str, conversations: int = 12) -> Iterator[Asked]:
    """Retrieval: 8 K of what was found stand before each question, and not in the history."""
    system = prose(rng, 2_000)
    for n in range(conversations):
        history: list[Json] = []
        at_s = n * 200 + rng.uniform(0, 60)
        for _ in range(6):
            question, answer = prose(rng, rng.randint(20, 80)), prose(rng, rng.randint(150, 400))
            found = f"Context:\n{prose(rng, 8_000)}\n\nQuestion: {question}"
            turns = [*history, {"role": "user", "content": found}]
            yield Asked(at_s, key, CHAT, chat(system, turns), said(answer))
            history += [
                {"role": "user", "content": question},
                {"role": "assistant", "content": answer},
            ]
            at_s += rng.uniform(20, 100)


def coding_agent(
    rng: random.Random, key: str, sessions: int = 3, turns: int = 40
) -> Iterator[Asked]:
    """Tool turns over a prefix of 25 K, some with ten calls at once and more."""
    tools = [
        {
            "name": f"tool_{n}",
            "description": prose(rng, 700),
            "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}},
        }
        for n in range(15)
    ]
    system = [{"type": "text", "text": prose(rng, 14_000)}]
    for n in range(sessions):
        at_s = n * 700 + rng.uniform(0, 100)
        messages: list[Json] = [{"role": "user", "content": prose(rng, rng.randint(200, 600))}]
        for _ in range(turns):
            calls = rng.choice((1, 1, 1, 2, 2, 3, 10, 12))
            answer = said(prose(rng, rng.randint(30, 150)))
            answer += [_tool_use(rng) for _ in range(calls)]
            body = {
                "model": "auto",
                "max_tokens": ANSWER_TOKENS,
                "tools": tools,
                "system": system,
                "messages": messages,
            }
            yield Asked(at_s, key, MESSAGES, body, answer)
            results = [
                {
                    "type": "tool_result",
                    "tool_use_id": block["id"],
                    "content": prose(rng, rng.randint(40, 1_800 // calls)),
                }
                for block in answer[1:]
            ]
            messages = [
                *messages,
                {"role": "assistant", "content": answer},
                {"role": "user", "content": results},
            ]
            at_s += rng.uniform(6, 40)


def _tool_use(rng: random.Random) -> Json:
    return {
        "type": "tool_use",
        "id": f"toolu_{rng.getrandbits(48):012x}",
        "name": f"tool_{rng.randrange(15)}",
        "input": {"path": "/".join(rng.choices(WORDS, k=4))},
    }


def mixed_keys(rng: random.Random, key: str) -> Iterator[Asked]:
    """A smaller one of each, at the same time, each by a key of its own."""
    yield from one_shot(rng, f"{key}-batch", 40)
    yield from support_chat(rng, f"{key}-support", 8)
    yield from changing_context(rng, f"{key}-retrieval", 4)
    yield from coding_agent(rng, f"{key}-agent", 2, 20)
    yield from slow_turns(rng, f"{key}-slow", 2)


Make = Callable[[random.Random, str], Iterator[Asked]]
WORKLOADS: dict[str, Make] = {
    "one-shot": one_shot,
    "support chat": support_chat,
    "changing context": changing_context,
    "coding agent": coding_agent,
    "slow turns": slow_turns,
    "mixed keys": mixed_keys,
}
MULTI_TURN = tuple(name for name in WORKLOADS if name != "one-shot")


def workload(name: str, seed: int) -> list[Asked]:
    """Its calls as they come.  The same seed makes the same ones."""
    rng = random.Random(f"{name} {seed}")  # noqa: S311 - no secret
    calls = sorted(WORKLOADS[name](rng, name.replace(" ", "-")), key=lambda call: call.at_s)
    assert all(earlier.at_s <= later.at_s for earlier, later in pairwise(calls))
    return calls
