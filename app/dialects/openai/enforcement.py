"""JSON schemas that the vendor enforces, rewritten as its own SDK does it.

What can't be enforced is told in the description.  A schema that would then mean something else
(an open object would be an empty one, a recursion is refused) is not enforced at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

from app.core.values import value
from app.dialects.openai.schemas import (
    COMBINED,
    DEFINITIONS,
    PROPERTY_NAME,
    Schema,
    definition,
    properties_of,
    required_of,
    resolved,
    told,
)

FORMATS: Final = frozenset(
    {
        "date",
        "date-time",
        "duration",
        "email",
        "hostname",
        "ipv4",
        "ipv6",
        "time",
        "uri",
        "uuid",
    }
)
# what the vendor enforces in one request, tools and the form of the answer together
MOST_STRICT: Final = 20  # tools
MOST_OPTIONAL: Final = 24  # properties
MOST_UNIONS: Final = 16
_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_ABOUT: Mapping[str, tuple[str, ...]] = {
    "object": ("properties", "required", "additionalProperties", "patternProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems"),
}
_SAYS_NOTHING = frozenset({"$schema", "$id", "$comment"})


@value
class Enforced:
    """A schema that the vendor can enforce, with what it counts against the vendor's limits.

    `optional` properties and `unions` of types.
    """

    schema: Schema
    optional: int
    unions: int


@dataclass(slots=True)
class Room:
    """What is left of the vendor's limits for one request."""

    tools: int = MOST_STRICT
    optional: int = MOST_OPTIONAL
    unions: int = MOST_UNIONS

    def take(self, fitted: Enforced, *, tool: bool) -> bool:
        """Whether there is room for it, which is then taken."""
        left = (self.tools - tool, self.optional - fitted.optional, self.unions - fitted.unions)
        if min(left) < 0:
            return False
        self.tools, self.optional, self.unions = left
        return True


def enforced(given: Mapping[str, Any]) -> Enforced | None:
    """The schema as the vendor enforces it; None where that would mean something else."""
    root = resolved(given, given)
    walk = _Walk(root)
    schema = walk.fit(root)
    if not walk.sound or walk.is_recursive() or not schema.keys().isdisjoint(COMBINED):
        return None
    return Enforced(schema, walk.optional, walk.unions)


