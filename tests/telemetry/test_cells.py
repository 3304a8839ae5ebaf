"""Numbers that several processes share: each adds to its own, one scrape reads all."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.core.standing import Standing
from app.telemetry.cells import MOST_CELLS, Cells
from app.telemetry.families import MOST_SERIES
from app.telemetry.metrics import Metrics
from tests.telemetry.calls import MODEL, call
from tests.telemetry.test_metrics import samples

WORKER = """
import sys, time
from pathlib import Path
from app.telemetry.metrics import Metrics
from tests.telemetry.calls import call
metrics = Metrics(Path(sys.argv[1]))
for _ in range(3):
    metrics.record(call(0.2, 1_000))
metrics.config_refused(refused=True)
print("counted", flush=True)
time.sleep(60)
"""
ROOT = Path(__file__).parents[2]


def worker(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "counted\n"
    return process


def test_one_scrape_tells_of_every_worker_and_keeps_what_a_killed_one_counted(
    tmp_path: Path,
) -> None:
    metrics = Metrics(tmp_path)
    metrics.record(call(0.2, 5))
    other = worker(tmp_path)
    try:
        found = samples(metrics)
        assert found["tollkeeper_workers"] == 2
        assert found[f"tollkeeper_replica|{socket.gethostname()}"] == 1
        assert found[f"tollkeeper_cost_nano_usd_total|key_1|{MODEL}"] == 3_005
        assert found[f"tollkeeper_latency_seconds_count|{MODEL}"] == 4
        assert found[f"tollkeeper_latency_seconds_sum|{MODEL}"] == 0.8
        assert found["tollkeeper_config_refused"] == 1
    finally:
        other.send_signal(signal.SIGKILL)
        other.communicate()
    found = samples(metrics)
    assert found["tollkeeper_workers"] == 1
    assert found[f"tollkeeper_cost_nano_usd_total|key_1|{MODEL}"] == 3_005
    assert found[f"tollkeeper_latency_seconds_count|{MODEL}"] == 4
    assert found["tollkeeper_config_refused"] == 0  # it was the dead one's state


def test_a_name_that_is_just_being_written_is_left_for_the_next_scrape(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path)
    (tmp_path / "9-x.names").write_text('["tollkeeper_orphans"]\n["tollkeeper_ret')
    (tmp_path / "9-x.values").write_bytes((7).to_bytes(8, sys.byteorder) + bytes(8))
    assert samples(metrics)["tollkeeper_orphans_total"] == 7


def test_a_file_of_numbers_is_for_its_owner_alone(tmp_path: Path) -> None:
    Cells(tmp_path)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_too_many_series_are_counted_together() -> None:
    metrics = Metrics()
    for n in range(MOST_SERIES + 50):
        metrics._cost.add(2, f"key_{n}", MODEL)
    found = samples(metrics)
    cost = {name: value for name, value in found.items() if name.startswith("tollkeeper_cost")}
    assert len(cost) == MOST_SERIES + 1
    assert cost["tollkeeper_cost_nano_usd_total|other|other"] == 100
    assert sum(cost.values()) == 2 * (MOST_SERIES + 50)


def test_there_is_an_end_of_cells() -> None:
    cells = Cells()
    cells.make(*((str(n),) for n in range(MOST_CELLS)))
    with pytest.raises(OverflowError):
        cells.make(("one more",))


def test_what_the_ledger_says_stands_beside_what_was_counted() -> None:
    metrics = Metrics()
    metrics.committed(3, 0.002)
    metrics.committed(300, 0.1)
    metrics.orphaned(2)
    metrics.reloaded(refused=False)
    text = metrics.text(Standing(4, 1_000, {"key_1": -5})).decode()
    found = {
        sample.name + "".join(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert (found["tollkeeper_holds"], found["tollkeeper_held_nano_usd"]) == (4, 1_000)
    assert found["tollkeeper_budget_remaining_nano_usdkey_1"] == -5
    assert found["tollkeeper_ledger_up"] == 1
    assert found["tollkeeper_ledger_batch_entries_bucket4.0"] == 1
    assert found["tollkeeper_ledger_batch_entries_bucket+Inf"] == 2
    assert found["tollkeeper_ledger_batch_entries_sum"] == 303
    assert found["tollkeeper_ledger_commit_seconds_bucket0.0025"] == 1
    assert found["tollkeeper_ledger_commit_seconds_sum"] == 0.102
    assert found["tollkeeper_orphans_total"] == 2
    assert found["tollkeeper_config_reloads_totaltaken"] == 1
    assert samples(metrics)["tollkeeper_ledger_up"] == 0
