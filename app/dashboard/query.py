"""What a page's URL asks for, read once: range, zone, filters, order, place in the list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl, urlencode

from app.core.errors import BadRequest
from app.dashboard.figures import formats
from app.dashboard.zones import UTC_ZONE, Zone, zone_named
from app.store.database.moments import iso_text

KEPT_ACROSS_PAGES: Final = ("from", "to", "range", "tz")
MOST_CHARS: Final = 500
YEARS: Final = (1970, 4000)
PRESETS: Final = (
    ("today", "Today"),
    ("7d", "7 days"),
    ("30d", "30 days"),
    ("month", "This month"),
    ("last-month", "Last month"),
)


@dataclass(frozen=True, slots=True)
class Period:
    """A half-open range of moments in a zone; None has no end on that side."""

    since: datetime | None
    until: datetime | None
    zone: Zone

    def filters(self) -> dict[str, str]:
        """As the store's reports take it."""
        ends = {"from": self.since, "to": self.until}
        return {name: iso_text(when) for name, when in ends.items() if when is not None}

    @property
    def sentence(self) -> str:
        """'1 Nov 2026 to 30 Nov 2026, UTC'; the last day is the last one that is counted."""
        zone = self.zone
        since = None if self.since is None else _edge(zone.at(self.since))
        until = None
        if self.until is not None:
            end = zone.at(self.until)
            until = formats.day(end - timedelta(days=1)) if _is_midnight(end) else _edge(end)
        if since is None and until is None:
            return f"all times, {zone.name}"
        if since == until:
            return f"{since}, {zone.name}"
        return f"{since or 'the beginning'} to {until or 'now'}, {zone.name}"

    def moved(self, steps: int) -> Period | None:
        """The range of the same length before or after: a month by months, days by days.

        None where it has an open end, or where that range is beyond all years.
        """
        if self.since is None or self.until is None:
            return None
        try:
            return self._moved(self.since, self.until, steps)
        except (OverflowError, ValueError):
            return None

    def _moved(self, first: datetime, end: datetime, steps: int) -> Period:
        since, until = self.zone.at(first), self.zone.at(end)
        if not (_is_midnight(since) and _is_midnight(until)):
            length = (end - first) * steps
            return Period(first + length, end + length, self.zone)
        if since.day == until.day == 1:
            months = steps * ((until.year - since.year) * 12 + until.month - since.month)
            ends = [_months_later(each, months) for each in (since, until)]
        else:
            days = timedelta(days=steps * (until.date() - since.date()).days)
            ends = [each.replace(tzinfo=None) + days for each in (since, until)]
        return Period(_midnight(ends[0], self.zone), _midnight(ends[1], self.zone), self.zone)

    def text(self, end: str) -> str | None:
        """`from` or `to` as a URL has it: a day of the zone, or a moment."""
        when = self.since if end == "from" else self.until
        if when is None:
            return None
        local = self.zone.at(when)
        return local.date().isoformat() if _is_midnight(local) else iso_text(when)