@dataclass(slots=True)
class _Walk:
    """One walk through a schema that is to be enforced.

    `sound` until something turns up that can't be; `within` is the definition under way.
    """

    root: Schema
    sound: bool = True
    optional: int = 0
    unions: int = 0
    within: str = ""
    refers: dict[str, set[str]] = field(default_factory=dict)

    def fit(self, part: object) -> Schema:
        """The part as it is enforced."""
        if not isinstance(part, dict):
            self.sound = False
            return {}
        node = _alone(part)
        fitted: Schema = {}
        for name in DEFINITIONS:
            if isinstance(node.get(name), dict):
                fitted[name] = self._definitions(name, node[name])
        reference = node.get("$ref")
        if reference is not None:
            self._refer(reference)
            return {**fitted, "$ref": reference}
        kinds = _kinds(node)
        if len(kinds) > 1:
            self.unions += 1
            if "object" in kinds or "array" in kinds:
                return {**fitted, **self._split(node, kinds)}
        return self._fields(node, kinds, fitted)

    def is_recursive(self) -> bool:
        """Whether a definition leads back to itself."""
        try:
            TopologicalSorter(self.refers).prepare()
        except CycleError:
            return True
        return False

    def _definitions(self, place: str, given: Mapping[str, Any]) -> Schema:
        around, fitted = self.within, {}
        for name, part in given.items():
            self.within = f"#/{place}/{name}"
            self.refers.setdefault(self.within, set())
            fitted[name] = self.fit(part)
        self.within = around
        return fitted

    def _refer(self, reference: object) -> None:
        if definition(reference, self.root) is None:
            self.sound = False
        else:
            self.refers.setdefault(self.within, set()).add(str(reference))

    def _split(self, node: Schema, kinds: list[str]) -> Schema:
        """Each type as a choice of its own, with the fields that are about it."""
        words: Schema = {name: node[name] for name in ("title", "description") if name in node}
        choices = []
        for kind in kinds:
            others = {name for other, names in _ABOUT.items() if other != kind for name in names}
            about = {k: v for k, v in node.items() if k not in others.union(words, DEFINITIONS)}
            choices.append(self.fit({**about, "type": kind}))
        return {**words, "anyOf": choices}

    def _fields(self, node: Schema, kinds: list[str], fitted: Schema) -> Schema:
        """The fields in their order; what can't be enforced goes to the description."""
        combined = "" if kinds else _combined(node)
        says_what = bool(kinds or combined or _literals(node))
        if not says_what or combined == "allOf" or not _TYPES.issuperset(kinds):
            self.sound = False
        beside: Schema = {}
        if kinds and "type" not in node:
            fitted["type"] = kinds[0]
        for name, part in node.items():
            if name in _SAYS_NOTHING or name in DEFINITIONS or (name == "type" and not kinds):
                continue
            if combined and name == combined:
                self.unions += 1
                fitted["anyOf"] = [self.fit(choice) for choice in part]
            elif name == "type":
                fitted[name] = kinds[0] if len(kinds) == 1 else part
            elif _stays(name, part, kinds):
                fitted[name] = part
            elif name == "items" and kinds == ["array"]:
                fitted[name] = self.fit(part)
            else:
                beside[name] = part
        if kinds == ["object"]:
            self._close(node, fitted)
        return told(fitted, beside)

    def _close(self, node: Schema, fitted: Schema) -> None:
        """An object with the properties that it names, and no others."""
        named, more = properties_of(node), node.get("additionalProperties")
        if not isinstance(node.get("properties", {}), dict):
            self.sound = False
        is_open = more not in (None, False) or bool(node.get("patternProperties"))
        is_open = is_open or (more is None and "properties" not in node)
        if is_open or not all(map(PROPERTY_NAME.fullmatch, named)):
            self.sound = False
        self.optional += len(named.keys() - set(required_of(node)))
        fitted["properties"] = {name: self.fit(part) for name, part in named.items()}
        fitted["additionalProperties"] = False


def _alone(part: Schema) -> Schema:
    """A part that is all of one other: that one, with the words around it."""
    one = part.get("allOf")
    if not isinstance(one, list) or len(one) != 1 or not isinstance(one[0], dict):
        return part
    return _alone({**one[0], **{name: v for name, v in part.items() if name != "allOf"}})


def _kinds(node: Schema) -> list[str]:
    """The node's types; none where a choice or a literal says what it is."""
    if _literals(node):
        return []
    kind = node.get("type")
    if kind is None:
        if "properties" in node:
            return ["object"]
        return ["array"] if "items" in node or "prefixItems" in node else []
    return [str(one) for one in (kind if isinstance(kind, list) else [kind])]


def _combined(node: Schema) -> str:
    """Which choice the node is, if it is one."""
    return next((name for name in COMBINED if node.get(name) and type(node[name]) is list), "")


def _literals(node: Schema) -> bool:
    return any(name in node and _is_literal(name, node[name]) for name in ("enum", "const"))


def _is_literal(name: str, part: object) -> bool:
    if name == "const":
        return not isinstance(part, (dict, list))
    return isinstance(part, list) and part != [] and all(_is_literal("const", p) for p in part)


def _stays(name: str, part: object, kinds: list[str]) -> bool:
    """Whether the vendor enforces or reads this field as it is."""
    if name in ("enum", "const"):
        return _is_literal(name, part)
    if name == "format":
        return isinstance(part, str) and part in FORMATS and kinds == ["string"]
    if name == "minItems":
        return type(part) is int and part in (0, 1) and kinds == ["array"]
    if name in ("properties", "required", "additionalProperties"):
        return kinds == ["object"]
    return name in ("title", "description")
