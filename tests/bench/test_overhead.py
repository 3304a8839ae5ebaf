"""The benchmark itself, against the gateway, with tiny counts."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def overhead(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "bench" / "overhead.py"), *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            out, err = process.communicate(timeout=90)
        finally:
            process.terminate()  # not killed: it has servers of its own to stop
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def test_it_measures_the_gateway_beside_bare(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    counts = ["--rounds", "1", "--seconds", "0.3", "--only", "ttft"]
    done = overhead(*counts, "--json", str(result))
    assert done.returncode == 0, done.stderr
    assert "first delta, c1: p50 ms added" in done.stdout
    content = json.loads(result.read_text())
    assert sorted(content["samples"]["ttft"]) == ["bare", "mock", "sqlite"]
    gateway = content["samples"]["ttft"]["sqlite"][0]
    assert gateway["good"] > 0
    assert gateway["bad"] == 0
    assert gateway["cpu_ms"] > 0
    assert Decimal(content["spent_usd"]["sqlite"]) > 0


def test_an_unknown_scenario_is_wrong_usage() -> None:
    done = overhead("--only", "small,tiny")
    assert done.returncode == 2
    assert "tiny" in done.stderr
