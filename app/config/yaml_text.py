"""YAML as plain values, with every number read from its text: never through float."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

import yaml

from app.config.problems import ConfigError, KeyPath, Problem, path_text

MOST_DIGITS = 60

_INT = re.compile(r"[-+]?[0-9]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,6})?", re.ASCII)
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", re.ASCII)
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_YAML_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map"))

Plain = None | bool | int | Decimal | str


class _Composer(yaml.SafeLoader):
    """Composes nodes without guessing any type: `plain` does that, by YAML 1.2's rules."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - the base class declares it


def plain(text: str) -> Plain:
    """What an unquoted scalar means: `off` and `010` are text, `3e-6` is exactly that number."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > MOST_DIGITS:
        return text
    if _INT.fullmatch(text) and (text.lstrip("-+") == "0" or text.lstrip("-+")[0] != "0"):
        return int(text)
    if _FLOAT.fullmatch(text) and not _INT.fullmatch(text):
        return Decimal(text)
    if _NOT_FINITE.fullmatch(text):
        return Decimal(text.replace(".", ""))
    return text


@dataclass(frozen=True, slots=True)
class Document:
    """The values of one YAML file, and the line that each key path stands on."""

    file: str
    tree: object
    lines: Mapping[KeyPath, int]

    def line(self, path: KeyPath) -> int | None:
        """The line of `path`, or of the nearest key above it that is written down."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return None


def read_yaml(text: str, file: str) -> Document:
    """The one document in `text`; a file that says nothing is an empty mapping.

    Raises ConfigError: broken YAML, a key given twice or that isn't text, a tag, a loop.
    """
    try:
        node = yaml.compose(text, _Composer)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        broken = Problem("", str(error.problem or error.context), "valid YAML", line)
        raise ConfigError(file, [broken]) from error
    except yaml.YAMLError as error:
        raise ConfigError(file, [Problem("", "unreadable text", "valid YAML in UTF-8")]) from error
    except RecursionError as error:
        raise ConfigError(file, [Problem("", "nested too deeply", "a few levels")]) from error
    if node is None:
        return Document(file, {}, {})
    reading = _Reading()
    tree = reading.value(node, (), ())
    if reading.problems:
        raise ConfigError(file, reading.problems)
    return Document(file, {} if tree is None else tree, reading.lines)


class _Reading:
    """One walk over the nodes, noting lines and problems on the way."""

    def __init__(self) -> None:
        self.lines: dict[KeyPath, int] = {}
        self.problems: list[Problem] = []

    def value(self, node: yaml.Node, path: KeyPath, above: tuple[yaml.Node, ...]) -> object:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if node.tag not in _YAML_TAGS:
            self._note(node, path, f"tag {node.tag!r}", "no tags")
            return None
        if any(node is outer for outer in above):
            self._note(node, path, "a loop of references", "values that end")
            return None
        inside = (*above, node)
        if isinstance(node, yaml.MappingNode):
            return {
                key: self.value(child, (*path, key), inside)
                for key, child in self._pairs(node, path)
            }
        if isinstance(node, yaml.SequenceNode):
            return [self.value(child, (*path, n), inside) for n, child in enumerate(node.value)]
        text = str(node.value)
        return plain(text) if isinstance(node, yaml.ScalarNode) and node.style is None else text

    def _pairs(self, mapping: yaml.MappingNode, path: KeyPath) -> Iterator[tuple[str, yaml.Node]]:
        seen = set()
        for key, child in mapping.value:
            if not isinstance(key, yaml.ScalarNode):
                self._note(key, path, "a key that is a list or mapping", "text as a key")
            elif key.value in seen:
                self._note(key, (*path, key.value), "given twice", "each key once")
            else:
                seen.add(key.value)
                self.lines[(*path, key.value)] = key.start_mark.line + 1
                yield key.value, child

    def _note(self, node: yaml.Node, path: KeyPath, value: str, allowed: str) -> None:
        self.problems.append(Problem(path_text(path), value, allowed, node.start_mark.line + 1))
