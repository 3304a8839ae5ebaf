"""SIGTERM lets running calls end; what a killed gateway held is charged and can be corrected."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import httpx2
import pytest

from tests.ledger_e2e.calls import streamed, whole
from tests.ledger_e2e.fleet import Answer, Fleet, Watched, fleet, nano, until
from tests.running import Gateway


class Calling:
    """Calls under way in a thread."""

    def __init__(self, running: Fleet, secret: str) -> None:
        self.answers: list[Answer] = []
        calls = [(whole, streamed)[at % 2](at) for at in range(8)]
        self._thread = threading.Thread(
            target=lambda: self.answers.extend(running.send(secret, calls))
        )
        self._thread.start()

    def end(self) -> None:
        self._thread.join(30)
        assert not self._thread.is_alive()


def terminate(served: Gateway) -> None:
    served.process.send_signal(signal.SIGTERM)


def connects(served: Gateway) -> bool:
    try:
        httpx2.get(f"{served.url}/health/live")
    except httpx2.TransportError:
        return False
    return True


def test_running_calls_end_and_are_charged_exactly(
    upstream: Watched, database_url: str, tmp_path: Path
) -> None:
    upstream.pace(latency_s=1.0, delta_interval_s=0.03)
    with fleet(tmp_path, upstream, database_url) as running:
        secret, key_id = running.key(max_budget_usd="1.00")
        calling = Calling(running, secret)
        until(lambda: len(upstream.entries()) == 8, within_s=5.0)
        for each in running.gateways:
            terminate(each)
        until(lambda: not any(connects(each) for each in running.gateways), within_s=1.0)
        assert upstream.open_calls() == 8
        calling.end()
        assert [answer.status for answer in calling.answers] == [200] * 8
        assert all(b"[DONE]" in answer.body for answer in calling.answers[1::2])
        assert [each.process.wait(10) for each in running.gateways] == [0] * len(running.gateways)
        running.gateways = [running.start()]
        rows = running.rows(key_id)
        assert {(row["state"], row["cost_source"]) for row in rows} == {("settled", "computed")}
        running.assert_balanced(key_id)


def test_calls_that_outlast_the_grace_are_charged_and_nothing_stays_held(
    upstream: Watched, database_url: str, tmp_path: Path
) -> None:
    config = "server: {shutdown_grace_s: 1}\nledger: {lease_s: 2}\n"
    upstream.pace(latency_s=0.2, delta_interval_s=3.0)
    with fleet(tmp_path, upstream, database_url, config=config) as running:
        secret, key_id = running.key(max_budget_usd="1.00")
        calling = Calling(running, secret)
        until(lambda: len(upstream.entries()) == 8, within_s=5.0)
        until(lambda: upstream.open_calls() == 4, within_s=5.0)  # the whole answers are ready
        for each in running.gateways:
            terminate(each)
        for each in running.gateways:
            each.process.wait(10)
        calling.end()
        running.gateways = [running.start()]
        rows = running.settled_rows(key_id)
        assert len(rows) == 8
        billed = upstream.billed()
        assert len(billed) == 8
        assert sum(nano(row["cost_usd"]) for row in rows) >= sum(billed.values())
        for row in rows:
            cost = nano(row["cost_usd"])
            if row["upstream_request_id"] is None:
                assert row["cost_usd"] == row["reserved_usd"]
            else:
                assert billed[row["upstream_request_id"]] <= cost <= nano(row["reserved_usd"])
        assert running.shown(key_id)["reserved_usd"] == "0.00"
        running.assert_consistent()


def test_an_orphans_charge_is_its_bound_until_somebody_knows_better(
    upstream: Watched, database_url: str, tmp_path: Path
) -> None:
    upstream.pace(latency_s=20.0)
    with fleet(tmp_path, upstream, database_url, config="ledger: {lease_s: 1}\n") as running:
        secret, key_id = running.key(max_budget_usd="1.00")
        caller = threading.Thread(target=lambda: running.send(secret, [whole(1)]))
        caller.start()
        until(lambda: len(upstream.entries()) == 1, within_s=5.0)
        killed_s = time.monotonic()
        running.kill(0)
        caller.join(10)
        (row,) = running.settled_rows(key_id)
        if database_url.startswith("postgresql"):
            assert time.monotonic() - killed_s > 0.3  # not before its lease was over
        assert (row["state"], row["cost_source"]) == ("orphaned", "estimated")
        assert row["cost_usd"] == "0.000361"
        assert running.shown(key_id)["spent_usd"] == "0.000361"

        settle = f"requests/{row['id']}/settle"
        corrected = running.first.admin("POST", settle, {"cost_usd": "0.0001"})
        assert (corrected["state"], corrected["cost_source"]) == ("settled", "corrected")
        assert corrected["cost_usd"] == "0.0001"
        shown = running.shown(key_id)
        assert (shown["spent_usd"], shown["remaining_usd"]) == ("0.0001", "0.9999")
        (newest, *_) = running.first.admin("GET", "audit")["data"]
        assert (newest["action"], newest["target"]) == ("request.settle", row["id"])
        assert newest["details"] == {
            "before": {"state": "orphaned", "cost_usd": "0.000361", "cost_source": "estimated"},
            "after": {"state": "settled", "cost_usd": "0.0001", "cost_source": "corrected"},
        }
        for cost in ("0.0002", "-1", "NaN", 0.5):
            with pytest.raises(AssertionError, match="invalid_request"):
                running.first.admin("POST", settle, {"cost_usd": cost})
        assert running.shown(key_id)["spent_usd"] == "0.0001"
        spend = running.first.admin("GET", "spend?group_by=key")
        assert spend["total_cost_usd"] == "0.0001"
        running.assert_consistent()
