"""What to do about a cache that misses.  Pure: what each reason cost -> sentences for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.misses import MissReason

if TYPE_CHECKING:
    from collections.abc import Mapping

ADVICE: Mapping[MissReason, str] = {
    MissReason.EXPIRED: (
        "Turns come after the cache has expired: keep it for an hour with cache.ttl: 1h, or a "
        "cache_control with a ttl of 1h."
    ),
    MissReason.MODEL_CHANGED: (
        "Another model answers in the middle of conversations: name a tier, or leave the choice "
        "to auto, which weighs it."
    ),
    MissReason.TOOLS_CHANGED: (
        "The tools change from call to call: send the same ones in the same order."
    ),
    MissReason.SYSTEM_CHANGED: (
        "The system prompt changes from call to call: put the time, ids and names into the last "
        "turn."
    ),
    MissReason.MESSAGES_CHANGED: (
        "Earlier turns are edited, or tool_choice, thinking or the output's format change: append "
        "to what was sent, and keep these options."
    ),
    MissReason.LOOK_BACK: (
        "Turns add more blocks than a breakpoint looks back: mark every twentieth, or leave the "
        "marks to the gateway."
    ),
}
NEVER_READ = (
    "What is written is not read again: switch caching off for these calls with "
    "x-tollkeeper-cache: off, or leave the marks to the gateway."
)


def advice_for(
    missed_nano_usd: Mapping[str, int], *, saved_nano_usd: int, read_tokens: int
) -> tuple[str, ...]:
    """What helps, what cost most first; nothing where no miss cost anything and caching saves."""
    dearest = sorted(missed_nano_usd.items(), key=lambda each: -each[1])
    found = [
        ADVICE[MissReason(reason)]
        for reason, nano_usd in dearest
        if nano_usd > 0 and reason in ADVICE
    ]
    if saved_nano_usd < 0 and not read_tokens:
        found.append(NEVER_READ)
    return tuple(found)
