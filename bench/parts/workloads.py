"""Traffic to save money on: seven seeded workloads, each a list of calls in the order of time."""

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
THINGS = (
    *("the order", "the invoice", "the parcel", "the account", "the screen", "the server"),
    *("the refund", "the contract", "the delivery", "the update", "the report", "the payment"),
)
DONE = (
    *("was sent", "was changed", "came back", "did not arrive", "was closed", "was confirmed"),
    *("was opened again", "was moved", "was cancelled", "was checked"),
)
WHEN = (
    *("on Monday", "last week", "this morning", "in March", "after the call", "before noon"),
    *("two days ago", "as agreed", "by mistake", "at the customer's wish"),
)
ASKED = (
    *("Where is {}?", "How do I change {}?", "Can you tell me what happened to {}?"),
    *("Please look at {} again.", "Why do I not see {} any more?", "And what about {}?"),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One call: when, by which key, and what the model is going to answer."""

    at_s: float
    key: str
    path: str
    body: Json
    answer: list[Json]


def prose(rng: random.Random, tokens: int) -> str:
    """Plain statements that count about so many tokens."""
    size = tokens * BYTES_PER_TOKEN
    parts: list[str] = []
    length = 0
    while length < size:
        what, did, when = rng.choice(THINGS), rng.choice(DONE), rng.choice(WHEN)
        parts.append(f"{what.capitalize()} {rng.randint(100, 9_999)} {did} {when}. ")
        length += len(parts[-1])
    return "".join(parts)[:size].strip()


def question(rng: random.Random, tokens: int) -> str:
    """What a customer writes: some of what happened, then a question."""
    asked = rng.choice(ASKED).format(f"{rng.choice(THINGS)} {rng.randint(100, 9_999)}")
    told = tokens - len(asked) // BYTES_PER_TOKEN
    return f"{prose(rng, told)} {asked}" if told > 0 else asked


def said(text: str) -> list[Json]:
    return [{"type": "text", "text": text}]


def chat(system: str, turns: list[Json]) -> Json:
    messages = [{"role": "system", "content": system}, *turns] if system else turns
    return {"model": "auto", "max_tokens": ANSWER_TOKENS, "messages": messages}


def one_shot(rng: random.Random, key: str, calls: int = 120) -> Iterator[Asked]:
    """Every prompt comes once: short questions, and long texts to be summed up."""
    at_s = 0.0
    for n in range(calls):
        at_s += rng.choice((2, 20, 60, 400)) * rng.uniform(0.5, 1.5)
        asked = question(rng, rng.randint(20, 300))
        if n % 3 == 2:
            text = prose(rng, rng.randint(3_000, 12_000))
            asked = f"Sum up in three sentences what happened:\n\n{text}"
        system = "You are a helpful assistant." if n % 2 else ""
        body = chat(system, [{"role": "user", "content": asked}])
        yield Asked(at_s, key, CHAT, body, said(prose(rng, rng.randint(100, 600))))


def made_instructions(rng: random.Random, key: str, calls: int = 60) -> Iterator[Asked]:
    """Long system prompts that are made for one call each, and never come again."""
    for n in range(calls):
        system = prose(rng, rng.randint(1_500, 6_000))
        body = chat(system, [{"role": "user", "content": question(rng, 40)}])
        yield Asked(n * 200 + rng.uniform(0, 60), key, CHAT, body, said(prose(rng, 200)))


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
        asked = question(rng, rng.randint(*question_tokens))
        history = [*history, {"role": "user", "content": asked}]
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
            asked, answer = question(rng, rng.randint(20, 80)), prose(rng, rng.randint(150, 400))
            found = f"Context:\n{prose(rng, 8_000)}\n\nQuestion: {asked}"
            turns = [*history, {"role": "user", "content": found}]
            yield Asked(at_s, key, CHAT, chat(system, turns), said(answer))
            history += [
                {"role": "user", "content": asked},
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
        messages: list[Json] = [{"role": "user", "content": question(rng, rng.randint(200, 600))}]
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
        "input": {"path": f"src/{rng.randrange(40)}/{rng.randrange(90)}.py"},
    }


def mixed_keys(rng: random.Random, key: str) -> Iterator[Asked]:
    """A smaller one of each, at the same time, each by a key of its own."""
    yield from one_shot(rng, f"{key}-batch", 40)
    yield from made_instructions(rng, f"{key}-made", 15)
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
    "made prompts": made_instructions,
    "mixed keys": mixed_keys,
}
LEARNED = tuple(
    name for name in WORKLOADS if name != "one-shot"
)  # that nothing is known of at first


def workload(name: str, seed: int) -> list[Asked]:
    """Its calls as they come.  The same seed makes the same ones."""
    rng = random.Random(f"{name} {seed}")  # noqa: S311 - no secret
    calls = sorted(WORKLOADS[name](rng, name.replace(" ", "-")), key=lambda call: call.at_s)
    assert all(earlier.at_s <= later.at_s for earlier, later in pairwise(calls))
    return calls