@dataclass(frozen=True, slots=True)
class Query:
    """The URL's parameters as they were given; those without a value are left out."""

    path: str
    given: Mapping[str, str]
    zone: Zone = UTC_ZONE

    def __getitem__(self, name: str) -> str:
        """The value, or an empty text."""
        return self.given.get(name, "")

    def only(self, names: tuple[str, ...]) -> dict[str, str]:
        """Those of `names` that were given."""
        return {name: self.given[name] for name in names if name in self.given}

    def link(self, path: str | None = None, /, **changes: str | None) -> str:
        """The page's URL with some parameters changed, or, None, left out.

        `from_` stands for `from`. Another place in the list is left out unless it is named.
        """
        named = {name.rstrip("_"): value for name, value in changes.items()}
        merged = {**self.given, "cursor": None, **named}
        return _url(path or self.path, merged)

    def without(self, name: str) -> str:
        """The page's URL without that parameter."""
        return _url(self.path, {**self.given, "cursor": None, name: None})

    def elsewhere(self, path: str, **given: str | None) -> str:
        """Another page's URL for the same range and zone."""
        kept = {name: self.given.get(name) for name in KEPT_ACROSS_PAGES}
        return _url(path, {**kept, **{name.rstrip("_"): value for name, value in given.items()}})

    def twin(self, kind: str, of: str = "") -> str:
        """The URL of the same data as `csv` or `json`; `of` one table of several."""
        return _url(f"{self.path}.{kind}", {**self.given, "of": of})

    def ranged(self, period: Period | None) -> str | None:
        """The page's URL for another range; None where there is none."""
        if period is None:
            return None
        return self.link(range=None, from_=period.text("from"), to=period.text("to"))

    def period(self, now: datetime, default: str | None = None) -> Period:
        """The range; `default` is one of PRESETS where none is given.  Raises BadRequest.

        `from` and `to` are days or moments in the zone, `to` excluded; without them `range` counts,
        a preset's name.
        """
        preset = "" if self["from"] or self["to"] else self["range"] or default or ""
        if preset:
            return _preset(preset, self.zone, now)
        since = _moment(self["from"], self.zone, "from") if self["from"] else None
        until = _moment(self["to"], self.zone, "to") if self["to"] else None
        if since is not None and until is not None and until < since:
            raise BadRequest("the range ends before it begins", param="to")
        return Period(since, until, self.zone)


def query_of(path: str, query_string: str) -> Query:
    """The parameters of a URL; of one given twice the last counts.  Raises BadRequest."""
    given = {}
    for name, value in parse_qsl(query_string, errors="replace"):
        if "\0" in name or "\0" in value:
            raise BadRequest("the URL holds a NUL character")
        if len(value) > MOST_CHARS:
            raise BadRequest(f"{name[:50]} is longer than {MOST_CHARS} characters", param=name[:50])
        if value.strip():
            given[name] = value.strip()
    return Query(path, given, zone_named(given.get("tz")))


def _url(path: str, parameters: Mapping[str, str | None]) -> str:
    kept = {name: value for name, value in parameters.items() if value}
    return f"{path}?{urlencode(kept)}" if kept else path


def _preset(name: str, zone: Zone, now: datetime) -> Period:
    local = zone.at(now)
    today = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    tomorrow = _midnight(today + timedelta(days=1), zone)
    this_month = today.replace(day=1)
    starts = {
        "today": today,
        "7d": today - timedelta(days=6),
        "30d": today - timedelta(days=29),
        "month": this_month,
    }
    if name in starts:
        return Period(_midnight(starts[name], zone), tomorrow, zone)
    if name == "last-month":
        before = (this_month - timedelta(days=1)).replace(day=1)
        return Period(_midnight(before, zone), _midnight(this_month, zone), zone)
    known = ", ".join(preset for preset, _ in PRESETS)
    raise BadRequest(f"range must be one of {known}", param="range")


def _moment(text: str, zone: Zone, param: str) -> datetime:
    try:
        when = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        moment = (when if when.tzinfo else when.replace(tzinfo=zone.info)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadRequest(
            f"{param} is not a date or an ISO 8601 time: {text[:50]!r}", param=param
        ) from error
    if not YEARS[0] <= moment.year < YEARS[1]:  # the ranges beside it are times as well
        raise BadRequest(f"{param} must lie between {YEARS[0]} and {YEARS[1]}", param=param)
    return moment


def _midnight(local: datetime, zone: Zone) -> datetime:
    """The first instant of that day, UTC."""
    return local.replace(tzinfo=zone.info, hour=0, minute=0, fold=0).astimezone(UTC)


def _months_later(day: datetime, months: int) -> datetime:
    """The first of another month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return datetime(year, month + 1, 1)  # noqa: DTZ001 - its zone is given by the caller


def _is_midnight(when: datetime) -> bool:
    return not (when.hour or when.minute or when.second)


def _edge(when: datetime) -> str:
    return formats.day(when) if _is_midnight(when) else formats.moment(when)
