"""How often a key's new prompts come again: counted over all of them, by hand."""

from __future__ import annotations

from app.core.beginnings import NEW, after_call
from app.core.remembered import Shared

ONCE = {"m": Shared(100.0, 1)}


def counted(*calls: tuple[dict[str, Shared], float]) -> list[tuple[int, int] | None]:
    """`opened` and `found` after each call; None where it added nothing."""
    known: dict[str, Shared] = {}
    found: list[tuple[int, int] | None] = []
    for prefix, at_s in calls:
        after = after_call(known, prefix, at_s)
        found.append(None if after is None else (after[NEW].opened, after[NEW].found))
        known = known if after is None else dict(after)
    return found


def test_a_prompt_counts_when_it_is_new_and_when_it_comes_again_in_time() -> None:
    twice, elsewhere = {"m": Shared(100.0, 2)}, {"m": Shared(100.0, 1), "n": Shared(90.0, 1)}
    assert counted(({}, 0.0), ({}, 1.0), (ONCE, 3_699.0), (ONCE, 3_700.0)) == [
        (1, 0), (2, 0), (2, 1), None,
    ]  # fmt: skip
    assert counted((ONCE, 100.0), ({}, 100.0), (twice, 101.0), (elsewhere, 101.0)) == [
        None, (1, 0), None, None,
    ]  # fmt: skip


def test_what_is_long_ago_counts_half() -> None:
    full = {NEW: Shared(0.0, opened=32, found=7)}
    assert after_call(full, {}, 5.0) == {NEW: Shared(5.0, opened=17, found=3)}
    all_found = {NEW: Shared(0.0, opened=3, found=3)}
    assert after_call(all_found, ONCE, 101.0) is None
