from __future__ import annotations

from pathlib import Path

from tests.cli.processes import ROOT, run

SHIPPED = str(ROOT / "config.yaml")

RETIRED = "retired by its vendor, which advises claude-{}-5-5; calls to it are a 404"


def test_the_shipped_file_is_valid_and_summed_up(tmp_path: Path) -> None:
    ended = run(tmp_path, "config", "check", "--config", SHIPPED, ANTHROPIC_API_KEY="sk-ant-x")
    lines = ended.lines()
    assert lines[0] == f"The configuration is valid: {SHIPPED}"
    assert "upstreams  anthropic: on, openrouter: off" in lines
    assert "tiers      haiku: claude-haiku-4-5-20251001, sonnet: claude-sonnet-4-6" in lines
    assert "upstreams.openrouter is off: it has no api_key; its models are hidden" in lines
    assert not any("tiers.haiku" in line for line in lines)


def test_without_keys_it_warns_that_nothing_is_served(tmp_path: Path) -> None:
    found = run(tmp_path, "config", "check", "--json").json()
    assert found["models"] == []
    assert found["upstreams"] == {"anthropic": "off", "openrouter": "off"}
    assert "tiers.sonnet is not served: claude-sonnet-4-6 is hidden" in found["warnings"]


def test_a_retired_model_is_warned_of_first_where_a_tier_uses_it(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        "models:\n"
        "  claude-opus-4-1-20250805: {upstream: anthropic}\n"
        "  claude-sonnet-4-20250514: {upstream: anthropic}\n"
        "  claude-haiku-4-5-20251001: {upstream: anthropic}\n"
        "tiers: {haiku: claude-haiku-4-5-20251001, sonnet: claude-sonnet-4-20250514}\n"
        "fallbacks: {}\n"
    )
    found = run(tmp_path, "config", "check", "--json", ANTHROPIC_API_KEY="sk-ant-x").json()
    assert [text for text in found["warnings"] if text.startswith("models.")] == [
        f"models.claude-sonnet-4-20250514: {RETIRED.format('sonnet')}; a tier uses it",
        f"models.claude-opus-4-1-20250805: {RETIRED.format('opus')}",
    ]


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(
        "retries: {max_attempts: 99}\nstreams: {on_disconnect: wait}\ncahce: {mode: auto}\n"
    )
    ended = run(tmp_path, "config", "check", TOLLKEEPER_CONFIG="bad.yaml")
    assert ended.code == 2
    assert "bad.yaml, line 1: retries.max_attempts: 99; allowed:" in ended.err
    assert "bad.yaml, line 2: streams.on_disconnect: wait" in ended.err.replace("'", "")
    assert "did you mean 'cache'?" in ended.err


def test_a_file_that_is_not_there_is_told_by_name(tmp_path: Path) -> None:
    ended = run(tmp_path, "config", "check", "--config", "nowhere.yaml")
    assert ended.code == 2
    assert "nowhere.yaml" in ended.err


def test_a_file_of_weights_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("routing: {weights: nowhere.yaml}\n")
    ended = run(tmp_path, "config", "check")
    assert ended.code == 2
    assert "config.yaml, line 1: routing.weights: 'nowhere.yaml'; allowed: a file of" in ended.err
