"""How often the new tools and system prompts of a virtual key come again: a first call's chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.remembered import HOUR_S, Shared

if TYPE_CHECKING:
    from collections.abc import Mapping

NEW = ""  # where a prefix has its models, a key has this: `opened` new ones, `found` of them again
MOST_OPENED = 32  # from then on both count half: a key's ways change


def after_call(
    before: Mapping[str, Shared], prefix: Mapping[str, Shared], at_s: float
) -> Mapping[str, Shared] | None:
    """What is known of a key after a call of it; None where the call adds nothing.

    `prefix` is what was known of the call's own before: it was new, or it came again within an
    hour, or it is an old acquaintance.
    """
    calls = sum([each.calls for each in prefix.values()])
    if calls > 1:
        return None
    known = before.get(NEW)
    opened, found = (0, 0) if known is None else (known.opened, known.found)
    if calls == 0:
        if opened >= MOST_OPENED:
            opened, found = opened // 2, found // 2
        opened += 1
    elif found < opened and at_s - max(each.at_s for each in prefix.values()) < HOUR_S:
        found += 1
    else:
        return None
    return {NEW: Shared(at_s, opened=opened, found=found)}
