"""One scrape of four workers tells all that they did, whichever of them it hits."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.cli.processes import Served, serving
from tests.cli.test_workers import ADMIN, MASTER_KEY, children, eventually

CALL = {"model": "haiku", "max_tokens": 20, "messages": [{"role": "user", "content": "Hello"}]}


def scraped(served: Served) -> dict[str, float]:
    """The sums of each family's samples, from whichever worker answers."""
    text = httpx2.get(f"{served.url}/metrics", headers=ADMIN, timeout=10).text
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0) + sample.value
    return found


def spent_nano_usd(served: Served) -> int:
    report: dict[str, Any] = httpx2.get(
        f"{served.url}/admin/spend", headers=ADMIN, timeout=10
    ).json()
    whole, _, rest = report["total_cost_usd"].partition(".")
    return int(whole) * 10**9 + int(rest.ljust(9, "0"))


@pytest.mark.timeout(240)
def test_one_scrape_tells_of_four_workers_and_of_one_that_was_killed(
    tmp_path: Path, blank_postgres_url: str
) -> None:
    given = {"TOLLKEEPER_DATABASE_URL": blank_postgres_url, "TOLLKEEPER_MASTER_KEY": MASTER_KEY}
    with serving(tmp_path, "--simulate", "--workers", "4", **given) as served:
        pid = served.process.pid
        key = httpx2.post(
            f"{served.url}/admin/keys",
            headers=ADMIN,
            json={"name": "one", "max_budget_usd": "1.00"},
            timeout=10,
        ).json()["key"]
        for _ in range(40):  # each on a connection of its own, so that every worker gets some
            answer = httpx2.post(
                f"{served.url}/v1/chat/completions",
                headers={"authorization": f"Bearer {key}"},
                json=CALL,
                timeout=30,
            )
            assert answer.status_code == 200
        cost = spent_nano_usd(served)
        assert cost > 0
        time.sleep(1.1)  # how the ledger stands is kept for a second
        for _ in range(12):
            found = scraped(served)
            assert found["tollkeeper_workers"] == 4
            assert found["tollkeeper_requests_total"] == 40
            assert found["tollkeeper_cost_nano_usd_total"] == cost
            assert found["tollkeeper_latency_seconds_count"] == 40
            assert found["tollkeeper_budget_remaining_nano_usd"] == 10**9 - cost
            assert found["tollkeeper_holds"] == 0

        killed = min(children(pid))
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: len(children(pid) - {killed}) == 4)
        eventually(lambda: scraped(served)["tollkeeper_workers"] == 4)
        for _ in range(8):
            assert scraped(served)["tollkeeper_requests_total"] == 40
        assert served.end() == 0
