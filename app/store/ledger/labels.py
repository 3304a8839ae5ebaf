"""Which end users and tags of a day have roll-ups of their own: the first so many.

A label that has a row for the day has all of its calls there; one that came when the day was full
never gets a row. So the rows alone tell where any call was counted, whichever process asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import ColumnElement, Connection, func, select, text

from app.store.database.rollup_tables import DAY, OTHERS, OWN, TAG, USER, label_rollups

MOST_LABELS: Final[Mapping[str, int]] = {USER: 5_000, TAG: 1_000}
MOST_DAYS_KNOWN = 8  # kinds and days; most calls end on the day on which they began
_LOCK = 0x701D  # any number that nothing else locks

Place = tuple[str, int]
"""A kind of label, and the first microsecond of a UTC day."""


@dataclass(slots=True)
class Known:
    """Labels that have a row for a day; `is_full`: all of them, and no other gets one."""

    labels: set[str] = field(default_factory=set)
    is_full: bool = False


class KnownLabels:
    """What a process remembers of them; only what was committed is learnt."""

    def __init__(self, most: Mapping[str, int] = MOST_LABELS) -> None:
        self._most = most
        self._known: dict[Place, Known] = {}

    def of_their_own(
        self, connection: Connection, wanted: Mapping[Place, set[str]]
    ) -> dict[Place, Known]:
        """For each place, those among `wanted` that have or now get a row of their own."""
        found: dict[Place, Known] = {}
        is_locked = False
        for place, labels in sorted(wanted.items()):
            known = self._known.get(place, Known())
            unknown = set() if known.is_full else labels - known.labels
            if not unknown:
                found[place] = known
                continue
            if not is_locked:
                _lock(connection)
                is_locked = True
            found[place] = self._admitted(connection, place, known, unknown)
        return found

    def learn(self, found: Mapping[Place, Known]) -> None:
        """Remember what was found, once the transaction that found it is committed."""
        for place, known in found.items():
            self._known.pop(place, None)
            self._known[place] = known
        while len(self._known) > MOST_DAYS_KNOWN:
            del self._known[next(iter(self._known))]

    def _admitted(
        self, connection: Connection, place: Place, known: Known, unknown: set[str]
    ) -> Known:
        there = _labels(connection, place, unknown)
        new = sorted(unknown - there)
        room = max(self._most[place[0]] - _how_many(connection, place), 0) if new else 0
        if len(new) <= room:
            return Known(known.labels | there | set(new))
        return Known(_labels(connection, place) | set(new[:room]), is_full=True)


def _lock(connection: Connection) -> None:
    """Nobody else lets a label in until this transaction is over."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))


def _at(place: Place) -> Sequence[ColumnElement[bool]]:
    kind, day_us = place
    row = label_rollups.c
    return (row.kind == kind, row.grain == DAY, row.from_us == day_us)


def _labels(connection: Connection, place: Place, among: Iterable[str] | None = None) -> set[str]:
    row = label_rollups.c
    found = select(row.label).where(*_at(place), row.label.startswith(OWN)).distinct()
    if among is not None:
        found = found.where(row.label.in_([own(label) for label in among]))
    return {label.removeprefix(OWN) for label in connection.scalars(found)}


def _how_many(connection: Connection, place: Place) -> int:
    row = label_rollups.c
    count = select(func.count(row.label.distinct())).where(*_at(place), row.label.startswith(OWN))
    return int(connection.execute(count).scalar_one())


def own(label: str) -> str:
    """What a label's row is called: no label can be mistaken for the ones that stand for many."""
    return OWN + label


def row_label(label: str, known: Known) -> str:
    """The row where its calls are counted."""
    return own(label) if label in known.labels else OTHERS
