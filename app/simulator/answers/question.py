"""What the person asks for, as far as the simulated model can tell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import orjson

from app.simulator.json_values import JsonObject, as_objects, content_blocks

_WORD: Final = re.compile(r"[^\W\d_]{4,}")
_QUOTED: Final = re.compile(r"\"([^\"\n]{1,200})\"|'([^'\n]{1,200})'(?!\w)|“([^”\n]{1,200})”")
_NAMED: Final = re.compile(
    r"\b(?:about|at|between|for|from|in|near|of|on|to|with)\s+"
    r"([^\W\d_a-z][\w.'-]*(?:,?[ ]+[^\W\d_a-z][\w'-]*){0,5})"
)
_NUMBER: Final = re.compile(r"(?<![\w.])-?\d{1,15}(?:\.\d+)?(?!\w)")
_LENGTH: Final = re.compile(r"(\d{1,5})\s+words\b")
_MOST_TOPICS: Final = 8
_MOST_SCANNED_CHARS: Final = 20_000
_MOST_SPOKEN_CHARS: Final = 2_000
_INSERTED: Final = re.compile(r"\s*<[a-z][\w-]*>")
_COMMON: Final = frozenset(
    """
    about above after again also always another answer because been before being below between
    both call could describe does doing down each explain from give have here into just keep
    know like list long look make many more most much must near need only other over please
    question really same shall short should show some such tell than that their them then
    there these they thing this those through tool under until user using very want well were
    what when where which while will with words work works would write your yours
    """.split()  # noqa: SIM905 (words are read best as prose)
)


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    """What the person said last, whatever tools have answered since."""
    topics: tuple[str, ...]
    quoted: tuple[str, ...]
    """What stands in quotation marks, then what bears a name of its own ("in Oslo")."""
    numbers: tuple[str, ...]
    asked_words: int | None
    """How long an answer was asked for ("in 300 words")."""
    tool_results: tuple[str, ...]
    called: tuple[str, ...]
    """The tools called since then, in order."""
    calls_so_far: int
    """Tool calls in the whole conversation."""
    seed: bytes
    """32 bytes that depend on the question and the length of the conversation."""


def read_question(body: JsonObject) -> Question:
    messages = as_objects(body.get("messages"))
    asked_at, text = _last_said(messages)
    scanned = text[-_MOST_SCANNED_CHARS:]
    length = _LENGTH.search(scanned)
    results = tuple(_result_text(block) for block in _last_results(messages))
    words = [word for word in _WORD.findall(scanned) if word.lower() not in _COMMON]
    quoted = ["".join(groups) for groups in _QUOTED.findall(scanned)]
    return Question(
        text=scanned,
        topics=tuple(dict.fromkeys(words))[:_MOST_TOPICS],
        quoted=(*quoted, *(name.rstrip(".,") for name in _NAMED.findall(scanned))),
        numbers=tuple(_NUMBER.findall(scanned)),
        asked_words=int(length[1]) if length else None,
        tool_results=results,
        called=tuple(_called(messages[asked_at + 1 :])),
        calls_so_far=len(_called(messages)),
        seed=blake2b(orjson.dumps([text, results, len(messages)]), digest_size=32).digest(),
    )


def _last_said(messages: list[JsonObject]) -> tuple[int, str]:
    """Where a person spoke last, and what was said; -1 and nothing when nobody did."""
    for at in range(len(messages) - 1, -1, -1):
        if messages[at].get("role") != "user":
            continue
        blocks = content_blocks(messages[at].get("content"))
        if any(block.get("type") == "tool_result" for block in blocks):
            continue  # what stands beside a result is the agent's, not the person's
        text = "\n".join(_spoken([str(b["text"]) for b in blocks if b.get("type") == "text"]))
        if text:
            return at, text
    return -1, ""


def _spoken(texts: list[str]) -> list[str]:
    """The texts that a person typed, as far as one can tell.

    Agents add reminders in tags, and pages of instructions; a long text alone is a question.
    """
    typed = [text for text in texts if not _INSERTED.match(text)]
    short = [text for text in typed if len(text) <= _MOST_SPOKEN_CHARS]
    return short or typed or texts


def _last_results(messages: list[JsonObject]) -> list[JsonObject]:
    """The tool results that wait for an answer."""
    users = [message for message in messages if message.get("role") == "user"]
    blocks = content_blocks(users[-1].get("content")) if users else []
    return [block for block in blocks if block.get("type") == "tool_result"]


def _called(messages: list[JsonObject]) -> list[str]:
    return [
        str(block.get("name"))
        for message in messages
        if message.get("role") == "assistant"
        for block in content_blocks(message.get("content"))
        if block.get("type") == "tool_use"
    ]


def _result_text(block: JsonObject) -> str:
    content = content_blocks(block.get("content"))
    return " ".join(str(inner["text"]) for inner in content if inner.get("type") == "text")
