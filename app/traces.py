"""Tells traces that waited for a vendor's bill once it has come, whoever made the call."""

from __future__ import annotations

import asyncio
import logging

from sqlalchemy.exc import SQLAlchemyError

from app.core.lookups import FIRST_S
from app.store.records.traces import Traces
from app.telemetry.waiting import WaitingTraces

POLL_S = 2.0
_log = logging.getLogger("tollkeeper.telemetry")


async def follow_bills(waiting: WaitingTraces, traces: Traces) -> None:
    """Tell what has its bill by now, every few seconds; what fails is tried again later."""
    works = True
    while waiting.are_told:
        await asyncio.sleep(POLL_S)
        try:
            await tell_billed(waiting, traces)
        except (SQLAlchemyError, OSError) as error:
            if works:
                _log.warning("traces wait for a ledger", extra={"problem": type(error).__name__})
            works = False
        else:
            works = True


async def tell_billed(waiting: WaitingTraces, traces: Traces) -> None:
    """Tell what has its bill, here and of processes that are gone, and what has waited too long."""
    waiting.tell(await traces.billed(waiting.waiting_for(FIRST_S)))
    waiting.adopt(await traces.left())
    waiting.tell_as_they_stand()
    await traces.forget(waiting.told_early())


async def tell_the_rest(waiting: WaitingTraces, traces: Traces) -> None:
    """Tell all that waits before the gateway stops, with the bills that have come."""
    try:
        waiting.tell(await traces.billed(waiting.waiting_for(0)))
        waiting.tell_as_they_stand(0)
        await traces.forget(waiting.told_early())
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        waiting.tell_as_they_stand(0)
        _log.warning("traces were told without bills", extra={"problem": type(error).__name__})
