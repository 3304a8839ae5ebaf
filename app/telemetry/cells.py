"""Whole numbers by name, in memory or in a file that every worker of a gateway can read.

Worker processes share a folder. Each maps a file of its own into memory, so that counting is an
addition in memory, what a killed worker had counted stays, and whoever is scraped reads all of
them. A lock on the file tells that its worker lives.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

Name: TypeAlias = tuple[str, ...]
"""A family's name, its labels' values, and what else tells one number from another."""

MOST_CELLS = 32_768
CELL_BYTES = 8


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one process had counted, and whether it lives."""

    cells: dict[Name, int]
    alive: bool


class Cells:
    """One process's numbers; without a folder nobody else reads them."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._names: list[Name] = []
        self._making = threading.Lock()
        self._names_file: int | None = None
        size = MOST_CELLS * CELL_BYTES
        if folder is None:
            self.values = memoryview(bytearray(size)).cast("q")
            return
        stem = f"{os.getpid()}-{os.urandom(4).hex()}"
        self._mine = folder / f"{stem}.names"
        append = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self._names_file = os.open(self._mine, append, 0o600)
        fcntl.flock(self._names_file, fcntl.LOCK_EX)
        values = os.open(folder / f"{stem}.values", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(values, 0, size)  # a disk that fills up later kills nobody
            self.values = memoryview(mmap.mmap(values, size)).cast("q")
        finally:
            os.close(values)

    def make(self, *names: Name) -> int:
        """Cells next to each other for new names, at 0; the index of the first."""
        with self._making:
            first = len(self._names)
            if first + len(names) > MOST_CELLS:
                raise OverflowError("more series than there is room for")
            if self._names_file is not None:
                lines = "".join(json.dumps(name) + "\n" for name in names)
                os.write(self._names_file, lines.encode())
            self._names += names
            return first

    def snapshots(self) -> Iterator[Snapshot]:
        """What this process counted, then what the others did, ended ones too."""
        yield Snapshot(dict(zip(list(self._names), self.values, strict=False)), alive=True)
        if self._folder is None:
            return
        for names in sorted(self._folder.glob("*.names")):
            if names != self._mine:
                yield _read(names)


def _read(names: Path) -> Snapshot:
    text = names.read_text("utf-8")
    whole = text[: text.rfind("\n") + 1]  # a line may just be written
    known = [tuple(json.loads(line)) for line in whole.splitlines()]
    with names.with_suffix(".values").open("rb") as file:
        values = memoryview(file.read(len(known) * CELL_BYTES)).cast("q")
    return Snapshot(dict(zip(known, values, strict=False)), alive=_is_locked(names))


def _is_locked(names: Path) -> bool:
    with names.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
