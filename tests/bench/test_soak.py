"""The soak itself, against the gateway, with a handful of slow streams."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_it_measures_memory_and_everyone_else_beside_slow_readers(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    soak = [sys.executable, str(ROOT / "bench" / "soak.py")]
    options = ["--streams", "20", "--seconds", "2", "--warm-up", "1", "--json", str(result)]
    done = subprocess.run(
        [*soak, *options], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode in (0, 1), done.stderr  # 1: an aim is missed, on a busy machine
    assert "20 slow streams for 2 s" in done.stdout
    found = json.loads(result.read_text())
    assert found["memory_after_warm_up_mb"] > 20
    assert found["memory_growth"] >= 1
    assert found["others_p99_before_ms"] > 0
    assert found["others_p99_beside_ms"] > 0
