"""What it saves on SQLite to hand a statement's text to the driver: microseconds for each run.

python bench/statements.py [--runs 20000]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable

from sqlalchemy import Connection, bindparam, create_engine, insert, select, update

from app.store.database.migrate import upgrade
from app.store.database.prepared import Prepared, among, texts
from app.store.database.tables import windows
from app.store.ledger.statements import Statements

ID = "key:key_1@none"
ROUNDS = 5


def microseconds(runs: int, work: Callable[[], object]) -> float:
    """For each run, in the best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for _ in range(runs):
            work()
        best = min(best, time.perf_counter() - started)
    return best / runs * 1e6


def compared(connection: Connection, runs: int) -> dict[str, tuple[float, float]]:
    """Of a reading and a writing statement of every hold: through SQLAlchemy, and directly."""
    statements = Statements(connection.dialect)
    ids = texts([ID], connection.dialect)
    read = (
        select(windows.c.id, windows.c.spent_nano_usd, windows.c.held_nano_usd)
        .where(among(windows.c.id, "ids", connection.dialect))
        .order_by(windows.c.id)
    )
    more = windows.c.held_nano_usd + bindparam("more")
    write = update(windows).where(windows.c.id == bindparam("row")).values(held_nano_usd=more)
    written = Prepared(write, connection.dialect, given=("more", "row"))
    one = [(1, ID)]
    return {
        "read": (
            microseconds(runs, lambda: connection.execute(read, {"ids": ids}).all()),
            microseconds(runs, lambda: statements.lock_windows.tuples(connection, ids=ids)),
        ),
        "write": (
            microseconds(runs, lambda: connection.execute(write, [{"more": 1, "row": ID}])),
            microseconds(runs, lambda: written.many(connection, one)),
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20_000)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        engine = create_engine(f"sqlite:///{folder}/ledger.db")
        with engine.begin() as connection:
            upgrade(connection)
            connection.execute(
                insert(windows).values(id=ID, scope_kind="key", scope_id="key_1", period="none")
            )
            for name, (through, directly) in compared(connection, runs).items():
                print(f"{name.ljust(6)} sqlalchemy={through:.1f} us  driver={directly:.1f} us")
        engine.dispose()


if __name__ == "__main__":
    main()
