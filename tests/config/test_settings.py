from __future__ import annotations

from pathlib import Path

import pytest

from app.config.problems import ConfigError
from app.config.settings import read_settings, settings_file
from tests.config.files import ON, settings_of
from tests.house.repository import ROOT

SHIPPED = ROOT / "config.yaml"


def test_the_shipped_file_says_what_holds_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = read_settings(SHIPPED, ON)
    monkeypatch.chdir(tmp_path)
    built_in = read_settings(None, ON)
    assert shipped.model_dump() == built_in.model_dump()
    assert list(shipped.models) == list(built_in.models)
    assert list(shipped.tiers) == ["haiku", "sonnet"]


def test_the_shipped_file_writes_every_key_down() -> None:
    settings = read_settings(SHIPPED, ON)
    assert settings.model_fields_set == set(type(settings).model_fields)
    for name in ("server", "routing", "cache", "retries", "streams", "budgets", "telemetry"):
        section = getattr(settings, name)
        assert section.model_fields_set == set(type(section).model_fields), name


def test_the_documented_defaults_hold(tmp_path: Path) -> None:
    s = settings_of("", tmp_path)
    assert s.server.model_dump() == {
        "max_body_bytes": 33_554_432,
        "body_timeout_s": 120,
        "max_pending_bytes": 536_870_912,
        "shutdown_grace_s": 30,
        "metrics_public": False,
        "trusted_proxies": (),
        "cors_origins": (),
    }
    upstream = s.upstreams["anthropic"]
    assert (upstream.kind, upstream.transport) == ("anthropic", "aiohttp")
    assert upstream.base_url == "https://api.anthropic.com"
    assert s.upstreams["openrouter"].base_url == "https://openrouter.ai/api/v1"
    assert (upstream.connect_timeout_s, upstream.first_byte_timeout_s) == (5, 120)
    assert (upstream.idle_timeout_s, upstream.total_timeout_s) == (60, 600)
    assert upstream.stream_timeout_s == 3600
    assert s.tiers == {"haiku": "claude-haiku-4-5-20251001", "sonnet": "claude-sonnet-4-6"}
    assert (s.routing.default_model, s.routing.threshold) == ("auto", 0.5)
    assert s.routing.sonnet_share is None
    assert s.routing.rules.model_dump() == {"strong_from_chars": 10_000, "strong_from_items": 30}
    assert (s.cache.mode, s.cache.ttl) == ("auto", "auto")
    assert s.retries.model_dump() == {
        "max_attempts": 3,
        "max_elapsed_s": 60,
        "max_retry_after_s": 30,
    }
    assert s.fallbacks == {"claude-sonnet-4-6": ("anthropic/claude-sonnet-4.6",)}
    assert s.streams.on_disconnect == "cancel"
    assert s.budgets.model_dump() == {
        "everyone": {"max_budget_nano_usd": None, "window": "month"},
        "default_max_tokens": 16_384,
        "min_output_tokens": 256,
        "shrink_max_tokens": "unset",
        "shrink_share": 0.125,
        "wait_for_holds_s": 3,
        "soft_limit_ratio": 0.8,
        "alert_webhook": None,
    }
    assert (s.ledger.lease_s, s.retention.requests_days) == (30, 400)
    assert s.telemetry.model_dump() == {
        "langfuse": {"enabled": False, "include_content": False},
        "otlp": {"enabled": False},
    }


def test_the_file_is_the_named_one_then_the_variable_s_then_the_one_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert settings_file(None, {}) is None
    (tmp_path / "config.yaml").write_text("")
    assert settings_file(None, {}) == Path("config.yaml")
    assert settings_file(None, {"TOLLKEEPER_CONFIG": ""}) == Path("config.yaml")
    assert settings_file(None, {"TOLLKEEPER_CONFIG": "b.yaml"}) == Path("b.yaml")
    assert settings_file(Path("a.yaml"), {"TOLLKEEPER_CONFIG": "b.yaml"}) == Path("a.yaml")


def test_a_named_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file or directory") as caught:
        read_settings(None, {"TOLLKEEPER_CONFIG": str(tmp_path / "absent.yaml")})
    assert caught.value.file == str(tmp_path / "absent.yaml")


def test_a_folder_and_foreign_bytes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        read_settings(tmp_path, {})
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_settings(tmp_path / "latin.yaml", {})


def test_empty_sections_are_as_good_as_none(tmp_path: Path) -> None:
    text = "server:\nmodels:\ntiers:\nupstreams:\n  anthropic:\n"
    assert settings_of(text, tmp_path).model_dump() == settings_of("", tmp_path).model_dump()


def test_an_entry_for_a_known_upstream_changes_what_it_names(tmp_path: Path) -> None:
    text = "upstreams: {anthropic: {base_url: 'http://127.0.0.1:9000/', idle_timeout_s: 0.5}}"
    settings = settings_of(text, tmp_path)
    upstream = settings.upstreams["anthropic"]
    assert (upstream.kind, upstream.base_url) == ("anthropic", "http://127.0.0.1:9000")
    assert upstream.idle_timeout_s == 0.5
    assert upstream.api_key is not None
    assert set(settings.upstreams) == {"anthropic", "openrouter"}


def test_default_tiers_and_fallbacks_follow_the_models_written_down(tmp_path: Path) -> None:
    one = settings_of("models: {claude-sonnet-4-6: {upstream: anthropic}}", tmp_path)
    assert (one.tiers, one.fallbacks) == ({"sonnet": "claude-sonnet-4-6"}, {})
    text = "models: {claude-haiku-9: {upstream: anthropic, aliases: [claude-haiku-4-5-20251001]}}"
    assert settings_of(text, tmp_path).tiers == {"haiku": "claude-haiku-4-5-20251001"}


def test_an_upstream_may_be_a_list(tmp_path: Path) -> None:
    text = "models: {claude-sonnet-4-6: {upstream: [openrouter, anthropic]}}"
    model = settings_of(text, tmp_path).models["claude-sonnet-4-6"]
    assert model.upstream == ("openrouter", "anthropic")


def test_proxies_and_origins_are_kept_as_written(tmp_path: Path) -> None:
    text = "server: {trusted_proxies: [10.0.0.0/8, '::1'], cors_origins: ['*', 'http://a:1']}"
    server = settings_of(text, tmp_path).server
    assert server.trusted_proxies == ("10.0.0.0/8", "::1")
    assert server.cors_origins == ("*", "http://a:1")


AMOUNTS = [
    ("null", None),
    ("0", 0),
    ("500", 500_000_000_000),
    ("0.1", 100_000_000),
    ('"10.00"', 10_000_000_000),
    ("1e2", 100_000_000_000),
    ("0.000000001", 1),
]


@pytest.mark.parametrize(("written", "nano"), AMOUNTS)
def test_the_global_budget_is_exact(written: str, nano: int | None, tmp_path: Path) -> None:
    settings = settings_of(f"budgets: {{global: {{max_budget_usd: {written}}}}}", tmp_path)
    assert settings.budgets.everyone.max_budget_nano_usd == nano


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    settings = settings_of("", tmp_path)
    assert "sk-ant-secret" not in repr(settings)
    assert "sk-ant-secret" not in settings.model_dump_json()


def test_the_same_text_reads_as_equal_settings(tmp_path: Path) -> None:
    assert settings_of("cache: {mode: off}", tmp_path) == settings_of(
        "cache: {mode: off}", tmp_path
    )
    assert settings_of("cache: {mode: off}", tmp_path) != settings_of("", tmp_path)
