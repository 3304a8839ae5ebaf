"""The master key: given by the environment, or made once and kept in a file."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.commands.failure import CommandFailed, WrongUsage

VARIABLE = "TOLLKEEPER_MASTER_KEY"
KEY_FILE = Path("data/master.key")
LEAST_CHARS = 16
SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class MasterKey:
    """`file` is where it is kept, unless the environment gave it; `made` says that it is new."""

    value: str = field(repr=False)
    file: Path | None = None
    made: bool = False


def master_key(environ: Mapping[str, str], file: Path = KEY_FILE) -> MasterKey:
    """The key that opens the admin API.

    Raises WrongUsage when it is too short, CommandFailed when the file can't be used.
    """
    given = environ.get(VARIABLE, "").strip()
    if given:
        return MasterKey(_long_enough(given, VARIABLE))
    try:
        made = not file.exists() and _make(file)
        kept = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"can't keep the master key in {file}: {error}") from error
    return MasterKey(_long_enough(kept, str(file)), file.absolute(), made)


def _long_enough(key: str, place: str) -> str:
    if len(key) < LEAST_CHARS:
        raise WrongUsage(
            f"{place}: the master key has {len(key)} characters; allowed: at least {LEAST_CHARS}"
        )
    return key


def _make(file: Path) -> bool:
    """Write a new key for its owner's eyes alone; False when another process was faster.

    A hard link appears whole or not at all, and never over another process's key.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as opened:
        opened.write(f"mk-{secrets.token_urlsafe(SECRET_BYTES)}\n")
        opened.flush()
        os.fsync(opened.fileno())
    try:
        os.link(fresh, file)
    except FileExistsError:
        return False
    finally:
        fresh.unlink()
    return True
