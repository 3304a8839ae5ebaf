"""Logs: one JSON object per line on stderr, and never a secret in it."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

import orjson

from app.core.blotted import blot
from app.core.printable import printable_json

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


class JsonFormatter(logging.Formatter):
    """One line per record: time, level, logger, message, the record's extras, a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line of JSON, secrets blotted out, fit for a terminal."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {k: v for k, v in vars(record).items() if k not in _STANDARD}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return blot(printable_json(orjson.dumps(line, default=str).decode()))


def start_logging(level: str = "info") -> None:
    """Send every logger's records to stderr as JSON lines.

    What others' code says at level debug may hold bodies, so that level is for our own alone.
    """
    own = logging.getLevelNamesMapping()[level.upper()]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=max(own, logging.INFO), handlers=[handler], force=True)
    logging.getLogger("tollkeeper").setLevel(own)
