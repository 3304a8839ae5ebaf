"""What the doctor's observations mean."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path

MOST_SKEW_S = 60.0
LEAST_FREE_BYTES = 256 * 2**20
PROBE = b"\0" * 2**16
REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, whether it is well, and a sentence."""

    check: str
    ok: bool
    says: str


@dataclass(frozen=True, slots=True)
class Asked:
    """How an upstream answered: a status and its `date`, or why it could not be reached."""

    base_url: str
    status: int | None = None
    date: str | None = None
    now_s: float = 0.0
    problem: str | None = None

    @property
    def ahead_s(self) -> float | None:
        """How far this machine's clock is ahead of the upstream's; None where it tells no time."""
        try:
            told = parsedate_to_datetime(self.date or "")
        except ValueError:
            return None
        return self.now_s - (told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp()


def upstream_finding(name: str, asked: Asked) -> Finding:
    """Whether the upstream can be reached, and takes the key."""
    check, status = f"upstream {name}", asked.status
    if status is None:
        says = f"{asked.base_url} can't be reached: {asked.problem}"
        return Finding(check, ok=False, says=says)
    if status in REFUSED:
        says = f"{asked.base_url} refuses the api_key (status {status}): it is wrong or was revoked"
        return Finding(check, ok=False, says=says)
    if status >= 300:
        return Finding(check, ok=False, says=f"{asked.base_url} answers with status {status}")
    return Finding(check, ok=True, says=f"{asked.base_url} takes the api_key")


def clock_finding(ahead_s: Mapping[str, float]) -> Finding:
    """Whether this machine's clock agrees with the others; windows and prices go by it."""
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    wrong = {other: skew for other, skew in ahead_s.items() if abs(skew) > MOST_SKEW_S}
    if wrong:
        told = ", ".join(
            f"{abs(skew):,.0f} s {'ahead of' if skew > 0 else 'behind'} {other}"
            for other, skew in wrong.items()
        )
        return Finding("clock", ok=False, says=f"{now}, {told}")
    others = " and ".join(ahead_s) or "nobody to ask"
    return Finding("clock", ok=True, says=f"{now}, as {others}" if ahead_s else f"{now}; {others}")


def written(folder: Path) -> OSError | None:
    """Write some bytes to a file without a name; what stood in the way."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(PROBE)
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        return error
    return None


def disk_finding(folder: Path, error: OSError | None, free_bytes: int | None = None) -> Finding:
    """Whether there is room for the ledger, and it may be written there."""
    free = shutil.disk_usage(folder).free if free_bytes is None else free_bytes
    place = f"{free / 2**30:,.1f} GiB free in {folder.resolve()}"
    if error is not None:
        return Finding("disk", ok=False, says=f"{place}, but: {error.strerror}")
    if free < LEAST_FREE_BYTES:
        return Finding(
            "disk", ok=False, says=f"almost full: {free // 2**20:,} MiB free in {folder}"
        )
    return Finding("disk", ok=True, says=place)
