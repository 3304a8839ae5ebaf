"""What a transaction adds to the roll-ups: gathered in memory, each row written once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import field
from operator import add, sub
from typing import TypeVar

from sqlalchemy import Connection

from app.core.values import value
from app.store.database.moments import US_PER_DAY, US_PER_HOUR
from app.store.database.prepared import Values
from app.store.database.rollup_tables import ANY, DAY, HOUR, MODEL, TAG, USER
from app.store.ledger.counting import Labels
from app.store.ledger.labels import Known, KnownLabels, Place, row_label

K = TypeVar("K", bound=Hashable)

NO_LABELS: Labels = (None, ())


@value
class Call:
    """Whose a finished call is, and which model it counts for."""

    created_us: int
    key_id: str
    team_id: str | None
    model: str
    labels: Labels = NO_LABELS


@value
class RolledUp:
    """Rows as ROLLUP_COLUMNS and LABEL_COLUMNS; `labels` are to be learnt after the commit."""

    by_key: Sequence[Values] = ()
    by_label: Sequence[Values] = ()
    labels: Mapping[Place, Known] = field(default_factory=dict)


class Rollups:
    """What finished calls add to their rows."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[int, str, str, str], list[int]] = {}
        self._labelled: list[tuple[int, Labels, list[int], bool]] = []

    def add(self, call: Call, counts: list[int]) -> None:
        """`counts` as ROLLUP_SUMS."""
        self._move(call, counts, is_added=True)

    def take(self, call: Call, counts: list[int]) -> None:
        """Undo an `add` of before."""
        self._move(call, counts, is_added=False)

    def rows(self, connection: Connection, process_id: str, known: KnownLabels) -> RolledUp:
        """What is to be written; looks up labels that `known` has not met yet."""
        if not self._by_key:
            return RolledUp()
        days: dict[tuple[int, str, str, str], list[int]] = {}
        models: dict[tuple[str, str, int, str], list[int]] = {}
        for (hour_us, *whose), counts in self._by_key.items():
            key_id, team_id, model = whose
            _gather(days, (hour_us - hour_us % US_PER_DAY, key_id, team_id, model), counts)
            _gather(models, (MODEL, HOUR, hour_us, model), counts)
        by_key = [
            *((HOUR, *key, *counts) for key, counts in sorted(self._by_key.items())),
            *((DAY, *key, *counts) for key, counts in sorted(days.items())),
        ]
        found = known.of_their_own(connection, self._wanted()) if self._labelled else {}
        labels = models | self._by_label(found)
        by_label = [(*key, process_id, *counts) for key, counts in sorted(labels.items())]
        return RolledUp(by_key, by_label, found)

    def _move(self, call: Call, counts: list[int], *, is_added: bool) -> None:
        hour_us = call.created_us - call.created_us % US_PER_HOUR
        key = (hour_us, call.key_id, call.team_id or "", call.model)
        _gather(self._by_key, key, counts, is_added=is_added)
        if call.labels != NO_LABELS:
            self._labelled.append((hour_us, call.labels, counts, is_added))

    def _wanted(self) -> dict[Place, set[str]]:
        wanted: dict[Place, set[str]] = {}
        for hour_us, (end_user, tags), _, _ in self._labelled:
            day_us = hour_us - hour_us % US_PER_DAY
            if end_user is not None:
                wanted.setdefault((USER, day_us), set()).add(end_user)
            if tags:
                wanted.setdefault((TAG, day_us), set()).update(tags)
        return wanted

    def _by_label(self, known: Mapping[Place, Known]) -> dict[tuple[str, str, int, str], list[int]]:
        found: dict[tuple[str, str, int, str], list[int]] = {}
        for hour_us, labels, counts, is_added in self._labelled:
            day_us = hour_us - hour_us % US_PER_DAY
            for kind, label in _rows_of(labels, day_us, known):
                for grain, from_us in ((HOUR, hour_us), (DAY, day_us)):
                    _gather(found, (kind, grain, from_us, label), counts, is_added=is_added)
        return found


def _rows_of(
    labels: Labels, day_us: int, known: Mapping[Place, Known]
) -> Iterable[tuple[str, str]]:
    """The kind and label of each row where the call is counted, each once."""
    end_user, tags = labels
    if end_user is not None:
        yield USER, row_label(end_user, known[USER, day_us])
    if tags:
        yield TAG, ANY
        for label in {row_label(tag, known[TAG, day_us]) for tag in tags}:
            yield TAG, label


def _gather(into: dict[K, list[int]], key: K, counts: list[int], *, is_added: bool = True) -> None:
    before = into.get(key)
    if before is not None:
        into[key] = list(map(add if is_added else sub, before, counts))
    else:
        into[key] = counts if is_added else [-count for count in counts]
