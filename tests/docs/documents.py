"""The documents whose snippets are run, and the fenced blocks in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.house.repository import ROOT

DOCUMENTS = (
    "README.md",
    "docs/api.md",
    "docs/budgets.md",
    "docs/caching.md",
    "docs/compatibility.md",
    "docs/configuration.md",
    "docs/decisions.md",
    "docs/operations.md",
    "docs/pricing.md",
    "docs/routing.md",
    "docs/savings.md",
)
NOT_RUN = re.compile(r"<!-- not run: \S.* -->")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. `line` is that of its first fence; `not_run` says that it is marked so."""

    document: str
    line: int
    language: str
    text: str
    not_run: bool

    @property
    def place(self) -> str:
        return f"{self.document}:{self.line}"


def text_of(document: str) -> str:
    return (ROOT / document).read_text("utf-8")


def blocks(document: str) -> list[Block]:
    return list(blocks_in(text_of(document), document))


def blocks_in(text: str, document: str) -> Iterator[Block]:
    lines = text.splitlines()
    start: int | None = None
    for number, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if start is None:
            start = number
            continue
        above = next((text for text in reversed(lines[:start]) if text.strip()), "")
        yield Block(
            document=document,
            line=start + 1,
            language=lines[start][3:].strip(),
            text="\n".join(lines[start + 1 : number]) + "\n",
            not_run=NOT_RUN.fullmatch(above) is not None,
        )
        start = None
    if start is not None:
        raise ValueError(f"{document}:{start + 1}: a block without an end")


def tables(text: str) -> Iterator[list[str]]:
    """The cells of each table row, escaped bars included, without headers and rules."""
    rows = [line for line in text.splitlines() if line.startswith("|")]
    for number, line in enumerate(rows):
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        is_rule = all(set(cell) <= {"-", ":"} for cell in cells)
        is_header = number + 1 < len(rows) and rows[number + 1].startswith("|---")
        if not is_rule and not is_header:
            yield cells


def code_in(cell: str) -> list[str]:
    """What stands between backquotes."""
    return re.findall(r"`([^`]+)`", cell)


def relative_links(document: str) -> Iterator[tuple[str, str]]:
    """Target and anchor of each link that stays in the repository."""
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(document)):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            yield path, anchor


def anchors(path: Path) -> set[str]:
    """The anchors that headings make."""
    headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", h.lower()).replace(" ", "-") for h in headings}
