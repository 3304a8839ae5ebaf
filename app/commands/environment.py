"""What a command is told by its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from app.config.environment import environment

DEFAULT_DATABASE_URL = "sqlite:///data/tollkeeper.db"
SIMULATED_DATABASE_URL = "sqlite:///data/simulated.db"


def told() -> dict[str, str]:
    """The environment, fit to be used.  Raises ConfigError."""
    return environment(os.environ)


def served_database_url(environ: Mapping[str, str], *, simulated: bool) -> str:
    """What `serve` writes to: $TOLLKEEPER_DATABASE_URL, or this kind of upstream's own file.

    Play money and real money never stand in one ledger.
    """
    own = SIMULATED_DATABASE_URL if simulated else DEFAULT_DATABASE_URL
    return environ.get("TOLLKEEPER_DATABASE_URL") or own


def database_url() -> str:
    """What every other command works on.  Raises ConfigError.

    Without $TOLLKEEPER_DATABASE_URL the ledger of real money where there is one; else, or with
    TOLLKEEPER_SIMULATE=1, the simulated upstream's.
    """
    environ = told()
    real, simulated = map(_file, (DEFAULT_DATABASE_URL, SIMULATED_DATABASE_URL))
    only_play = simulated.exists() and not real.exists()
    return served_database_url(
        environ, simulated=only_play or environ.get("TOLLKEEPER_SIMULATE") == "1"
    )


def _file(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))
