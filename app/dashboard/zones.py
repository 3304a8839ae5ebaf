"""The zone in which times are shown: UTC, as the ledger and the bill have it, or another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from app.core.errors import BadRequest

MOST_NAME_CHARS: Final = 64


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone by its IANA name."""

    name: str
    info: tzinfo

    def at(self, when: datetime) -> datetime:
        """The same moment with this zone's clock."""
        return when.astimezone(self.info)


UTC_ZONE: Final = Zone("UTC", UTC)


def zone_named(name: str | None) -> Zone:
    """UTC where nothing is named.  Raises BadRequest for what is no zone."""
    if name is None or name == "UTC":
        return UTC_ZONE
    try:
        return Zone(name, ZoneInfo(name[: MOST_NAME_CHARS + 1]))
    except (KeyError, ValueError, OSError) as error:
        raise BadRequest(
            f"tz: {name[:MOST_NAME_CHARS]!r} is no time zone; give UTC or a name such as "
            "Europe/Berlin",
            param="tz",
        ) from error
