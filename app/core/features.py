"""What is counted in a request to tell how hard it is: its last user turn, and its shape.

Whatever the prompt's length, only the beginning and the end of the turn are read.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from app.core.request import as_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from app.core.measure import Measure
    from app.core.request import Block, Message, Request

HEAD_CHARS = 3_000
TAIL_CHARS = 1_000
SYSTEM_CHARS = 1_000
TEXTS_KEPT = 512  # system prompts and what was counted in them: most calls come with one of a few
LONG_ANSWER_CHARS = 400  # a shorter one that ends without a stop may be meant so
SHORT_ANSWER_TOKENS = 64
SEVERAL = ("joined", "steps", "commas")
HARD_EFFORTS = frozenset({"high", "xhigh", "max"})
MEASURED = (
    "words",
    "asked",
    "notation",
    "code",
    "names",
    "commas",
    "tools",
    "schema_bytes",
    "tool_calls",
    "several_calls",
    "turns",
    "failed_results",
    "cut_answers",
    "short_answer",
    "asked_effort",
)
"""What is counted without a list of words."""

_WORD = re.compile(r"[^\W\d_]+")
# Of each ASCII character: a letter in lower case, or a blank for whatever else.
_LETTERS = "".join(chr(n).lower() if chr(n).isalpha() else " " for n in range(128))
_NAME = re.compile(r" (?<=[a-z,] )[A-Z]")  # the blank first: it is looked for fast
_NOTATION = re.compile(r"\\[a-zA-Z]+|[=^≤≥≠≈∑∏∫√∈∀∃∞→]|\$[^$\s\d][^$\n]{0,80}\$")
_SNAKE = re.compile(r"_[a-z]")
_CODE = (
    *("```", "()", "==", "!=", "->", "=>", "::", ";\n", "{\n"),
    *("\ndef ", "\n    def ", "\nclass ", "\nimport "),
)
# One look for what every notation, and every piece of code, has in it: most texts have nothing.
_OF_NOTATION, _OF_CODE = r"\\=^≤≥≠≈∑∏∫√∈∀∃∞→$", r"`_=>:;{(\n"
_MAY_HOLD_NOTATION = re.compile(f"[{_OF_NOTATION}]")
_MAY_HOLD_CODE = re.compile(f"[{_OF_CODE}]")
_MAY_HOLD_EITHER = re.compile(f"[{_OF_NOTATION}{_OF_CODE}]")
_HOLDS_CODE = re.compile("|".join([*map(re.escape, _CODE), _SNAKE.pattern]))
_ENTRY = re.compile(r"^[ \t]{0,8}(?:[-*•]|\d{1,3}[.)])[ \t]", re.MULTILINE)
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")  # written without blanks
_ENDS = frozenset(".!?:;)]}>`\"'*|。！？")  # noqa: RUF001 - as Chinese and Japanese end theirs


class Lexicon:
    """Which features a word counts for; words stand in lower case."""

    def __init__(self, features: Mapping[str, tuple[str, ...]]) -> None:
        self._features = features
        self.kept: Callable[[str], Mapping[str, int]] = lru_cache(TEXTS_KEPT)(self.counts)
        """The same as `counts`, of a text that was perhaps counted before."""

    def counts(self, text: str) -> dict[str, int]:
        """How many words of the text count for each feature that has any."""
        features = self._features
        counts: dict[str, int] = {}
        for word in filter(features.__contains__, words_of(text)):
            for name in features[word]:
                counts[name] = counts.get(name, 0) + 1
        return counts


def words_of(text: str) -> list[str]:
    """Its runs of letters, in lower case."""
    if text.isascii():
        return text.translate(_LETTERS).split()
    return _WORD.findall(text.lower())


def counted(request: Request, size: Measure, turn: Lexicon, system: Lexicon) -> dict[str, int]:
    """Every feature that is there, by its name.

    `turn` is asked for the words of the last user turn, `system` for those of the system prompt.
    """
    text = clipped(_last_texts(request.messages))
    counts = turn.counts(text)
    if request.system:
        counts.update(system.kept(" ".join(_texts(request.system[:4]))[:SYSTEM_CHARS]))
    _count_marks(text, counts)
    _count_shape(request, size, counts)
    return {name: n for name, n in counts.items() if n > 0} if 0 in counts.values() else counts


def clipped(texts: Sequence[str]) -> str:
    """The texts one after the other; of a long one its beginning and its end."""
    if sum(map(len, texts)) <= HEAD_CHARS + TAIL_CHARS:
        return texts[0] if len(texts) == 1 else "\n".join(texts)
    head = "\n".join(_up_to(HEAD_CHARS, texts))[:HEAD_CHARS]
    tail = "\n".join(reversed(list(_up_to(TAIL_CHARS, reversed(texts)))))[-TAIL_CHARS:]
    return f"{head}\n{tail}"


def _up_to(chars: int, texts: Iterable[str]) -> Iterable[str]:
    """As many of them as it takes to have so many characters."""
    for text in texts:
        yield text
        chars -= len(text)
        if chars <= 0:
            return


def _last_texts(messages: Sequence[Message]) -> list[str]:
    """The texts of the last user turn that has one: what follows it are results of tools."""
    for message in reversed(messages):
        if message.get("role") == "user":
            content = message.get("content")
            texts = [content] if isinstance(content, str) else list(_texts(content or ()))
            if texts:
                return texts
    return []


def _texts(blocks: Iterable[Block]) -> Iterable[str]:
    for block in blocks:
        if block.get("type") == "text" and isinstance(block.get("text"), str):
            yield block["text"]


def _count_marks(text: str, counts: dict[str, int]) -> None:
    words = len(text.split())
    counts["words"] = words if text.isascii() else words + len(_UNSPACED.findall(text)) // 2
    if "?" in text:
        counts["asked"] = text.count("?")
    if "," in text:
        counts["commas"] = text.count(",")
    names = _NAME.findall(text)
    if names:
        counts["names"] = len(names)
    if not _MAY_HOLD_EITHER.search(text):
        return
    if _MAY_HOLD_NOTATION.search(text):
        counts["notation"] = len(_NOTATION.findall(text))
    if _MAY_HOLD_CODE.search(text) and _HOLDS_CODE.search(text):
        counts["code"] = sum(map(text.count, _CODE)) + len(_SNAKE.findall(text))
    if "\n" in text:
        counts["asked"] = counts.get("asked", 0) + len(_ENTRY.findall(text))


def _count_shape(request: Request, size: Measure, counts: dict[str, int]) -> None:
    if size.tools:
        counts["tools"] = size.tools - 1
        counts["schema_bytes"] = size.tools_prefix_bytes
        counts["tool_calls"] = 1
        counts["several_calls"] = sum(counts.get(name, 0) for name in SEVERAL)
    if size.messages > 1:
        counts["turns"] = size.messages - 1
        counts["failed_results"] = _failed_results(request.messages[-1])
        counts["cut_answers"] = _breaks_off(request.messages)
    if request.max_tokens is not None and request.max_tokens <= SHORT_ANSWER_TOKENS:
        counts["short_answer"] = 1
    if request.options or request.reasoning_effort:
        counts["asked_effort"] = _asks_for_effort(request)


def _failed_results(message: Message) -> int:
    return sum(
        block.get("type") == "tool_result" and block.get("is_error") is True
        for block in as_blocks(message.get("content"))
        if isinstance(block, dict)
    )


def _breaks_off(messages: Sequence[Message]) -> bool:
    """Whether the answer before the last turn is long and ends in the middle of something."""
    before = messages[-2]
    if before.get("role") != "assistant":
        return False
    texts = list(_texts(b for b in as_blocks(before.get("content")) if isinstance(b, dict)))
    last = texts[-1].rstrip() if texts else ""
    return len(last) >= LONG_ANSWER_CHARS and last[-1] not in _ENDS


def _asks_for_effort(request: Request) -> bool:
    options: Mapping[str, Any] = request.options
    effort = (options.get("output_config") or {}).get("effort") or request.reasoning_effort
    thinking = (options.get("thinking") or {}).get("type")
    return effort in HARD_EFFORTS or thinking in ("enabled", "adaptive")
