"""What scoring a request takes, by the length of its prompt, and for prompts made to be slow.

    python bench/routing.py [--rounds 2000]

Prints a table in microseconds of CPU: of the score alone, and of the walk over the request that
measures it for everything else too (bounds, breakpoints) and that grows with the prompt.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import yaml

from app.config.weights import shipped_weights
from app.core.measure import measure
from app.core.request import Request
from app.core.scoring import scored

PROMPTS = Path(__file__).parents[1] / "tests" / "core" / "prompts.yaml"
SENTENCE = "If f(x) = 2, then why does `g_h(y)` not converge, and which steps are wrong? "
LENGTHS = (0, 100, 1_000, 4_000, 100_000, 1_000_000)
SLOW = {
    "dollars": "$",
    "open formulas": "$a",
    "blank lines": "\n",
    "indents": " \t",
    "underscores": "a_",
    "list entries": "- x\n",
    "other scripts": "\u3042",
    "words of the lists": "prove why if not and then ",
}
FEWEST_ROUNDS = 20
MICRO = 1e6


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=2_000)
    rounds = parser.parse_args().rounds
    print(f"{'':34}{'score p50':>12}{'p99':>10}{'measure p50':>14}")
    for name, request in requests():
        weights, size = shipped_weights(), measure(request)
        p50, p99 = taken(partial(scored, request, size, weights), rounds)
        walked = rounds if size.text_chars < LENGTHS[4] else FEWEST_ROUNDS
        walk, _ = taken(partial(measure, request), walked)
        print(f"{name:34}{p50:>12,.1f}{p99:>10,.1f}{walk:>14,.1f}")


def requests() -> Iterator[tuple[str, Request]]:
    """A request of each kind, by what it is."""
    typical = yaml.safe_load(PROMPTS.read_text("utf-8"))
    for tier, prompts in typical.items():
        middle = sorted(prompts, key=len)[len(prompts) // 2]
        yield f"typical of {tier}, {len(middle)} characters", asks(middle)
    for length in LENGTHS:
        text = (SENTENCE * (length // len(SENTENCE) + 1))[:length]
        yield f"{length:,} characters", asks(text)
    tool = {"name": "f", "description": SENTENCE, "input_schema": {"type": "object"}}
    turn = {"role": "user", "content": [{"type": "text", "text": SENTENCE}]}
    agent = replace(asks(SENTENCE), messages=(turn,) * 99, tools=(tool,) * 20)
    yield "100 turns, 20 tools", agent
    for name, text in SLOW.items():
        yield f"1,000,000 characters: {name}", asks((text * 1_000_000)[:1_000_000])


def asks(text: str) -> Request:
    return Request(model="auto", messages=({"role": "user", "content": text},))


def taken(work: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Half of the rounds, and all but a hundredth, took no longer than so many microseconds."""
    times = []
    for _ in range(rounds):
        began = time.thread_time()
        work()
        times.append((time.thread_time() - began) * MICRO)
    times.sort()
    return times[rounds // 2], times[rounds * 99 // 100]


if __name__ == "__main__":
    main()
