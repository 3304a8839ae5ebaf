"""What is worth writing, with the prices of Sonnet 4.6: 3.00, 3.75 and 6.00, 0.30 read."""

from __future__ import annotations

import pytest

from app.core.caching import Ttl
from app.core.outlook import Chance, Outlook
from app.core.pricing import Rates
from app.core.worth import Lengths, best
from tests.core.catalogs import SONNET_RATES

NEVER = Chance(0.0, 0.9, 0.95)

TURNS = [
    # again, soon, within an hour; the new turns alone are weighed, 1,000 tokens
    # a call that may come again once in five times: 3.75 + 0.25 x 0.3 = 3.825 against 3.75
    (0.2, 1.0, 1.0, None),
    # once in four: 3.75 + 0.33 x 0.3 = 3.85 against 4.00
    (0.25, 1.0, 1.0, "5m"),
    # twice more, always after ten minutes: 6.00 + 2 x 0.30 = 6.60 against 9.00, or 3 x 3.75
    (2 / 3, 0.0, 1.0, "1h"),
    # once more, after ten minutes: 6.30 against 6.00
    (0.5, 0.0, 1.0, None),
    # twice more, hours apart
    (2 / 3, 0.0, 0.0, None),
    # four times more, one of them after more than five minutes, none after more than an hour:
    # 3.75 + 4 x (0.75 x 0.30 + 0.25 x 3.75) = 8.40 against 6.00 + 4 x 0.30 = 7.20
    (0.8, 0.75, 1.0, "1h"),
    # the same, one in ten: 3.75 + 4 x (0.9 x 0.30 + 0.1 x 3.75) = 6.33 against 7.20
    (0.8, 0.9, 1.0, "5m"),
]


@pytest.mark.parametrize(("again", "soon", "within_hour", "ttl"), TURNS)
def test_new_turns_are_written_where_reads_pay_for_it(
    again: float, soon: float, within_hour: float, ttl: Ttl | None
) -> None:
    outlook = Outlook(NEVER, Chance(again, soon, within_hour))
    assert best(Lengths(0, 1_000, 0), outlook, SONNET_RATES, None)[1] == ttl


def test_instructions_are_weighed_by_themselves() -> None:
    outlook = Outlook(Chance(0.5, 1.0, 1.0), Chance(0.0, 1.0, 1.0))
    assert best(Lengths(2_000, 5_000, 0), outlook, SONNET_RATES, None) == ("5m", None)
    outlook = Outlook(Chance(2 / 3, 0.0, 1.0), Chance(0.5, 1.0, 1.0))
    assert best(Lengths(2_000, 5_000, 0), outlook, SONNET_RATES, None) == ("1h", "5m")


def test_turns_are_never_kept_longer_than_what_stands_before_them() -> None:
    outlook = Outlook(Chance(0.5, 1.0, 1.0), Chance(2 / 3, 0.0, 1.0))
    assert best(Lengths(2_000, 5_000, 0), outlook, SONNET_RATES, None) == ("1h", "1h")


def test_a_few_tokens_more_are_written_for_an_hour_to_keep_much_for_as_long() -> None:
    """20,000 tokens are in the cache for five minutes; a pause in ten is longer than that."""
    slow = Chance(0.8, 0.9, 1.0)
    outlook = Outlook(slow, slow, warm_tokens=20_000, warm_beginning=True)
    assert best(Lengths(15_000, 5_100, 0), outlook, SONNET_RATES, None) == ("1h", "1h")
    steady = Chance(0.8, 1.0, 1.0)
    outlook = Outlook(steady, steady, warm_tokens=20_000, warm_beginning=True)
    assert best(Lengths(15_000, 5_100, 0), outlook, SONNET_RATES, None) == ("5m", "5m")


def test_only_the_lifetime_that_was_asked_for_is_chosen() -> None:
    slow = Chance(2 / 3, 0.0, 1.0)
    outlook = Outlook(slow, slow)
    assert best(Lengths(2_000, 1_000, 0), outlook, SONNET_RATES, "1h") == ("1h", "1h")
    assert best(Lengths(2_000, 1_000, 0), outlook, SONNET_RATES, "5m") == (None, None)


def test_too_little_that_is_new_is_not_written() -> None:
    sure = Chance(0.9, 1.0, 1.0)
    for turns, expected in ((31, None), (32, "5m")):
        found = best(Lengths(5_000, turns, 0), Outlook(sure, sure), SONNET_RATES, None)
        assert found == ("5m", expected)


def test_prices_decide_and_no_rule_of_thumb() -> None:
    """Where a read costs as much as plain input there is nothing to gain."""
    sure = Chance(0.9, 1.0, 1.0)
    dear = Rates(3_000_000, 15_000_000, 3_750_000, 6_000_000, 3_000_000)
    assert best(Lengths(5_000, 500, 0), Outlook(sure, sure), dear, None) == (None, None)
    free = Rates(3_000_000, 15_000_000, 3_000_000, 3_000_000, 0)
    rare = Chance(0.1, 0.1, 1.0)
    assert best(Lengths(5_000, 500, 0), Outlook(rare, rare), free, None) == ("1h", "1h")
