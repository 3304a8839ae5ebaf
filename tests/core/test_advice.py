from __future__ import annotations

from app.core.advice import ADVICE, NEVER_READ, advice_for
from app.core.misses import MissReason


def test_what_cost_most_is_put_right_first() -> None:
    missed = {"expired": 5, "system_changed": 9, "unknown": 99, "first_seen": 0, "look_back": 0}
    assert advice_for(missed, saved_nano_usd=1, read_tokens=1) == (
        ADVICE[MissReason.SYSTEM_CHANGED],
        ADVICE[MissReason.EXPIRED],
    )


def test_what_is_written_and_never_read_is_better_not_written() -> None:
    assert advice_for({}, saved_nano_usd=-1, read_tokens=0) == (NEVER_READ,)
    assert advice_for({}, saved_nano_usd=-1, read_tokens=1) == ()
    assert advice_for({}, saved_nano_usd=0, read_tokens=0) == ()


def test_there_is_advice_for_whatever_a_caller_can_change() -> None:
    nobody = {MissReason.FIRST_SEEN, MissReason.BELOW_MINIMUM, MissReason.UNKNOWN}
    assert set(ADVICE) == set(MissReason) - nobody
