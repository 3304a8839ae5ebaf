from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from app.calls.retry_after import retry_after_s

NOON = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
TEN_YEARS = 315_360_000.0

ASKED = [
    # headers                                                    seconds
    ({}, None),
    ({"retry-after": "7"}, 7.0),
    ({"retry-after": " 7 "}, 7.0),
    ({"retry-after": "1.5"}, 1.5),
    ({"retry-after": "0"}, None),
    ({"retry-after": "0.0"}, None),
    ({"retry-after": "-3"}, None),
    ({"retry-after": "+3"}, None),
    ({"retry-after": "1e3"}, None),
    ({"retry-after": "1_000"}, None),
    ({"retry-after": "٣"}, None),
    ({"retry-after": "nan"}, None),
    ({"retry-after": "inf"}, None),
    ({"retry-after": "soon"}, None),
    ({"retry-after": ""}, None),
    ({"retry-after": "9" * 300}, TEN_YEARS),
    ({"retry-after": "9" * 5_000}, TEN_YEARS),
    ({"retry-after": "0" * 5_000 + "8"}, 8.0),
    ({"retry-after": "9" * 50_000}, None),
    ({"retry-after": "Sat, 21 Nov 2026 12:00:20 GMT"}, 20.0),
    ({"retry-after": "Sat, 21 Nov 2026 12:00:20 -0000"}, 20.0),
    ({"retry-after": "Sat, 21 Nov 2026 13:00:20 +0100"}, 20.0),
    ({"retry-after": "Sat, 21 Nov 2026 11:59:00 GMT"}, None),
    ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, TEN_YEARS),
    ({"retry-after": "Fri, 31 Dec 9999 23:59:59 -2300"}, TEN_YEARS),
    ({"retry-after": "Fri, 31 Dec 0001 00:00:00 +2300"}, None),
    ({"retry-after": "Fri, 31 Dec 99999 23:59:59 GMT"}, None),
    ({"retry-after": "Fri, 31 Dec 2026 23:59:59 +" + "9" * 30}, None),
    ({"retry-after": "Fri, 99 Dec 2026 99:99:99 GMT"}, None),
    ({"retry-after-ms": "250"}, 0.25),
    ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
    ({"retry-after-ms": "0", "retry-after": "9"}, 9.0),
    ({"retry-after-ms": "many", "retry-after": "9"}, 9.0),
    ({"retry-after-ms": "9" * 5_000}, TEN_YEARS),
]


@pytest.mark.parametrize(("headers", "seconds"), ASKED)
def test_what_the_upstream_asks_to_wait(headers: Mapping[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers, NOON) == seconds
