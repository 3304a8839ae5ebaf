"""Short English sentences on the words of the question."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from app.simulator.answers.question import Question

_OPENINGS: Final = (
    "Here is a short answer about {a}.",
    "Let us look at {a} together.",
    "The main point about {a} is simple.",
    "In brief, {a} comes down to a few things.",
    "There are several ways to see {a}.",
)
_SENTENCES: Final = (  # a prime number of them, so that every step visits them all
    "It helps to keep {a} and {b} apart from the start.",
    "Most of the difficulty lies in {b}, not in {a}.",
    "A good first step is to write down what {a} has to do.",
    "In practice {a} depends on {b} more than people expect.",
    "Small changes to {b} can have a large effect on {a}.",
    "One common mistake is to treat {a} as if it were {b}.",
    "You can check this by comparing {a} before and after.",
    "The details of {b} matter less than the order of the steps.",
    "If {a} is unclear, start with a smaller example.",
    "Both {a} and {b} follow the same basic rule.",
    "This works well as long as {b} stays within limits.",
    "Over time {a} becomes easier to judge.",
    "The evidence for {b} is good, though not complete.",
    "It is worth measuring {a} rather than guessing.",
    "When in doubt, prefer the simpler form of {b}.",
    "That is why {a} is often explained through {b}.",
    "A second look at {b} usually settles the matter.",
)
_THOUGHTS: Final = (
    "The question is about {a}.",
    "I should consider how {b} bears on it.",
    "First I look at what is given.",
    "Then I compare {a} with {b}.",
    "One reading seems more likely than the others.",
    "I check the result once more.",
    "The answer should stay short and clear.",
)
_FALLBACK: Final = ("this question", "the context")
_LEAST_SENTENCES: Final = 4
_MOST_ASKED_WORDS: Final = 60_000


def prose(question: Question) -> str:
    """Five to eight sentences, or as many words as were asked for."""
    sentences = _sentences(question)
    if question.asked_words is None:
        return " ".join(islice(sentences, _LEAST_SENTENCES + 1 + question.seed[0] % 4))
    wanted = min(question.asked_words, _MOST_ASKED_WORDS)
    words: list[str] = []
    while len(words) < wanted:
        words.extend(next(sentences).split(" "))
    return " ".join(words[:wanted])


def thoughts(question: Question, sentences: int) -> str:
    return " ".join(
        _filled(_THOUGHTS[at % len(_THOUGHTS)], question, at) for at in range(sentences)
    )


def _sentences(question: Question) -> Iterator[str]:
    seed = question.seed
    yield _filled(_OPENINGS[seed[1] % len(_OPENINGS)], question, 0)
    start, step = seed[2], 1 + seed[3] % (len(_SENTENCES) - 1)
    at = 0
    while True:
        yield _filled(_SENTENCES[(start + at * step) % len(_SENTENCES)], question, at)
        at += 1


def _filled(sentence: str, question: Question, at: int) -> str:
    topics = question.topics if len(question.topics) > 1 else (*question.topics, *_FALLBACK)[:2]
    return sentence.format(a=topics[at % len(topics)], b=topics[(at + 1) % len(topics)])
