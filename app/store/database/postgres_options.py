"""What libpq's parameters in a PostgreSQL URL mean to asyncpg; what it can't do is refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import URL

CONNECT_TIMEOUT_S = 5
TLS_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# asyncpg reads these from a DSN, and knows what they mean together
TLS_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile")
BY_DSN = (
    "sslmode",
    *TLS_FILES,
    *("sslpassword", "sslnegotiation", "ssl_min_protocol_version", "ssl_max_protocol_version"),
)
SYSTEM = "system"  # the machine's own certificates
WRITABLE = ("any", "primary", "read-write")
# What may be said without any effect: it is so, or it is the driver's own matter.
WITHOUT_EFFECT: Mapping[str, tuple[str, ...]] = {
    "channel_binding": ("disable", "prefer"),
    "gssencmode": ("disable", "prefer"),
    "client_encoding": ("utf8", "utf-8", "auto"),
}
KNOWN = (
    *BY_DSN,
    *WITHOUT_EFFECT,
    *("application_name", "options", "connect_timeout", "target_session_attrs", "pgbouncer"),
)


@dataclass(frozen=True, slots=True)
class PostgresOptions:
    """`place` is the URL without parameters. `pooled`: a PgBouncer stands between."""

    place: URL
    connect: Mapping[str, Any]
    settings: Mapping[str, str]
    connect_timeout_s: float
    pooled: bool


def postgres_options(url: URL) -> PostgresOptions:
    """Raises ValueError, naming the parameter and what is allowed."""
    given = {name: str(value) for name, value in url.query.items() if name not in ("host", "port")}
    place = url.set(query={name: v for name, v in url.query.items() if name not in given})
    if "ssl" in given:
        given.setdefault("sslmode", given.pop("ssl"))
    for name, value in given.items():
        _check(name, value)
    settings = {"application_name": given.get("application_name", "tollkeeper")}
    if "options" in given:
        settings["options"] = given["options"]
    connect: dict[str, Any] = {}
    by_dsn = {name: given[name] for name in BY_DSN if name in given}
    if by_dsn:
        connect["dsn"] = f"postgresql:///?{urlencode(by_dsn)}"
    if "target_session_attrs" in given:
        connect["target_session_attrs"] = given["target_session_attrs"]
    wait_s = float(given.get("connect_timeout", 0))
    return PostgresOptions(
        place=place,
        connect=connect,
        settings=settings,
        connect_timeout_s=max(wait_s, 2) if wait_s > 0 else CONNECT_TIMEOUT_S,
        pooled=given.get("pgbouncer", "false").lower() == "true",
    )


def _check(name: str, value: str) -> None:
    if name not in KNOWN:
        raise ValueError(
            f"the database's URL has the parameter {name!r}, which is not supported; "
            f"supported are {', '.join(sorted(KNOWN))}"
        )
    allowed: tuple[str, ...] | None = WITHOUT_EFFECT.get(name)
    if name == "sslmode":
        allowed = TLS_MODES
    elif name == "target_session_attrs":
        allowed = WRITABLE  # a ledger must be written
    elif name == "pgbouncer":
        allowed = ("true", "false")
    if allowed is not None and value.lower() not in allowed:
        raise ValueError(
            f"{name} in the database's URL must be one of {', '.join(allowed)}, not {value!r}"
            + ("; use sslmode=verify-full instead" if name == "channel_binding" else "")
        )
    if name == "connect_timeout" and not value.isdecimal():
        raise ValueError(f"{name} in the database's URL must be whole seconds, not {value!r}")
    if name in TLS_FILES and value != SYSTEM and not Path(value).is_file():
        raise ValueError(f"{name} in the database's URL names no file: {value!r}")
