"""What a page shows, read from its HTML: tables by caption, tiles, facts, and amounts in sentences.

A figure is its exact amount where that stands in a title, else what is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "input", "br", "hr", "rect", "circle", "line", "polyline"}
AMOUNT = re.compile(r"[+−]?\$[0-9][0-9,]*(?:\.[0-9]+)?")
UNREAD = {"script", "style", "option", "datalist", "dialog", "footer", "nav"}

Row = dict[str, str]


@dataclass
class Node:
    """An element; `parts` are its texts and elements, in order."""

    tag: str
    attrs: dict[str, str]
    parts: list[Node | str] = field(default_factory=list)

    def all(self, tag: str, css: str = "") -> Iterator[Node]:
        """Every element below it of that kind."""
        for part in self.parts:
            if isinstance(part, Node):
                if part.tag == tag and css in f" {part.attrs.get('class', '')} ":
                    yield part
                yield from part.all(tag, css)

    @property
    def text(self) -> str:
        found = (part if isinstance(part, str) else part.text for part in self.parts)
        return " ".join("".join(found).split())

    @property
    def figure(self) -> str:
        """The exact amount, if one stands in a title of it, else the text."""
        for node in (self, *self.below()):
            told = AMOUNT.match(node.attrs.get("title", ""))
            if told is not None and node.tag != "th":
                return told.group()
        return self.text

    def below(self) -> Iterator[Node]:
        for part in self.parts:
            if isinstance(part, Node):
                yield part
                yield from part.below()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Node("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs})
        self.open[-1].parts.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            ended = self.open.pop()
            assert ended.tag == tag, f"<{ended.tag}> is ended by </{tag}>"

    def handle_data(self, data: str) -> None:
        self.open[-1].parts.append(data)


@dataclass
class Shown:
    """`sentences` are the amounts that stand in none of the others."""

    strip: Row
    tiles: list[tuple[str, str, str]]
    facts: Row
    tables: dict[str, list[Row]]
    footers: dict[str, Row]
    inputs: Row
    sentences: list[str]


def shown(html: str) -> Shown:
    reader = _Reader()
    reader.feed(html)
    top = reader.open[0]
    main = next(top.all("main"))
    tables = {_caption(table): table for table in main.all("table")}
    assert len(tables) == len(list(main.all("table"))), "two tables of one name"
    return Shown(
        strip=_pairs(top, " strip "),
        tiles=[_tile(each) for tiles in main.all("dl", " tiles ") for each in tiles.all("div")],
        facts=_pairs(main, " facts "),
        tables={name: [_row(line) for line in _lines(t, "tbody")] for name, t in tables.items()},
        footers={name: _row(line) for name, t in tables.items() for line in _lines(t, "tfoot")},
        inputs={
            each.attrs.get("name", ""): each.attrs.get("value", "") for each in main.all("input")
        },
        sentences=_sentences(main),
    )


def _caption(table: Node) -> str:
    return next(table.all("caption")).text


def _lines(table: Node, part: str) -> Iterator[Node]:
    for body in table.all(part):
        yield from body.all("tr")


def _row(line: Node) -> Row:
    cells = [part for part in line.parts if isinstance(part, Node)]
    first, *others = cells
    return {"": first.figure} | {cell.attrs.get("data-label", ""): cell.figure for cell in others}


def _pairs(top: Node, css: str) -> Row:
    return {
        next(each.all("dt")).text: next(each.all("dd")).figure
        for found in top.all("dl", css)
        for each in found.all("div")
    }


def _tile(each: Node) -> tuple[str, str, str]:
    figure, *notes = each.all("dd")
    return next(each.all("dt")).text, figure.figure, " ".join(note.text for note in notes)


def _sentences(node: Node) -> list[str]:
    """Amounts outside of tables, tiles and facts."""
    told = AMOUNT.match(node.attrs.get("title", ""))
    if told is not None:
        return [told.group()]
    found: list[str] = []
    for part in node.parts:
        if isinstance(part, str):
            found += AMOUNT.findall(part)
        elif part.tag not in {"table", "svg", "dl", *UNREAD}:
            found += _sentences(part)
    return found
