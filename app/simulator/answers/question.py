"""What the last user turn asks for, as far as the simulated model can tell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import orjson

from app.simulator.json_values import JsonObject, as_objects, content_blocks

_WORD: Final = re.compile(r"[^\W\d_]{4,}")
_QUOTED: Final = re.compile(r"\"([^\"\n]{1,200})\"|'([^'\n]{1,200})'(?!\w)|“([^”\n]{1,200})”")
_NUMBER: Final = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w])")
_LENGTH: Final = re.compile(r"(\d{1,5})\s+words\b")
_MOST_TOPICS: Final = 8
_MOST_SCANNED_CHARS: Final = 20_000
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
    """The text of the last user turn."""
    topics: tuple[str, ...]
    quoted: tuple[str, ...]
    numbers: tuple[str, ...]
    asked_words: int | None
    """How long an answer was asked for ("in 300 words")."""
    tool_results: tuple[str, ...]
    seed: bytes
    """32 bytes that depend on the question and the length of the conversation."""


def read_question(body: JsonObject) -> Question:
    messages = as_objects(body.get("messages"))
    users = [message for message in messages if message.get("role") == "user"]
    blocks = content_blocks(users[-1].get("content")) if users else []
    text = "\n".join(str(block["text"]) for block in blocks if block.get("type") == "text")
    scanned = text[-_MOST_SCANNED_CHARS:]
    length = _LENGTH.search(scanned)
    results = tuple(_result_text(block) for block in blocks if block.get("type") == "tool_result")
    words = [word for word in _WORD.findall(scanned) if word.lower() not in _COMMON]
    return Question(
        text=scanned,
        topics=tuple(dict.fromkeys(words))[:_MOST_TOPICS],
        quoted=tuple("".join(groups) for groups in _QUOTED.findall(scanned)),
        numbers=tuple(_NUMBER.findall(scanned)),
        asked_words=int(length[1]) if length else None,
        tool_results=results,
        seed=blake2b(orjson.dumps([text, results, len(messages)]), digest_size=32).digest(),
    )


def _result_text(block: JsonObject) -> str:
    content = content_blocks(block.get("content"))
    return " ".join(str(inner["text"]) for inner in content if inner.get("type") == "text")
