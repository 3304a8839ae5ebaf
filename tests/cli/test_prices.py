from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.processes import run

OVERRIDE = """
models:
  claude-sonnet-4-6:
    upstream: anthropic
    cost_per_token: {input: 0.0000027}
tiers: {haiku: claude-sonnet-4-6, sonnet: claude-sonnet-4-6}
fallbacks: {}
"""


@pytest.mark.parametrize("columns", ["80", "120"])
def test_a_line_per_model_in_usd_per_million_tokens(tmp_path: Path, columns: str) -> None:
    ended = run(tmp_path, "prices", COLUMNS=columns)
    lines = ended.lines()
    assert lines[0].split("  ")[0] == "USD per million tokens"
    haiku = next(line for line in lines if line.startswith("claude-haiku-4-5-20251001"))
    assert haiku.split() == ["claude-haiku-4-5-20251001", "1.00", "5.00", "1.25", "2.00", "0.10"]
    opus = next(line for line in lines if line.startswith("claude-opus-4-8 "))
    assert opus.split()[1:] == ["5.00", "25.00", "6.25", "10.00", "0.50"]
    assert max(map(len, ended.out.splitlines())) <= 80


def test_a_dearer_tier_stands_below_its_model(tmp_path: Path) -> None:
    lines = run(tmp_path, "prices").lines()
    at = next(n for n, line in enumerate(lines) if line.startswith("claude-haiku-5-5"))
    assert lines[at].split()[1:] == ["0.10", "0.50", "0.125", "0.20", "0.01"]
    assert lines[at + 1].split() == [
        *("prompts", ">", "100,000", "tokens", "0.50", "2.50", "0.625", "1.00", "0.05")
    ]


def test_an_override_is_marked(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(OVERRIDE)
    lines = run(tmp_path, "prices", "--config", "mine.yaml").lines()
    assert lines[2].split() == ["claude-sonnet-4-6", "2.70*", "15.00", "3.75", "6.00", "0.30"]
    assert lines[3] == "* from cost_per_token in the configuration"


def test_for_scripts_every_figure_has_its_source_and_origin(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(OVERRIDE)
    rows = run(tmp_path, "prices", "--json").json()["data"]
    assert {row["category"] for row in rows} == {
        *("input", "output", "cache_write_5m", "cache_write_1h", "cache_read")
    }
    (overridden,) = (row for row in rows if row["category"] == "input")
    assert overridden["usd_per_token"] == "0.0000027"
    assert overridden["origin"] == "config"
    (kept,) = (row for row in rows if row["category"] == "output")
    assert (kept["usd_per_token"], kept["origin"]) == ("0.000015", "price_book")


def test_check_lists_what_genai_prices_has_otherwise(tmp_path: Path) -> None:
    ended = run(tmp_path, "prices", "--check")
    found = run(tmp_path, "prices", "--check", "--json").json()["data"]
    count = len(found)
    assert ended.lines()[-1].startswith(f"{count} differences" if count else "The price books and")
    # An hour's cache writes are listed there for none of OpenRouter's Claude models.
    assert {
        "model": "anthropic/claude-sonnet-4.6",
        "category": "cache_write_1h",
        "tier": "base",
        "ours": "6",
        "theirs": None,
    } in found
