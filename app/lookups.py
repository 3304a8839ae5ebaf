"""Asks vendors afterwards what they billed, as long as there are answers it isn't known of."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from sqlalchemy.exc import SQLAlchemyError

from app.core.lookups import Pending, Told
from app.store.records.lookups import Lookups
from app.telemetry.metrics import Metrics
from app.upstream.openrouter.upstream import OpenRouterUpstream
from app.web.running import RunningGateway

POLL_S = 2.0
AT_ONCE = 8

_log = logging.getLogger("tollkeeper")


async def follow_lookups(running: RunningGateway, lookups: Lookups, metrics: Metrics) -> None:
    """Ask for all that is due, every few seconds; what fails is asked again later."""
    works = True
    while True:
        await asyncio.sleep(POLL_S)
        askable = {
            name: upstream
            for name, upstream in running.gateway.upstreams.items()
            if isinstance(upstream, OpenRouterUpstream)
        }
        if not askable:
            continue
        try:
            for model, nano_usd in await ask_all(askable, lookups):
                metrics.billed(model, nano_usd)
        except (SQLAlchemyError, OSError) as error:
            if works:
                _log.warning("bills can't be looked up", extra={"problem": type(error).__name__})
            works = False
        else:
            works = True


async def ask_all(
    askable: dict[str, OpenRouterUpstream], lookups: Lookups
) -> Sequence[tuple[str, int]]:
    """Ask once for each answer that is due, and enter what is told.

    By how many nano-USD what was computed was off, with the model.
    """
    pending = await lookups.claim(tuple(askable))
    if not pending:
        return ()
    room = asyncio.Semaphore(AT_ONCE)

    async def ask(each: Pending) -> Told | None:
        async with room:
            return await askable[each.upstream].generations.ask(each.generation_id)

    told = await asyncio.gather(*(ask(each) for each in pending))
    noted = await lookups.note(list(zip(pending, told, strict=True)))
    for lost in noted.given_up:
        _log.warning(
            "an upstream never told what it billed: the row keeps what was computed",
            extra={"request_id": lost.request_id, "generation_id": lost.generation_id},
        )
    return noted.differences
