"""The database stands still or is gone for ten seconds, in the middle of the traffic."""

from __future__ import annotations

import os
import signal
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

from app.store.database.migrate import migrate
from tests.ledger_e2e.calls import Sent, streamed, whole
from tests.ledger_e2e.fleet import Fleet, Watched, fleet, until
from tests.ledger_e2e.load import assert_every_bill_is_charged, load
from tests.store.database.postgres import Server, private_server

OUTAGE_S = 10.0
PATIENCE_S = 40.0


def one_of_them(number: int) -> Sent:
    return (whole, streamed)[number % 2](number)


def assert_it_gets_over(
    running: Fleet, upstream: Watched, outage: Callable[[], None], *, refuses: bool
) -> None:
    """Calls fail closed while it lasts, come back by themselves, and each one is accounted for."""
    upstream.pace(latency_s=0.05)
    secret, key_id = running.key(max_budget_usd="1000.00")
    with load(lambda: running.urls, secret, one_of_them, callers=8) as calling:
        until(lambda: calling.served() > 40, PATIENCE_S)
        outage()
        before = calling.served()
        until(lambda: calling.served() > before + 40, PATIENCE_S)
    unavailable = (503, "ledger_unavailable")
    expected = {(200, None), unavailable} if refuses else {(200, None)}
    assert {(200, None)} <= calling.codes() <= {(200, None), unavailable}
    assert calling.codes() == expected
    rows = assert_every_bill_is_charged(running, key_id)
    assert {row["cost_source"] for row in rows if row["state"] == "settled"} == {"computed"}
    served = {answer.request_id for answer in calling.answers.values() if answer.status == 200}
    assert served == {row["id"] for row in rows if row["state"] == "settled"}
    running.assert_balanced(key_id)
    for each in running.gateways:
        assert each.process.poll() is None
        assert each.http.get(f"{each.url}/health/ready").status_code == 200


@contextmanager
def own_server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="tollkeeper-pg-") as folder:
        Path(folder).chmod(0o755)  # the server runs as another user
        with private_server(Path(folder)) as server:
            migrate(server.get_uri())
            yield server


@pytest.fixture
def server() -> Iterator[Server]:
    with own_server() as running:
        yield running


@pytest.fixture
def two_gateways(server: Server, upstream: Watched, tmp_path: Path) -> Iterator[Fleet]:
    with fleet(tmp_path, upstream, server.get_uri()) as running:
        yield running


def test_a_postgres_that_is_stopped_and_started(
    two_gateways: Fleet, upstream: Watched, server: Server
) -> None:
    def outage() -> None:
        server.stop()
        gone_s = time.monotonic()
        for each in two_gateways.gateways:
            until(partial(not_ready, each.url, two_gateways), PATIENCE_S)
        billed = upstream.billed_nano_usd()
        time.sleep(max(0.0, OUTAGE_S - (time.monotonic() - gone_s)))
        assert upstream.billed_nano_usd() == billed  # nothing is sent without a ledger
        server.ensure_postgres_running()

    assert_it_gets_over(two_gateways, upstream, outage, refuses=True)


def not_ready(url: str, running: Fleet) -> bool:
    return running.first.http.get(f"{url}/health/ready").status_code == 503


STANDSTILLS = [
    # seconds, whether calls are refused meanwhile: a statement is given fifteen seconds
    (OUTAGE_S, False),
    pytest.param(25.0, True, marks=pytest.mark.long),
]


@pytest.mark.parametrize(("for_s", "refuses"), STANDSTILLS)
def test_a_postgres_that_stands_still(
    two_gateways: Fleet, upstream: Watched, server: Server, for_s: float, *, refuses: bool
) -> None:
    def outage() -> None:
        processes = postgres_processes(server)
        assert len(processes) > 2
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(for_s)
        finally:
            for pid in processes:
                os.kill(pid, signal.SIGCONT)

    assert_it_gets_over(two_gateways, upstream, outage, refuses=refuses)


def postgres_processes(server: Server) -> list[int]:
    """The postmaster and its children, of this one server."""
    parent = server.get_pid()
    assert parent is not None
    stats = (path / "stat" for path in Path("/proc").iterdir() if path.name.isdecimal())
    found = [parent]
    for stat in stats:
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found.append(int(stat.parent.name))
    return found


def test_a_sqlite_file_that_another_process_keeps_locked(upstream: Watched, tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"

    def outage() -> None:
        with closing(sqlite3.connect(file, isolation_level=None, timeout=60)) as other:
            other.execute("BEGIN EXCLUSIVE")
            time.sleep(OUTAGE_S + 2.0)  # the gateway waits ten seconds for a lock
            other.execute("ROLLBACK")

    with fleet(tmp_path, upstream, f"sqlite:///{file}") as running:
        assert_it_gets_over(running, upstream, outage, refuses=True)
