from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.budgets import (
    WINDOWS,
    Grant,
    Scope,
    Shortfall,
    Wanted,
    Window,
    admit,
    explained,
    window_end,
    window_start,
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


BOUNDARIES: list[tuple[Window, str, str, str]] = [
    # window, now                           starts        ends
    ("day", "2026-11-21T00:00:00", "2026-11-21", "2026-11-22"),
    ("day", "2026-11-21T23:59:59.999999", "2026-11-21", "2026-11-22"),
    ("day", "2028-02-28T12:00:00", "2028-02-28", "2028-02-29"),  # a leap year
    ("day", "2028-02-29T12:00:00", "2028-02-29", "2028-03-01"),
    ("day", "2027-02-28T12:00:00", "2027-02-28", "2027-03-01"),
    ("day", "2026-12-31T23:00:00", "2026-12-31", "2027-01-01"),
    ("week", "2026-11-16T00:00:00", "2026-11-16", "2026-11-23"),  # a Monday
    ("week", "2026-11-22T23:59:59", "2026-11-16", "2026-11-23"),  # its Sunday
    ("week", "2027-01-01T08:00:00", "2026-12-28", "2027-01-04"),  # across the year
    ("week", "2028-02-29T08:00:00", "2028-02-28", "2028-03-06"),
    ("month", "2026-11-01T00:00:00", "2026-11-01", "2026-12-01"),
    ("month", "2026-12-31T23:59:59", "2026-12-01", "2027-01-01"),
    ("month", "2027-01-31T10:00:00", "2027-01-01", "2027-02-01"),
    ("month", "2028-02-29T23:59:59", "2028-02-01", "2028-03-01"),
    ("month", "2027-02-28T23:59:59", "2027-02-01", "2027-03-01"),
    ("month", "2026-04-30T23:59:59", "2026-04-01", "2026-05-01"),
]


@pytest.mark.parametrize(("window", "now", "starts", "ends"), BOUNDARIES)
def test_a_window_begins_and_ends_at_midnight_utc(
    window: Window, now: str, starts: str, ends: str
) -> None:
    assert window_start(window, at(now)) == at(starts)
    assert window_end(window, at(now)) == at(ends)


def test_no_window_begins_at_the_epoch_and_never_ends() -> None:
    assert window_start("none", at("2026-11-21")) == at("1970-01-01")
    assert window_end("none", at("2026-11-21")) is None


def test_a_window_is_the_utc_one_wherever_the_clock_stands() -> None:
    late = datetime(2026, 12, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert window_start("month", late) == at("2026-11-01")
    assert window_start("day", late) == at("2026-11-30")


@given(
    now=st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    window=st.sampled_from([w for w in WINDOWS if w != "none"]),
)
def test_windows_follow_each_other_without_a_gap(now: datetime, window: Window) -> None:
    start, end = window_start(window, now), window_end(window, now)
    assert end is not None
    assert start <= now < end
    assert window_start(window, end) == end
    assert window_end(window, start - timedelta(microseconds=1)) == start


def scope(kind: str, limit: int | None, spent: int = 0, held: int = 0) -> Scope:
    return Scope(kind, limit, spent, held)  # type: ignore[arg-type]


ADMISSIONS = [
    # scopes                                            bound least outcome
    ([], 100, 100, Grant(100)),
    ([scope("key", None, 10**15)], 100, 100, Grant(100)),
    ([scope("key", 100)], 100, 100, Grant(100)),  # to the last nano-USD
    ([scope("key", 99)], 100, 100, Shortfall("key", 99, 0, 0, 100)),
    ([scope("key", 300, 100, 100)], 100, 100, Grant(100)),
    ([scope("key", 300, 100, 101)], 100, 100, Shortfall("key", 300, 100, 101, 100)),
    ([scope("key", 300, 100, 101)], 100, 99, Grant(99)),  # shrunk
    ([scope("key", 300, 100, 101)], 100, 1, Grant(99)),
    ([scope("key", 500), scope("team", 60)], 100, 50, Grant(60)),
    ([scope("key", 70), scope("team", 60)], 100, 80, Shortfall("team", 60, 0, 0, 80)),
    ([scope("key", 10), scope("global", 60)], 100, 80, Shortfall("key", 10, 0, 0, 80)),
    ([scope("key", 100, 150)], 1, 1, Shortfall("key", 100, 150, 0, 1)),  # overdrawn
    ([scope("key", 0)], 0, 0, Grant(0)),
    # No running call's end makes room in the team, however much tighter the key is now.
    (
        [scope("key", 100, 0, 100), scope("team", 90, 50, 0)],
        80,
        80,
        Shortfall("team", 90, 50, 0, 80),
    ),
]


@pytest.mark.parametrize(("scopes", "bound", "least", "outcome"), ADMISSIONS)
def test_a_call_fits_all_scopes_or_none(
    scopes: list[Scope], bound: int, least: int, outcome: Grant | Shortfall
) -> None:
    assert admit(scopes, Wanted(bound, least)) == outcome


E = 125_000  # an eighth, in millionths
SHARES = [
    # left, (bound, least, fixed, share)  granted
    (800, Wanted(700, 10, 0, E), 100),
    (800, Wanted(90, 10, 0, E), 90),  # the whole call is less than its share
    (800, Wanted(700, 110, 0, E), 110),  # not below the least
    (800, Wanted(700, 160, 80, E), 170),  # 80 for the prompt, an eighth of the other 720
    (800, Wanted(700, 10, 0, 8 * E), 700),
    (800, Wanted(900, 10, 0, 8 * E), 800),
    (800, Wanted(900, 10, 0, 0), 10),
]


@pytest.mark.parametrize(("left", "wanted", "granted"), SHARES)
def test_a_call_of_open_length_takes_a_share_of_what_is_left(
    left: int, wanted: Wanted, granted: int
) -> None:
    scopes = [scope("team", 10**6), scope("key", left + 300, 200, 100)]
    assert admit(scopes, wanted) == Grant(granted)


def test_a_call_that_only_running_ones_keep_out_is_told_from_one_that_nothing_helps() -> None:
    assert Shortfall("key", 100, 40, 50, 60).holds_alone
    assert not Shortfall("key", 100, 41, 50, 60).holds_alone
    assert Shortfall("key", 100, 40, 50, 60).remaining_nano_usd == 10
    assert Shortfall("key", 100, 140, 50, 60).remaining_nano_usd == 0


def test_a_shortfall_is_told_in_one_sentence() -> None:
    told = Shortfall(
        "key_model", 600_000_000, 500_000_000, 80_000_000, 246_000_000, at("2026-12-01"), 3, 12
    )
    assert explained(told) == (
        "the key model budget of 0.60 USD has 0.02 USD left (0.50 USD is spent, 0.08 USD is held "
        "by 3 running calls) and resets at 2026-12-01T00:00:00Z; this call needs up to 0.246 USD, "
        "so a max_tokens of at most 12 would fit now"
    )
    assert explained(Shortfall("team", 50, 0, 40, 20, None, 1, 0)) == (
        "the team budget of 0.00000005 USD has 0.00000001 USD left (0.00 USD is spent, 0.00000004 "
        "USD is held by 1 running call) and never resets; this call needs up to 0.00000002 USD, "
        "so no max_tokens would fit now; try again once a running call has ended"
    )


limits = st.one_of(st.none(), st.integers(0, 10**6))
amounts = st.integers(0, 10**6)


@given(
    scopes=st.lists(st.tuples(limits, amounts, amounts), max_size=4),
    bound=amounts,
    percents=st.tuples(st.integers(0, 100), st.integers(0, 100)),
    share_ppm=st.integers(0, 10**6),
)
def test_what_is_granted_never_overdraws_a_scope(
    scopes: list[tuple[int | None, int, int]],
    bound: int,
    percents: tuple[int, int],
    share_ppm: int,
) -> None:
    standing = [scope("key", *each) for each in scopes]
    least = bound * percents[0] // 100
    fixed = least * percents[1] // 100
    outcome = admit(standing, Wanted(bound, least, fixed, share_ppm))
    if isinstance(outcome, Grant):
        assert least <= outcome.nano_usd <= bound
        for limit, spent, held in scopes:
            assert limit is None or spent + held + outcome.nano_usd <= limit or limit < 0
    else:
        assert any(
            limit is not None and limit - spent - held < least for limit, spent, held in scopes
        )
