"""Which tool a question is about, judged by the words that the two share."""

from __future__ import annotations

import re
from typing import Final

from app.simulator.json_values import JsonObject, as_object

_TOKEN: Final = re.compile(r"[\w-]+")
_PART: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_SENTENCE_CHARS: Final = 160  # of a description: what a tool is for stands at its beginning
_LEAST_SHARED: Final = 3
_LEAST_PART_CHARS: Final = 3
_VERBS: Final = frozenset(
    """
    add apply ask call check compute create delete do edit execute fetch find get give list look
    lookup make my open process put query read retrieve return run search send set show tell test
    tool update use write
    """.split()  # noqa: SIM905 (words are read best as prose)
)
_FILLERS: Final = frozenset(
    """
    a about all an and any are as at be by can do does each for from given how if in input into is
    it its of on or output over such than that the them then these this those to tool using value
    values was were what when where which who why will with would you your
    """.split()  # noqa: SIM905 (words are read best as prose)
)


def most_relevant(tools: list[JsonObject], text: str) -> list[JsonObject]:
    """The one tool that the text is about, as a list; empty when it is about none.

    Either the text has every word of the tool's name, verbs aside ("the weather" for
    `get_weather`), or three words of its description and parameters.
    """
    words = {_stem(word) for word in _TOKEN.findall(text.lower())} - _FILLERS
    best: tuple[int, JsonObject] | None = None
    for tool in tools:
        score = _score(tool, words)
        if score and (best is None or score > best[0]):
            best = score, tool
    return [best[1]] if best is not None else []


def _score(tool: JsonObject, words: set[str]) -> int:
    """0 when the tool has nothing to do with these words."""
    parts = {part.lower() for part in _PART.findall(str(tool["name"]))} - _VERBS - _FILLERS
    name = {_stem(part) for part in parts if len(part) >= _LEAST_PART_CHARS}
    described = str(tool.get("description") or "")[:_SENTENCE_CHARS]
    parameters = " ".join(as_object(as_object(tool.get("input_schema")).get("properties")))
    told = _TOKEN.findall(f"{described} {parameters.replace('_', ' ')}".lower())
    shared = len(({_stem(word) for word in told} - _FILLERS) & words)
    if name and name <= words:
        return 10 * len(name) + shared
    return shared if shared >= _LEAST_SHARED else 0


def _stem(word: str) -> str:
    """Singular and plural are one."""
    return word.removesuffix("s") if len(word) > _LEAST_PART_CHARS else word
