"""`tollkeeper db copy`: everything that is stored, taken to another database."""

from __future__ import annotations

import time
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from app.commands.database import is_sqlite, shown
from app.commands.failure import CommandFailed, WrongUsage
from app.commands.output import complain, say, show_json
from app.store.database.copying import CopyRefused, Told, copy_database
from app.store.database.sqlite import DatabaseInUse
from app.store.database.url import parsed

TELL_EVERY_S = 2.0


def copy(source_url: str, target_url: str, *, as_json: bool) -> None:
    """Raises WrongUsage for what is no database's URL, CommandFailed for anything else."""
    source, target = shown(source_url, "--from"), shown(target_url, "--to")
    if is_sqlite(source_url) and not Path(parsed(source_url).database or "").exists():
        raise CommandFailed(f"there is no database {source}")
    try:
        rows = copy_database(source_url, target_url, told=_progress())
    except ValueError as error:
        raise WrongUsage(str(error)) from error
    except (CopyRefused, DatabaseInUse) as error:
        raise CommandFailed(str(error)) from error
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        reason = str(getattr(error, "orig", None) or error) or type(error).__name__
        raise CommandFailed(
            f"the copy from {source} to {target} failed: {reason}. "
            "Empty the target before you try again"
        ) from error
    if as_json:
        show_json({"from": source, "to": target, "rows": rows})
        return
    for table, count in rows.items():
        say(f"{table}: {count:,} rows")
    say(f"{source} was copied to {target}: {sum(rows.values()):,} rows.")
    say("Set TOLLKEEPER_DATABASE_URL to the copy before the gateway starts again.")


def _progress() -> Told:
    """Says on stderr every few seconds how far the copy is: a large ledger takes minutes."""
    told_s = time.monotonic()

    def tell(table: str, rows: int, total: int) -> None:
        nonlocal told_s
        if time.monotonic() - told_s >= TELL_EVERY_S:
            told_s = time.monotonic()
            complain(f"{table}: {rows:,} of {total:,} rows copied")

    return tell
