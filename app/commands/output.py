"""What a command prints: lines and tables for people, JSON for scripts."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TextIO

import orjson

from app.core.printable import printable, printable_json, printable_lines

PIPED_WIDTH = 240  # what reads a pipe has no edge to wrap at
MOST_NARROW = 20
LEAST_TEXT = 8  # what a name or a state has room for, however narrow the terminal
DASHBOARD = "Its dashboard is at {}/ui: log in with the master key"


@dataclass(frozen=True, slots=True)
class Column:
    """A table's column; a `whole` one is never cut or broken, nor are figures, which end right."""

    title: str
    align: Literal["left", "right"] = "left"
    whole: bool = False


def say(text: str = "") -> None:
    """Print lines; whatever in them would command a terminal is shown as its escape."""
    _write(printable_lines(text), sys.stdout)


def complain(text: str) -> None:
    """The same on stderr."""
    _write(printable_lines(text), sys.stderr)


def _write(text: str, stream: TextIO) -> None:
    stream.write(_encodable(text, stream) + "\n")
    stream.flush()


def _encodable(text: str, stream: TextIO) -> str:
    """The text, with an escape for each character that the terminal's encoding lacks."""
    encoding = stream.encoding or "ascii"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def complain_on_terminal(text: str) -> None:
    """On stderr where a person reads it: what says that a long work has begun."""
    if sys.stderr.isatty():
        complain(text)


def say_wrapped(text: str) -> None:
    """A sentence in as many lines as it needs."""
    for piece in _pieces(printable(text), max(width(), MOST_NARROW)):
        say(piece)


def show_facts(facts: Mapping[str, str]) -> None:
    """A name and what there is to say of it on each line."""
    longest = max(map(len, facts), default=0)
    room = max(width() - longest - 2, MOST_NARROW)
    for name, text in facts.items():
        first, *others = _pieces(printable(text), room)
        say(f"{printable(name).ljust(longest)}  {first}".rstrip())
        for piece in others:
            say(f"{' ' * longest}  {piece}")


def _pieces(text: str, room: int) -> list[str]:
    """The text in lines that fit; a word is broken where it is longer than a line."""
    return textwrap.wrap(text, room, break_on_hyphens=False) or [""]


def width() -> int:
    """How many characters fit on a line."""
    piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return PIPED_WIDTH if piped else shutil.get_terminal_size().columns


def boxed(lines: Sequence[str]) -> str:
    """The lines in a frame, in plain ASCII: it must show on every terminal and in every log."""
    longest = max(map(len, lines))
    edge = f"+{'-' * (longest + 4)}+"
    return "\n".join([edge, *(f"|  {line.ljust(longest)}  |" for line in lines), edge])


def show_json(value: object) -> None:
    _write_json(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode(), indent=2)


def show_json_line(value: object) -> None:
    _write_json(orjson.dumps(value).decode(), indent=None)


def _write_json(text: str, indent: int | None) -> None:
    shown = printable_json(text)
    if _encodable(shown, sys.stdout) != shown:
        shown = json.dumps(orjson.loads(text), indent=indent)
    _write(shown, sys.stdout)


def show_csv(text: str) -> None:
    """Rows of CSV as they are for a file or a pipe; on a terminal nothing of it is a command."""
    shown = printable_lines(text.replace("\r\n", "\n")) if sys.stdout.isatty() else text
    sys.stdout.write(_encodable(shown, sys.stdout))
    sys.stdout.flush()


def show_table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    # Imported here: only tables need it.
    from rich import box  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    needed = 0
    cells = [[Text(_encodable(printable(cell), sys.stdout)) for cell in row] for row in rows]
    for place, column in enumerate(columns):
        longest = max((row[place].cell_len for row in cells), default=0)
        whole = column.whole or column.align == "right"
        table.add_column(column.title, justify=column.align, no_wrap=whole, overflow="fold")
        titles = map(len, column.title.split("\n"))
        needed += 1 + (max(longest, *titles) if whole else min(longest, LEAST_TEXT))
    for row in cells:
        table.add_row(*row)
    Console(width=max(width(), needed), highlight=False).print(table)
