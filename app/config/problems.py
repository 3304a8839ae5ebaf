"""What is wrong with a file of settings or prices, told so that it can be put right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to correct: `value` is as written, or a stand-in where it may be a secret."""

    key_path: str
    value: str
    allowed: str
    line: int | None = None


class ConfigError(Exception):
    """A file can't be used.  The attributes are those of the first of all its `problems`."""

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        first = problems[0]
        self.file = file
        self.problems = tuple(problems)
        self.key_path, self.value, self.allowed = first.key_path, first.value, first.allowed
        super().__init__("\n".join(_sentence(file, problem) for problem in problems))


def path_text(path: KeyPath) -> str:
    """('models', 'x', 'aliases', 0) -> 'models.x.aliases.0'."""
    return ".".join(map(str, path))


def unknown_key(path: KeyPath, known: Iterable[str], line: int | None = None) -> Problem:
    """The problem of a name that nothing reads, with the nearest one that something does."""
    names = sorted(known)
    key = str(path[-1])
    near = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? known here: " if near else "known here: "
    return Problem(path_text(path), f"unknown key {key!r}", hint + ", ".join(names), line)


def _sentence(file: str, problem: Problem) -> str:
    place = file if problem.line is None else f"{file}, line {problem.line}"
    path = f" {problem.key_path}:" if problem.key_path else ""
    return f"{place}:{path} {problem.value}; allowed: {problem.allowed}"
