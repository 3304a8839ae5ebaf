"""What the ledger's writer is asked to enter, and how each entry is answered.

A hold makes them, the writer puts them into a transaction and hands each its outcome.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from app.core.errors import Refusal
from app.core.values import value
from app.ports import Reservation
from app.store.ledger.counting import Labels
from app.store.ledger.windows import WindowRow

State = Literal["reserved", "settled", "released", "orphaned"]


@value
class Granted:
    """A hold that was entered."""

    nano_usd: int
    windows: tuple[WindowRow, ...]
    created_us: int
    team_id: str | None


@value
class Waits:
    """Only the holds of running calls keep it out of this scope, or who waits there already."""

    scope: str


@value
class Closing:
    """How a call ended, by which `model`: `columns` as CLOSED_COLUMNS, `counts` as ROLLUP_SUMS."""

    model: str
    cost_nano_usd: int
    columns: tuple[Any, ...]
    counts: list[int]


@dataclass(slots=True, eq=False)
class Open:
    """Hold the reservation's bound.  Answer: Granted, or the Refusal to raise.

    `give_back` takes a grant whose caller no longer waits for it; `release` makes the entry that
    undoes a hold which was refused though it may have been committed. Until `waits_until_s` (by the
    loop's clock) it may be answered with Waits instead, then it is entered again.
    """

    reservation: Reservation
    future: Future[Granted | Refusal]
    give_back: Callable[[Granted], None]
    release: Callable[[], Close]
    waits_until_s: float | None = None
    # kept by WaitingCalls: the line it stands in, and whether it is being tried again
    waits_in: str | None = None
    is_tried: bool = False

    def answer(self, outcome: Granted | Refusal) -> None:
        """Answer whoever waits."""
        if self.future.cancelled() and isinstance(outcome, Granted):
            self.give_back(outcome)
        elif not self.future.done():
            self.future.set_result(outcome)


@dataclass(slots=True, eq=False)
class Extend:
    """Hold so much more.  Answer: whether it fitted.

    `lost` says that it was answered with no, though it may have been committed.
    """

    request_id: str
    key_id: str
    more_nano_usd: int
    windows: tuple[WindowRow, ...]
    future: Future[bool]
    lost: bool = False

    def answer(self, fitted: bool) -> None:  # noqa: FBT001  # the answer itself
        """Answer whoever waits."""
        if not self.future.done():
            self.future.set_result(fitted)


@dataclass(slots=True, eq=False)
class Close:
    """Settle or release.  Answer: what the tightest limit has left, in nano-USD; None without one.

    `verify`: what the row says goes before what this process remembers. Whoever waits does so on
    `wakes`, and looks at `answered` when it is woken: a wait that is cancelled is begun again with
    another future, so that no cancellation loses the answer.
    """

    request_id: str
    key_id: str
    team_id: str | None
    created_us: int
    held_nano_usd: int
    windows: tuple[WindowRow, ...]
    closing: Closing
    labels: Labels
    wakes: Future[None]
    verify: bool = False
    answered: bool = False
    remaining_nano_usd: int | None = None

    def answer(self, remaining_nano_usd: int | None) -> None:
        """Answer whoever waits, once."""
        if not self.answered:
            self.answered = True
            self.remaining_nano_usd = remaining_nano_usd
            if not self.wakes.done():
                self.wakes.set_result(None)


Entry = Open | Extend | Close
Outcome = Granted | Refusal | Waits | bool | int | None
