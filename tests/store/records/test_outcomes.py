"""What is said of calls, and what of it weights can be fitted to."""

from __future__ import annotations

import asyncio

import pytest

from app.core.errors import NotFound
from app.core.routing import Reason, Route
from app.store.records.outcomes import Outcome, scored_outcomes
from tests.store.ledger.till import Till, reservation

SCORED = Route("sonnet", 0.7, Reason.SCORE, 0.5, {"proof": 2, "words": 9}, {"proof": 0.2})
FORCED = Route(None, 0.0, Reason.FORCED_MODEL)


async def test_the_last_word_on_a_call_stands_on_its_details(till: Till) -> None:
    asked = reservation(await till.key())
    await till.call(asked, 5)
    assert (await till.row(asked))["outcome"] is None
    noted = await till.requests.note_outcome(asked.request_id, "a\0b", ok=False)
    assert (noted["id"], noted["outcome"]["ok"]) == (asked.request_id, False)
    assert noted["outcome"]["note"] == "a\ufffdb"
    await till.requests.note_outcome(asked.request_id, None, ok=True)
    outcome = (await till.row(asked))["outcome"]
    assert (outcome["ok"], outcome["note"]) == (True, None)
    assert outcome["noted_at"].endswith("Z")


async def test_of_what_is_said_at_once_one_stays(till: Till) -> None:
    asked = reservation(await till.key())
    await till.call(asked, 5)
    notes = (till.requests.note_outcome(asked.request_id, str(n), ok=True) for n in range(8))
    await asyncio.gather(*notes)
    assert (await till.row(asked))["outcome"]["note"] in set("01234567")


async def test_nothing_can_be_said_of_a_call_that_has_no_row(till: Till) -> None:
    with pytest.raises(NotFound):
        await till.requests.note_outcome("req_none", None, ok=True)


async def test_weights_can_be_fitted_to_calls_that_were_scored(till: Till) -> None:
    key = await till.key()
    calls = [reservation(key, route=route) for route in (SCORED, FORCED, SCORED)]
    for each in calls:
        await till.call(each, 5)
    for each in calls[:2]:
        await till.requests.note_outcome(each.request_id, None, ok=False)
    found = await till.database.run(scored_outcomes)
    assert found == [Outcome(calls[0].request_id, "sonnet", {"proof": 2, "words": 9}, ok=False)]
