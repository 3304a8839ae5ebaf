"""Whatever two prompts hold, they are compared: a call is settled with what that says."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.breakpoints import lifetimes, marks, outermost_mark, positions
from app.core.fingerprints import fingerprint
from app.core.misses import Read, miss_of, missed_nano_usd
from app.core.pricing import snapshot
from app.core.remembered import Recalled, Thread, Warm
from app.core.replay import lines_of
from app.core.request import Request
from app.core.usage import Usage
from tests.core.catalogs import SONNET_RATES, prices
from tests.core.test_odd_bodies import JSON, turns, typed

OPTIONS = ("tool_choice", "thinking", "output_config", "cache_control", "speed")


def asked(messages: list[Any], system: list[Any], tools: list[Any], options: Any) -> Request:
    return Request("auto", tuple(messages), tuple(system), tuple(tools), options=options)


requests = st.builds(
    asked,
    st.lists(turns, max_size=4),
    st.lists(typed, max_size=2),
    st.lists(typed, max_size=2),
    st.dictionaries(st.sampled_from(OPTIONS), JSON, max_size=3),
)
counts = st.integers(0, 5)


@settings(deadline=None, max_examples=40)
@given(before=requests, now=requests, read=counts, written=counts, tokens=st.integers(0, 20))
def test_any_two_prompts_can_be_compared(
    before: Request, now: Request, read: int, written: int, tokens: int
) -> None:
    end, usage = outermost_mark(before), Usage(3, written, written, read)
    assert fingerprint(before).begins_with(fingerprint(before), len(before.messages))
    assert all(at >= 0 for at in positions(now, marks(now)))
    ttl_s, hour_tokens = lifetimes(before, "1h", usage, 2)
    warm = Warm(tokens, hour_tokens, ttl_s, 0.0, fingerprint(before), end, "anthropic")
    known = Recalled(1.0, fingerprint(now), None, Thread("m", 0.0, {"m": warm}))
    answer = Read("m", "anthropic", usage, snapshot("m", usage, prices(SONNET_RATES)), 4)
    miss = miss_of(known, now, answer)
    assert (miss is None) == (read >= tokens if tokens else read > 0)
    if miss is not None:
        (line,) = lines_of(orjson.loads(answer.rates), usage)
        assert 0 <= miss.nano_usd <= missed_nano_usd(line, tokens)
    assert known.warm_tokens("m") in (0, tokens)
