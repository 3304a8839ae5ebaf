"""Bars over time: none is left out, and each stands where its time is."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from app.dashboard.over_time import every_step

NOW = datetime(2026, 10, 25, 2, 30, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def test_hours_without_a_call_have_a_place_also_in_the_night_of_25() -> None:
    since = datetime(2026, 10, 25, tzinfo=BERLIN)
    spent = {"2026-10-25T02:00:00+01:00"}
    assert every_step("hour", spent, since, NOW.astimezone(BERLIN)) == [
        "2026-10-25T00:00:00+02:00",
        "2026-10-25T01:00:00+02:00",
        "2026-10-25T02:00:00+02:00",
        "2026-10-25T02:00:00+01:00",
        "2026-10-25T03:00:00+01:00",
    ]


def test_hours_of_utc_are_told_as_the_reports_tell_them() -> None:
    since = datetime(2026, 10, 25, 0, 45, tzinfo=UTC)
    assert every_step("hour", {"2026-10-25T01:00:00Z"}, since, NOW) == [
        "2026-10-25T00:00:00Z",
        "2026-10-25T01:00:00Z",
        "2026-10-25T02:00:00Z",
    ]


def test_days_are_all_there_up_to_now() -> None:
    since = datetime(2026, 10, 22, tzinfo=UTC)
    assert every_step("day", {"2026-10-23"}, since, NOW) == [
        *("2026-10-22", "2026-10-23", "2026-10-24", "2026-10-25"),
    ]


def test_months_begin_with_the_first_that_has_a_call() -> None:
    assert every_step("month", {"2026-07", "2025-12"}, None, NOW) == [
        *("2025-12", "2026-01", "2026-02", "2026-03", "2026-04", "2026-05"),
        *("2026-06", "2026-07", "2026-08", "2026-09", "2026-10"),
    ]
    long_ago = datetime(1970, 1, 1, tzinfo=UTC)
    assert every_step("month", {"2026-09"}, long_ago, NOW) == ["2026-09", "2026-10"]
