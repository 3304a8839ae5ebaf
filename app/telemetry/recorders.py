"""All who are told how calls end, behind one recorder."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

from app.telemetry.waiting import WaitingTraces

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.core.ended import Ended, Refused
    from app.core.standing import Standing
    from app.ports import Recorder
    from app.telemetry.metrics import Metrics
    from app.telemetry.tracing import Tracing

Told = TypeVar("Told", "Ended", "Refused")
_log = logging.getLogger("tollkeeper.telemetry")


class Recorders:
    """Implements the recorder's port: tells the metrics, the log, then the traces.

    A call is settled by then: what goes wrong in here is counted and logged, and harms no answer.
    `waiting` are the traces that wait for a bill.
    """

    def __init__(self, metrics: Metrics, log: Recorder, tracing: Sequence[Tracing] = ()) -> None:
        self.metrics = metrics
        self._tracing = tracing
        self.waiting = WaitingTraces(tracing)
        told: tuple[Recorder, ...] = (metrics, log, self.waiting) if tracing else (metrics, log)
        self._record = tuple(recorder.record for recorder in told)
        self._refused = tuple(recorder.refused for recorder in told)
        self._not_counted = tuple(recorder.not_counted for recorder in told)

    def start(self) -> None:
        """Begin to send traces."""
        for tracing in self._tracing:
            tracing.start()

    def close(self) -> None:
        """Send the last traces; blocks for some seconds at most."""
        for tracing in self._tracing:
            tracing.close()

    def record(self, call: Ended) -> None:
        """Tell of a finished call."""
        self._tell(self._record, call)

    def refused(self, call: Refused) -> None:
        """Tell of a call that was refused before its hold."""
        self._tell(self._refused, call)

    def not_counted(self, call: Refused) -> None:
        """Tell of a token count that failed."""
        self._tell(self._not_counted, call)

    def text(self, standing: Standing | None = None) -> bytes:
        """Everything counted so far, in Prometheus's text format."""
        return self.metrics.text(standing)

    def reloaded(self, *, refused: bool) -> None:
        """Note that the config file changed, and whether it was refused."""
        self.metrics.reloaded(refused=refused)

    def _tell(self, all_of_them: Sequence[Callable[[Told], None]], call: Told) -> None:
        for tell in all_of_them:
            try:
                tell(call)
            except Exception:  # noqa: BLE001 - the recorder's one: counted and logged
                self.metrics.dropped("recorder")
                _log.exception("telemetry lost a call", extra={"request_id": call.request_id})
