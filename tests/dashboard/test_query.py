"""A page's URL, read once: ranges in any zone, links that keep what they should."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.core.errors import BadRequest
from app.dashboard.query import query_of

NOW = datetime(2026, 11, 30, 22, 15, tzinfo=UTC)

RANGES = [
    # URL                                    from                    to                      words
    ("range=today", "2026-11-30T00:00", "2026-12-01T00:00", "30 Nov 2026, UTC"),
    ("range=7d", "2026-11-24T00:00", "2026-12-01T00:00", "24 Nov 2026 to 30 Nov 2026, UTC"),
    ("range=month", "2026-11-01T00:00", "2026-12-01T00:00", "1 Nov 2026 to 30 Nov 2026, UTC"),
    ("range=last-month", "2026-10-01T00:00", "2026-11-01T00:00", "1 Oct 2026 to 31 Oct 2026, UTC"),
    (
        "range=today&tz=Asia/Kathmandu",
        *("2026-11-30T18:15", "2026-12-01T18:15", "1 Dec 2026, Asia/Kathmandu"),
    ),
    (
        "range=today&tz=Pacific/Marquesas",
        *("2026-11-30T09:30", "2026-12-01T09:30", "30 Nov 2026, Pacific/Marquesas"),
    ),
    # the night in which Berlin's clocks go back: a day of 25 hours
    (
        "from=2026-10-25&to=2026-10-26&tz=Europe/Berlin",
        *("2026-10-24T22:00", "2026-10-25T23:00", "25 Oct 2026, Europe/Berlin"),
    ),
    # and forward: one of 23
    (
        "from=2026-03-29&to=2026-03-30&tz=Europe/Berlin",
        *("2026-03-28T23:00", "2026-03-29T22:00", "29 Mar 2026, Europe/Berlin"),
    ),
    (
        "from=2026-11-01T10:00Z&to=2026-11-01T11:30Z",
        *("2026-11-01T10:00", "2026-11-01T11:30"),
        "1 Nov 2026 10:00:00 to 1 Nov 2026 11:30:00, UTC",
    ),
]


@pytest.mark.parametrize(("url", "since", "until", "words"), RANGES)
def test_a_range_is_half_open_in_its_zone_and_told_in_words(
    url: str, since: str, until: str, words: str
) -> None:
    period = query_of("/ui/x", url).period(NOW)
    assert period.since == datetime.fromisoformat(since).replace(tzinfo=UTC)
    assert period.until == datetime.fromisoformat(until).replace(tzinfo=UTC)
    assert period.sentence == words


def test_without_a_range_the_pages_own_counts_or_all_times() -> None:
    query = query_of("/ui/x", "")
    assert query.period(NOW).sentence == "all times, UTC"
    assert query.period(NOW, "month").sentence == "1 Nov 2026 to 30 Nov 2026, UTC"
    assert query_of("/ui/x", "from=2026-11-02").period(NOW, "month").sentence == (
        "2 Nov 2026 to now, UTC"
    )
    both = query_of("/ui/x", "from=2026-11-02&to=2026-11-03&range=month")
    assert both.period(NOW).sentence == "2 Nov 2026, UTC"


@pytest.mark.parametrize(
    ("url", "earlier", "later"),
    [
        ("range=today", ("2026-11-29", "2026-11-30"), ("2026-12-01", "2026-12-02")),
        ("range=7d", ("2026-11-17", "2026-11-24"), ("2026-12-01", "2026-12-08")),
        ("range=last-month", ("2026-09-01", "2026-10-01"), ("2026-11-01", "2026-12-01")),
        (
            "from=2026-10-24&to=2026-10-25&tz=Europe/Berlin",
            *(("2026-10-23", "2026-10-24"), ("2026-10-25", "2026-10-26")),
        ),
        (
            "from=2026-01-01&to=2026-02-01",
            ("2025-12-01", "2026-01-01"),
            ("2026-02-01", "2026-03-01"),
        ),
    ],
)
def test_the_range_before_and_after_are_as_long_by_the_calendar(
    url: str, earlier: tuple[str, str], later: tuple[str, str]
) -> None:
    period = query_of("/ui/x", url).period(NOW)
    for steps, told in ((-1, earlier), (1, later)):
        moved = period.moved(steps)
        assert moved is not None
        assert (moved.text("from"), moved.text("to")) == told
    assert query_of("/ui/x", "from=2026-01-01").period(NOW).moved(1) is None


def test_links_keep_what_was_given_and_begin_at_the_first_page() -> None:
    query = query_of("/ui/requests", "state=settled&tz=Asia/Tokyo&cursor=9&from=2026-11-01&empty=")
    assert query.link(sort="-cost") == (
        "/ui/requests?state=settled&tz=Asia%2FTokyo&from=2026-11-01&sort=-cost"
    )
    assert "&cursor=7&" in query.link(cursor="7")
    assert query.without("state") == "/ui/requests?tz=Asia%2FTokyo&from=2026-11-01"
    assert query.elsewhere("/ui/keys", q="a&b") == (
        "/ui/keys?from=2026-11-01&tz=Asia%2FTokyo&q=a%26b"
    )
    assert query.twin("csv").startswith("/ui/requests.csv?state=settled&")
    assert query["empty"] == ""


@pytest.mark.parametrize(
    "url",
    [
        "tz=Mars/Olympus",
        "tz=../../etc/passwd",
        "tz=" + "a" * 100,
        "tz=America",
        "state=%00",
        "tag=" + "x" * 501,
    ],
)
def test_a_url_that_makes_no_sense_is_refused(url: str) -> None:
    with pytest.raises(BadRequest):
        query_of("/ui/x", url)


@pytest.mark.parametrize("url", ["range=year", "from=yesterday", "from=2026-02-01&to=2026-01-01"])
def test_a_range_that_makes_no_sense_is_refused(url: str) -> None:
    with pytest.raises(BadRequest):
        query_of("/ui/x", url).period(NOW)


def test_there_is_no_range_beyond_all_years() -> None:
    period = query_of("/ui/x", "from=1970-01-01&to=3999-12-31").period(NOW)
    assert period.moved(-1) is None
    assert period.moved(4) is None
    whole_months = query_of("/ui/x", "from=1970-01-01&to=3999-01-01").period(NOW)
    assert whole_months.moved(-1) is None
    hours = query_of("/ui/x", "from=1970-01-01T01:00&to=3999-12-31T02:00").period(NOW)
    assert hours.moved(-1) is None
