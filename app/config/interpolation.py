"""`${NAME}` and `${NAME:-default}` in a file's strings, taken from the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping

from app.config.environment import has_controls
from app.config.problems import KeyPath, Problem, path_text
from app.config.yaml_text import Document

_PLACE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{")
_API_KEY = ("upstreams", None, "api_key")


class FromEnvironment(str):
    """Text that was (partly) taken from the environment; `written` is what the file says.

    Where a number or a truth value is wanted, it is read as if it stood there unquoted.
    """

    __slots__ = ("written",)

    written: str

    @classmethod
    def made(cls, text: str, written: str) -> FromEnvironment:
        """`text`, remembering what stands in the file."""
        made = cls(text)
        made.written = written
        return made


def interpolated(
    document: Document, tree: object, environ: Mapping[str, str]
) -> tuple[object, list[Problem]]:
    """`tree` with every place filled in, and a problem for each one that can't be.

    An upstream's `api_key` with an unset or empty variable becomes None: that upstream is off.
    `$${NAME}` stands for a literal `${NAME}`; an empty variable takes the default, and is a problem
    where it has none and nothing stands beside it.
    """
    filling = _Filling(document, environ)
    return filling.value(tree, ()), filling.problems


class _Filling:
    def __init__(self, document: Document, environ: Mapping[str, str]) -> None:
        self._document = document
        self._environ = environ
        self.problems: list[Problem] = []

    def value(self, value: object, path: KeyPath) -> object:
        if isinstance(value, dict):
            return {key: self.value(child, (*path, key)) for key, child in value.items()}
        if isinstance(value, list):
            return [self.value(child, (*path, n)) for n, child in enumerate(value)]
        if isinstance(value, str) and "${" in value:
            return self._text(value, path)
        return value

    def _text(self, written: str, path: KeyPath) -> str | None:
        parts, end, optional = [], 0, _is_api_key(path)
        for place in _PLACE.finditer(written):
            name, default = place.groups()
            parts.append(written[end : place.start()])
            end = place.end()
            if name is None:
                if place[0] == "${":
                    self._note(path, "'${' without a name and '}'", "${NAME} or ${NAME:-default}")
                parts.append("${")
                continue
            found = self._environ.get(name)
            if found is not None:
                found = found.strip()
            if default is not None:
                found = found or default
            if not found and optional:
                return None
            if found is None:
                self._note(path, f"the variable {name} is not set", "set it, or ${NAME:-default}")
            elif not found and default is None and place[0] == written.strip():
                # Nothing at all would be read as null, and a limit would be gone.
                self._note(path, f"the variable {name} is empty", "a value, or ${NAME:-default}")
            elif has_controls(found):
                self._note(path, f"the variable {name} holds a control character", "plain text")
            parts.append(found or "")
        return FromEnvironment.made("".join(parts) + written[end:], written)

    def _note(self, path: KeyPath, value: str, allowed: str) -> None:
        line = self._document.line(path)
        self.problems.append(Problem(path_text(path), value, allowed, line))


def _is_api_key(path: KeyPath) -> bool:
    return len(path) == len(_API_KEY) and (path[0], path[2]) == (_API_KEY[0], _API_KEY[2])
