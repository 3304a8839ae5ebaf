"""How samples become the table."""

from __future__ import annotations

from dataclasses import replace

from bench.parts.figures import caveats, figures, table
from bench.parts.load import Sample


def sample(per_s: float = 0, p50_ms: float = 0, cpu_ms: float = 0, rss_mb: float = 0) -> Sample:
    return Sample(1, 0, "", per_s, p50_ms, 0.0, cpu_ms, rss_mb)


def test_a_ratio_is_the_median_of_the_ratios_within_each_round() -> None:
    # 0.5, 0.4 and 0.9: the machine was slow in the second round, for both.
    bare = [sample(1_000), sample(100), sample(1_000)]
    ours = [sample(500), sample(40), sample(900)]
    row = figures({"small": {"bare": bare, "sqlite": ours}}, ["sqlite"])[0]
    assert row.title == "small, c32: requests/s"
    assert (row.measured, row.bare, row.compared) == (500, 1_000, 0.5)
    assert (row.must, row.met) == (">= 0.45x", True)


def test_a_p99_is_of_all_rounds_together() -> None:
    def rounds(*latencies_ms: list[float]) -> list[Sample]:
        return [replace(sample(), latencies_ms=each) for each in latencies_ms]

    bare = rounds([1.0] * 100, [1.0] * 100)
    ours = rounds([2.0] * 100, [2.0] * 96 + [80.0] * 4)  # 4 of 200 are slow
    row = figures({"small": {"bare": bare, "sqlite": ours}}, ["sqlite"])[2]
    assert row.title == "small, c32: p99 ms"
    assert (row.measured, row.bare, row.compared) == (80, 1, 80)


def test_what_is_added_is_told_from_the_mock_alone() -> None:
    alone = [sample(p50_ms=60), sample(p50_ms=62)]
    bare = [sample(p50_ms=61), sample(p50_ms=64)]
    ours = [sample(p50_ms=63), sample(p50_ms=71)]
    samples = {"latency-c1": {"mock": alone, "bare": bare, "sqlite": ours}}
    row = figures(samples, ["sqlite"])[0]
    assert (row.measured, row.bare, row.compared) == (6, 1.5, 6)
    assert (row.must, row.met) == ("<= 5", False)


def test_each_database_has_its_row() -> None:
    start = {
        "bare": [sample(p50_ms=700, rss_mb=40)],
        "sqlite": [sample(p50_ms=2_000, rss_mb=80)],
        "postgresql": [sample(p50_ms=3_500, rss_mb=90)],
    }
    rows = figures({"start": start}, ["sqlite", "postgresql"])
    assert [(row.title, row.server, row.compared, row.met) for row in rows] == [
        ("start to first answer: s", "sqlite", 2.0, True),
        ("start to first answer: s", "postgresql", 3.5, False),
        ("resident, idle: MB", "sqlite", 80, True),
        ("resident, idle: MB", "postgresql", 90, True),
    ]


def test_the_table_marks_what_is_not_met() -> None:
    samples = {"small": {"bare": [sample(1_000, cpu_ms=0.5)], "sqlite": [sample(400, cpu_ms=1)]}}
    lines = table(figures(samples, ["sqlite"])).splitlines()
    assert lines[1].split() == [
        *["small,", "c32:", "requests/s", "sqlite", "400", "1,000", "0.40x", ">=", "0.45x"],
        *["NOT", "MET"],
    ]
    assert lines[2].split()[-5:] == ["0.50", "2.00x", "<=", "2.2x", "ok"]
    # Bare's p99 is 0 here: no ratio, and no aim to fail.
    assert lines[3].split()[-1] == "nanx"


def test_a_rate_that_was_held_back_is_owned_up_to() -> None:
    idle = {"burst": {"bare": [sample(per_s=1_000, cpu_ms=0.5)]}}
    busy = {"burst": {"bare": [sample(per_s=1_000, cpu_ms=0.95)]}}
    assert caveats(idle)[0].startswith("burst: bare was busy for 50% of its core")
    assert caveats(busy) == []
