"""Gateways killed under load: nothing that was billed is lost, and nothing is charged twice."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.ledger_e2e.calls import Sent, streamed, tools, whole, written_1h, written_5m
from tests.ledger_e2e.fleet import Watched, fleet
from tests.ledger_e2e.load import assert_every_bill_is_charged, load

LEASE = "ledger: {lease_s: 1}\n"
MAKERS = (whole, streamed, written_5m, written_1h, tools)


def one_of_them(number: int) -> Sent:
    return MAKERS[number % len(MAKERS)](number)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("rounds", [2, pytest.param(20, marks=pytest.mark.long)])
def test_every_bill_is_charged_once_however_often_a_gateway_dies(
    upstream: Watched, database_url: str, tmp_path: Path, rounds: int
) -> None:
    chance = random.Random(rounds)  # noqa: S311 - not a secret
    upstream.pace(latency_s=0.02, delta_interval_s=0.005)
    with fleet(tmp_path, upstream, database_url, config=LEASE) as running:
        secret, key_id = running.key(max_budget_usd="1000.00")
        with load(lambda: running.urls, secret, one_of_them, callers=24) as calling:
            for _ in range(rounds):
                before = calling.served()
                while calling.served() < before + 24:
                    time.sleep(0.01)
                time.sleep(chance.uniform(0, 0.4))
                running.kill(chance.randrange(len(running.gateways)))
        assert calling.codes() == {(200, None), (0, None)}
        rows = assert_every_bill_is_charged(running, key_id)
        assert sum(row["state"] == "orphaned" for row in rows) > 0
        charged = {row["id"] for row in rows if row["state"] == "settled"}
        served = {answer.request_id for answer in calling.answers.values() if answer.status == 200}
        assert served <= charged
