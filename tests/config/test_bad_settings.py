"""Every section with something wrong in it, each refused with the key path."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from app.config.prices import Book
from tests.config.files import refusal

BAD = [
    # text                                                      key path                value
    ("5", "", "not a mapping"),
    ("- server", "", "not a mapping"),
    ("server: 5", "server", "5"),
    ("server: []", "server", "a list"),
    ("sever: {}", "sever", "unknown key 'sever'"),
    ("server: {max_body: 1}", "server.max_body", "unknown key 'max_body'"),
    ("server: {max_body_bytes: 0}", "server.max_body_bytes", "0"),
    ("server: {max_body_bytes: -1}", "server.max_body_bytes", "-1"),
    ("server: {max_body_bytes: 32MiB}", "server.max_body_bytes", "'32MiB'"),
    ("server: {max_body_bytes: '5'}", "server.max_body_bytes", "'5'"),
    ("server: {max_body_bytes: 1.5}", "server.max_body_bytes", "1.5"),
    ("server: {max_body_bytes: 1e6}", "server.max_body_bytes", "1E+6"),
    ("server: {max_body_bytes: true}", "server.max_body_bytes", "true"),
    ("server: {max_body_bytes: 2000000000}", "server.max_body_bytes", "2000000000"),
    ("server: {shutdown_grace_s: -1}", "server.shutdown_grace_s", "-1"),
    ("server: {shutdown_grace_s: 30s}", "server.shutdown_grace_s", "'30s'"),
    ("server: {shutdown_grace_s: .inf}", "server.shutdown_grace_s", "Infinity"),
    ("server: {shutdown_grace_s: null}", "server.shutdown_grace_s", "null"),
    ("server: {metrics_public: yes}", "server.metrics_public", "'yes'"),
    ("server: {metrics_public: 1}", "server.metrics_public", "1"),
    ("server: {trusted_proxies: 10.0.0.1}", "server.trusted_proxies", "'10.0.0.1'"),
    ("server: {trusted_proxies: [proxy]}", "server.trusted_proxies.0", "'proxy'"),
    ("server: {cors_origins: [a.example]}", "server.cors_origins.0", "'a.example'"),
    (
        "server: {cors_origins: ['https://a.example/x']}",
        "server.cors_origins.0",
        "'https://a.example/x'",
    ),
    ("upstreams: []", "upstreams", "a list"),
    ("upstreams: {anthropic: 5}", "upstreams.anthropic", "5"),
    ("upstreams: {anthropic: {kind: bedrock}}", "upstreams.anthropic.kind", "'bedrock'"),
    ("upstreams: {mine: {kind: anthropic}}", "upstreams.mine.api_key", "nothing is given"),
    ("upstreams: {anthropic: {base_url: x}}", "upstreams.anthropic.base_url", "'x'"),
    (
        "upstreams: {anthropic: {base_url: 'ftp://a.example'}}",
        "upstreams.anthropic.base_url",
        "'ftp://a.example'",
    ),
    (
        "upstreams: {anthropic: {base_url: 'https://a.example/v1/'}}",
        "upstreams.anthropic.base_url",
        "'https://a.example/v1/'",
    ),
    *(
        (f'upstreams: {{anthropic: {{base_url: "{url}"}}}}', "upstreams.anthropic.base_url", shown)
        for url, shown in (
            ("http://api..invalid", "'http://api..invalid'"),
            ("http://.a.example", "'http://.a.example'"),
            ("http://-a.example", "'http://-a.example'"),
            ("http://a.example:99999", "'http://a.example:99999'"),
            ("http://a.example:0", "'http://a.example:0'"),
            ("http://a.example:", "'http://a.example:'"),
            ("http://a.example:port", "'http://a.example:port'"),
            ("http://[::1", "'http://[::1'"),
            ("http://a b.example", "'http://a b.example'"),
            ("http://a.example\\n", "'http://a.example\\n'"),
            ("http://é.example", "'http://é.example'"),
            ("http:///v1", "'http:///v1'"),
            (f"http://{'a' * 64}.b", f"'http://{'a' * 64}.b'"),
        )
    ),
    (
        'upstreams: {anthropic: {api_key: "sk-ant-x\\nx-api-key: y"}}',
        "upstreams.anthropic.api_key",
        "a value (hidden)",
    ),
    (
        'upstreams: {openrouter: {api_key: "sk-or-é"}}',
        "upstreams.openrouter.api_key",
        "a value (hidden)",
    ),
    ("upstreams: {anthropic: {transport: http}}", "upstreams.anthropic.transport", "'http'"),
    ("upstreams: {openrouter: {transport: sdk}}", "upstreams.openrouter.transport", "'sdk'"),
    (
        "upstreams: {anthropic: {connect_timeout_s: 0}}",
        "upstreams.anthropic.connect_timeout_s",
        "0",
    ),
    (
        "upstreams: {anthropic: {idle_timeout_s: .nan}}",
        "upstreams.anthropic.idle_timeout_s",
        "NaN",
    ),
    (
        "upstreams: {anthropic: {total_timeout: 5}}",
        "upstreams.anthropic.total_timeout",
        "unknown key 'total_timeout'",
    ),
    ("models: []", "models", "a list"),
    ("models: {claude-opus-5: }", "models.claude-opus-5", "null"),
    ("models: {claude-opus-5: {}}", "models.claude-opus-5.upstream", "nothing is given"),
    ("models: {claude-opus-5: {upstream: []}}", "models.claude-opus-5.upstream", "a list"),
    ("models: {claude-opus-5: {upstream: 5}}", "models.claude-opus-5.upstream", "5"),
    ("models: {claude-opus-5: {upstream: [5]}}", "models.claude-opus-5.upstream.0", "5"),
    (
        "models: {claude-opus-5: {upstream: antropic}}",
        "models.claude-opus-5.upstream",
        "'antropic'",
    ),
    (
        "models: {claude-opus-5: {upstream: anthropic, aliases: opus}}",
        "models.claude-opus-5.aliases",
        "'opus'",
    ),
    (
        "models: {claude-opus-5: {upstream: anthropic, aliases: [a b]}}",
        "models.claude-opus-5.aliases.0",
        "'a b'",
    ),
    (
        "models: {claude-opus-5: {upstream: anthropic, price: 1}}",
        "models.claude-opus-5.price",
        "unknown key 'price'",
    ),
    ("models: {'': {upstream: anthropic}}", "models.", "''"),
    ("models: {a b: {upstream: anthropic}}", "models.a b", "'a b'"),
    ("tiers: [haiku]", "tiers", "a list"),
    ("tiers: {haiku: 5}", "tiers.haiku", "5"),
    ("tiers: {Haiku: claude-haiku-5-5}", "tiers.Haiku", "'Haiku'"),
    ("tiers: {haiku: claude-haiku-5}", "tiers.haiku", "'claude-haiku-5'"),
    ("tiers: {auto: claude-haiku-5-5}", "tiers.auto", "'auto'"),
    ("routing: {threshold: 1.5}", "routing.threshold", "1.5"),
    ("routing: {threshold: '0.5'}", "routing.threshold", "'0.5'"),
    ("routing: {sonnet_share: -0.1}", "routing.sonnet_share", "-0.1"),
    ("routing: {default_model: gpt-5}", "routing.default_model", "'gpt-5'"),
    ("routing: {rules: {strong_from_chars: 0}}", "routing.rules.strong_from_chars", "0"),
    (
        "routing: {rules: {strong_from: 1}}",
        "routing.rules.strong_from",
        "unknown key 'strong_from'",
    ),
    ("cache: {mode: on}", "cache.mode", "'on'"),
    ("cache: {ttl: 10m}", "cache.ttl", "'10m'"),
    ("retries: {max_attempts: 0}", "retries.max_attempts", "0"),
    ("retries: {max_attempts: 11}", "retries.max_attempts", "11"),
    ("retries: {max_retry_after_s: 1e9}", "retries.max_retry_after_s", "1E+9"),
    ("fallbacks: {claude-opus-5: x}", "fallbacks.claude-opus-5", "'x'"),
    ("fallbacks: {claude-opus-5: [x]}", "fallbacks.claude-opus-5.0", "'x'"),
    ("fallbacks: {x: [claude-opus-5]}", "fallbacks.x", "'x'"),
    (
        "fallbacks: {claude-opus-5: [claude-opus-5]}",
        "fallbacks.claude-opus-5.0",
        "'claude-opus-5'",
    ),
    (
        "fallbacks: {claude-opus-5: [claude-opus-5-5, claude-opus-5-5]}",
        "fallbacks.claude-opus-5.1",
        "'claude-opus-5-5'",
    ),
    (
        "fallbacks: {claude-haiku-4-5-20251001: [claude-haiku-4-5]}",
        "fallbacks.claude-haiku-4-5-20251001.0",
        "'claude-haiku-4-5'",
    ),
    (
        "models: {claude-opus-5: {upstream: [anthropic, anthropic]}}\ntiers: {}",
        "models.claude-opus-5.upstream",
        "'anthropic'",
    ),
    ("budgets: {soft_limit_ratio: 2}", "budgets.soft_limit_ratio", "2"),
    ("budgets: {alert_webhook: example.com}", "budgets.alert_webhook", "'example.com'"),
    ("streams: {on_disconnect: stop}", "streams.on_disconnect", "'stop'"),
    ("budgets: {global: {max_budget_usd: -1}}", "budgets.global.max_budget_usd", "-1"),
    ("budgets: {global: {max_budget_usd: 1e-10}}", "budgets.global.max_budget_usd", "1E-10"),
    ("budgets: {global: {max_budget_usd: 1e10}}", "budgets.global.max_budget_usd", "1E+10"),
    ("budgets: {global: {max_budget_usd: .nan}}", "budgets.global.max_budget_usd", "NaN"),
    ("budgets: {global: {max_budget_usd: true}}", "budgets.global.max_budget_usd", "true"),
    ("budgets: {global: {max_budget_usd: [1]}}", "budgets.global.max_budget_usd", "a list"),
    ("budgets: {global: {window: year}}", "budgets.global.window", "'year'"),
    ("budgets: {everyone: {}}", "budgets.everyone", "unknown key 'everyone'"),
    ("budgets: {default_max_tokens: 0}", "budgets.default_max_tokens", "0"),
    ("budgets: {shrink_share: 1.5}", "budgets.shrink_share", "1.5"),
    ("budgets: {wait_for_holds_s: -1}", "budgets.wait_for_holds_s", "-1"),
    ("budgets: {shrink_max_tokens: sometimes}", "budgets.shrink_max_tokens", "'sometimes'"),
    ("ledger: {lease_s: 0}", "ledger.lease_s", "0"),
    ("retention: {requests_days: 0}", "retention.requests_days", "0"),
    ("telemetry: {langfuse: true}", "telemetry.langfuse", "true"),
    (
        "telemetry: {langfuse: {enabeld: true}}",
        "telemetry.langfuse.enabeld",
        "unknown key 'enabeld'",
    ),
    ("telemetry: {otlp: {enabled: on}}", "telemetry.otlp.enabled", "'on'"),
]


@pytest.mark.parametrize(("text", "path", "value"), BAD)
def test_a_wrong_value_is_refused_with_its_key_path(
    text: str, path: str, value: str, tmp_path: Path, books: Mapping[str, Book]
) -> None:
    error = refusal(text, tmp_path, books)
    assert (error.key_path, error.value) == (path, value)
    assert error.file == str(tmp_path / "config.yaml")
    assert error.allowed
    for part in (error.file, path, value, error.allowed):
        assert part in str(error)


NEAREST = [
    ("sever: {}", "server"),
    ("budget: {}", "budgets"),
    ("upstreams: {anthropic: {apikey: x}}", "api_key"),
    ("models: {claude-opus-5: {upstreams: anthropic}}", "upstream"),
    ("budgets: {global: {max_budget: 1}}", "max_budget_usd"),
    ("routing: {rules: {strong_from_char: 1}}", "strong_from_chars"),
    ("telemetry: {langfuse: {include_contents: true}}", "include_content"),
]


@pytest.mark.parametrize(("text", "nearest"), NEAREST)
def test_an_unknown_key_is_told_the_nearest_known_one(
    text: str, nearest: str, tmp_path: Path, books: Mapping[str, Book]
) -> None:
    problems = refusal(text, tmp_path, books).problems
    hints = [p.allowed for p in problems if p.value.startswith("unknown key")]
    assert [hint.startswith(f"did you mean {nearest!r}? known here: ") for hint in hints] == [True]


def test_a_misspelt_model_is_told_the_nearest_one(
    tmp_path: Path, books: Mapping[str, Book]
) -> None:
    error = refusal("tiers: {haiku: claude-haiku-55}", tmp_path, books)
    assert error.allowed == "a model that is configured; did you mean 'claude-haiku-5-5'?"


@pytest.mark.parametrize(
    "text",
    [
        "upstreams: {anthropic: {api_key: [hunter2]}}",
        "upstreams: {anthropic: {api_key: {is: hunter2}}}",
        "upstreams: {anthropic: {apikey: hunter2}}",
        "upstreams: {anthropic: [hunter2]}",
        "upstreams: {anthropic: {base_url: sk-hunter2}}",
        "upstreams: {anthropic: {base_url: 'https://hunter2@a.example'}}",
        "upstreams: {anthropic: {base_url: 'https://me:hunter2@a.example'}}",
    ],
)
def test_a_secret_is_never_told(text: str, tmp_path: Path, books: Mapping[str, Book]) -> None:
    assert "hunter2" not in str(refusal(text, tmp_path, books))


def test_a_long_value_is_cut(tmp_path: Path, books: Mapping[str, Book]) -> None:
    error = refusal(f"cache: {{mode: {'x' * 500}}}", tmp_path, books)
    assert error.value == "'" + "x" * 79 + "..."


def test_every_problem_of_every_section_is_told(tmp_path: Path, books: Mapping[str, Book]) -> None:
    error = refusal("cache: {mode: on}\nledger: {lease: 1}\nstreams: 1\n", tmp_path, books)
    assert [(p.key_path, p.line) for p in error.problems] == [
        ("cache.mode", 1),
        ("streams", 3),
        ("ledger.lease", 2),
    ]
