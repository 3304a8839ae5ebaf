"""What an answer leaves behind however it ends: what is cached, what is billed, what is logged."""

from __future__ import annotations

from app.simulator.call import Call
from app.simulator.openrouter.generations import Generation, discount
from app.simulator.outcome import Outcome
from app.simulator.scripts import Fault
from app.simulator.settlement import amount_nano_usd, cut_usage


def begin(call: Call, outcome: Outcome) -> None:
    """From the first byte on, what this request wrote can be read by others."""
    call.simulator.cache.write(outcome.attempt.plan, call.simulator.clock.now_s())


def charge(call: Call, outcome: Outcome, fault: Fault, sent_tokens: int | None = None) -> None:
    """Bill the answer, or what was sent of it."""
    if not fault.billed:
        return
    usage = outcome.usage
    if sent_tokens is not None:
        usage = cut_usage(usage, sent_tokens)
    attempt = outcome.attempt
    amount = amount_nano_usd(
        attempt.model, outcome.message | {"usage": usage}, unsplit_1h=attempt.hour_marks
    )
    call.journal.charge(call.entry, amount, usage)
    if call.generation_id is not None:
        call.simulator.generations.note(
            Generation(
                call.generation_id,
                str(outcome.message["model"]),
                amount,
                discount(attempt.model, usage, amount),
                usage,
                call.simulator.clock.now_s(),
            )
        )


async def break_off(call: Call) -> None:
    """Nothing more will be sent."""
    call.entry.cut = True
    call.entry.client_gone = call.wire.gone
    call.journal.close(call.entry)


async def leave(call: Call, how: str) -> None:
    """Stop sending: in good order, by hanging up, by a reset, or by saying nothing more."""
    if how == "hang":
        await call.wire.hang()
    await break_off(call)
    if how == "reset":
        await call.wire.reset(flush=True)
    elif how == "close":
        await call.wire.hang_up()
    elif how == "end":
        await call.wire.end()
