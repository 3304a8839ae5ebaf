"""What SIGTERM and SIGINT do to a command that serves."""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn


def end_on_signals() -> None:
    """End with exit code 0: stopping a server is no failure.

    A server that runs catches the signal, drains, and raises it again once it is done.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)
