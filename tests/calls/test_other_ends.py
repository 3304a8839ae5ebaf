"""Calls that end before they are sent, and the count that is no call at all."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from app.calls.ended import Course
from app.calls.gateway import Interruption
from app.calls.held import Held
from app.calls.receipts import opening_of, receipt_of
from app.calls.story import count_tokens, stream
from app.core.ended import Basis, Ending
from app.ports import EndedBy, Reservation
from tests.calls.fakes import RecordingHold, RecordingLedger
from tests.calls.told import set_up


class Withdrawing(RecordingLedger):
    """Grants every hold to a caller that has just left, and takes it back."""

    def hold(self, reservation: Reservation, ended: EndedBy) -> RecordingHold:
        hold = super().hold(reservation, ended)
        self.rows[reservation.request_id] = ended(hold, asyncio.CancelledError())
        raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("reason", "status", "code"),
    [(Ending.CALLER_LEFT, 499, "client_disconnected"), (None, 503, "gateway_stopped")],
)
async def test_a_hold_that_came_too_late_is_released_and_told(
    reason: Ending | None, status: int, code: str
) -> None:
    told, gateway, incoming = set_up([], stream=True)
    told.ledger = Withdrawing()
    gateway = replace(gateway, ledger=told.ledger)
    with pytest.raises(asyncio.CancelledError):
        await anext(stream(incoming, gateway, Interruption(reason)))
    (row,) = told.ledger.rows.values()
    assert row is not None
    assert (row.is_charged, row.status, row.error_code) == (False, status, code)
    assert told.recordings.calls == [row]


@pytest.mark.parametrize(("model", "sent"), [("haiku-model", "haiku-model"), ("auto", "auto")])
@pytest.mark.parametrize("native", [False, True])
async def test_a_count_of_the_prompt_holds_nothing(model: str, sent: str, *, native: bool) -> None:
    told, gateway, incoming = set_up([], native=native, model=model)
    assert (await count_tokens(incoming, gateway)).tokens == 10
    assert (told.ledger.rows, told.recordings.calls, told.upstream.counted) == ({}, [], 1)
    assert incoming.request.model == sent


def test_a_course_without_an_attempt_has_none_to_close() -> None:
    with pytest.raises(RuntimeError, match="no attempt was begun"):
        Course(lambda: 0.0).close(None, 0, Basis.USAGE)


async def test_a_call_that_was_not_answered_has_no_receipt() -> None:
    _, gateway, incoming = set_up([])
    with pytest.raises(RuntimeError, match="only an answered call"):
        async with Held(incoming, gateway) as held:
            receipt_of(held, opening_of(held, {}))
