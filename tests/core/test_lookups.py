"""When a vendor is asked again for its bill."""

from __future__ import annotations

import pytest

from app.core.lookups import wait_s

WAITS = [(1, 10), (2, 20), (3, 40), (9, 2_560), (10, 3_600), (19, 3_600), (20, None), (99, None)]


@pytest.mark.parametrize(("asked", "seconds"), WAITS)
def test_each_wait_is_twice_the_last_up_to_an_hour(asked: int, seconds: int | None) -> None:
    assert wait_s(asked) == seconds
