"""A range of time as reports and lists are asked for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, tzinfo

from sqlalchemy import ColumnElement

from app.core.errors import BadRequest
from app.store.database.moments import parse_us


@dataclass(frozen=True, slots=True)
class Range:
    """From `from_us` on and before `before_us`; None has no end on that side."""

    from_us: int | None = None
    before_us: int | None = None

    def within(self, moment: ColumnElement[int]) -> list[ColumnElement[bool]]:
        """Conditions on a moment in microseconds."""
        found = [] if self.from_us is None else [moment >= self.from_us]
        return found if self.before_us is None else [*found, moment < self.before_us]


def range_of(
    from_: str | None,
    to: str | None,
    names: tuple[str, str] = ("from", "to"),
    zone: tzinfo = UTC,
) -> Range:
    """Days or moments, `from_` included and `to` excluded; a day is its first instant in `zone`.

    Raises BadRequest, also for a range that ends before it begins.
    """
    from_us = None if from_ is None else _parsed(from_, names[0], zone)
    before_us = None if to is None else _parsed(to, names[1], zone)
    if from_us is not None and before_us is not None and before_us < from_us:
        raise BadRequest(f"the range ends before it begins: from {from_} to {to}", param=names[1])
    return Range(from_us, before_us)


def _parsed(text: str, param: str, zone: tzinfo) -> int:
    """The instant; an offset whose `+` a URL made a blank, as `curl` leaves it, keeps its sign."""
    return parse_us(text.replace(" ", "+") if "T" in text else text, param=param, zone=zone)
