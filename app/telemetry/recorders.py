"""All who are told how calls end, behind one recorder."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.core.ended import Ended, Refused
    from app.ports import Recorder
    from app.telemetry.metrics import Metrics

Told = TypeVar("Told", "Ended", "Refused")
_log = logging.getLogger("tollkeeper.telemetry")


class Recorders:
    """Implements the recorder's port: tells the metrics, then the others.

    A call is settled by then: what goes wrong in here is counted and logged, and harms no answer.
    """

    def __init__(self, metrics: Metrics, *others: Recorder) -> None:
        self.metrics = metrics
        self._all: tuple[Recorder, ...] = (metrics, *others)

    def record(self, call: Ended) -> None:
        """Tell of a finished call."""
        for recorder in self._all:
            self._tell(recorder.record, call)

    def refused(self, call: Refused) -> None:
        """Tell of a call that was refused before its hold."""
        for recorder in self._all:
            self._tell(recorder.refused, call)

    def not_counted(self, call: Refused) -> None:
        """Tell of a token count that failed."""
        for recorder in self._all:
            self._tell(recorder.not_counted, call)

    def text(self) -> bytes:
        """Everything counted so far, in Prometheus's text format."""
        return self.metrics.text()

    def config_refused(self, *, refused: bool) -> None:
        """Note whether the config file as it stands was refused."""
        self.metrics.config_refused(refused=refused)

    def _tell(self, tell: Callable[[Told], None], call: Told) -> None:
        try:
            tell(call)
        except Exception:  # noqa: BLE001 - the recorder's one: counted and logged
            self.metrics.dropped("recorder")
            _log.exception("telemetry lost a call", extra={"request_id": call.request_id})
