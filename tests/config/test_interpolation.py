from __future__ import annotations

from pathlib import Path

import pytest

from app.config.problems import ConfigError
from tests.config.files import ON, settings_of

ORIGINS = [
    # written                                    environment              read
    ("${SITE}", {"SITE": "https://a.example"}, "https://a.example"),
    ("https://${HOST}:${PORT}", {"HOST": "a.example", "PORT": "80"}, "https://a.example:80"),
    ("${SITE:-https://b.example}", {}, "https://b.example"),
    ("${SITE:-https://b.example}", {"SITE": ""}, "https://b.example"),
    ("${SITE:-https://b.example}", {"SITE": "https://a.example"}, "https://a.example"),
    ("https://a.example${EMPTY}", {"EMPTY": ""}, "https://a.example"),
    ("https://a.example${EMPTY:-}", {}, "https://a.example"),
    ("https://$a.example", {}, "https://$a.example"),
]


@pytest.mark.parametrize(("written", "environ", "read"), ORIGINS)
def test_a_place_takes_the_variable_or_its_default(
    written: str, environ: dict[str, str], read: str, tmp_path: Path
) -> None:
    text = f'server: {{cors_origins: ["{written}"]}}'
    assert settings_of(text, tmp_path, environ).server.cors_origins == (read,)


def test_a_doubled_dollar_is_a_literal_one(tmp_path: Path) -> None:
    text = 'upstreams: {anthropic: {api_key: "$${NAME}"}}'
    key = settings_of(text, tmp_path, {}).upstreams["anthropic"].api_key
    assert key is not None
    assert key.get_secret_value() == "${NAME}"


@pytest.mark.parametrize("quote", ['"', ""])
def test_numbers_truth_values_and_amounts_may_come_from_the_environment(
    quote: str, tmp_path: Path
) -> None:
    names = ["BYTES", "PUBLIC", "GRACE", "PRICE", "LIMIT"]
    places = [f"{quote}${{{name}}}{quote}" for name in names]
    text = (
        f"server:\n  max_body_bytes: {places[0]}\n  metrics_public: {places[1]}\n"
        f"  shutdown_grace_s: {places[2]}\n"
        f"models:\n  claude-sonnet-4-6:\n    upstream: anthropic\n    cost_per_token:\n"
        f"      input: {places[3]}\nbudgets:\n  global:\n    max_budget_usd: {places[4]}\n"
    )
    values = ["1024", "true", "2.5", "3e-6", "12.50"]
    settings = settings_of(text, tmp_path, dict(zip(names, values, strict=True)))
    assert settings.server.max_body_bytes == 1024
    assert settings.server.metrics_public is True
    assert settings.server.shutdown_grace_s == 2.5
    assert settings.models["claude-sonnet-4-6"].cost_per_token.input == 3_000_000
    assert settings.budgets.everyone.max_budget_nano_usd == 12_500_000_000


def test_text_from_the_environment_stays_text_where_text_is_wanted(tmp_path: Path) -> None:
    environ = {"ANTHROPIC_API_KEY": "123456"}
    key = settings_of("", tmp_path, environ).upstreams["anthropic"].api_key
    assert key is not None
    assert key.get_secret_value() == "123456"


@pytest.mark.parametrize("environ", [{}, {"ANTHROPIC_API_KEY": ""}, {"ANTHROPIC_API_KEY": " \n"}])
def test_without_its_key_an_upstream_is_off(environ: dict[str, str], tmp_path: Path) -> None:
    settings = settings_of("", tmp_path, environ)
    assert settings.upstreams["anthropic"].api_key is None


def test_a_key_is_freed_of_the_line_break_that_files_add(tmp_path: Path) -> None:
    key = settings_of("", tmp_path, {"ANTHROPIC_API_KEY": "abc\n"}).upstreams["anthropic"].api_key
    assert key is not None
    assert key.get_secret_value() == "abc"


UNSET = [
    ('server: {max_body_bytes: "${NO}"}', "server.max_body_bytes", "the variable NO is not set"),
    (
        'server: {cors_origins: [x, "${NO}"]}',
        "server.cors_origins.1",
        "the variable NO is not set",
    ),
    (
        'upstreams: {anthropic: {base_url: "${NO}"}}',
        "upstreams.anthropic.base_url",
        "the variable NO is not set",
    ),
    ('tiers: {haiku: "${1X}"}', "tiers.haiku", "'${' without a name and '}'"),
    ('tiers: {haiku: "${X"}', "tiers.haiku", "'${' without a name and '}'"),
]


@pytest.mark.parametrize(("text", "path", "value"), UNSET)
def test_an_unset_variable_is_refused_with_the_key_path(
    text: str, path: str, value: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        settings_of(text, tmp_path, {})
    assert (caught.value.key_path, caught.value.value) == (path, value)


def test_what_a_variable_holds_is_not_told(tmp_path: Path) -> None:
    text = 'server: {max_body_bytes: "${ANTHROPIC_API_KEY}"}'
    with pytest.raises(ConfigError) as caught:
        settings_of(text, tmp_path, ON)
    assert caught.value.value == "the value of '${ANTHROPIC_API_KEY}'"
    assert ON["ANTHROPIC_API_KEY"] not in str(caught.value)


def test_white_space_around_a_variable_is_not_a_part_of_it(tmp_path: Path) -> None:
    environ = {"KEY": " sk-ant-1\r\n", "URL": "https://a.example\n"}
    text = 'upstreams: {anthropic: {api_key: "${KEY}", base_url: "${URL}"}}'
    anthropic = settings_of(text, tmp_path, environ).upstreams["anthropic"]
    assert anthropic.api_key is not None
    assert anthropic.api_key.get_secret_value() == "sk-ant-1"
    assert anthropic.base_url == "https://a.example"


def test_a_control_character_in_a_variable_is_told_by_its_key_path(tmp_path: Path) -> None:
    text = 'upstreams: {anthropic: {base_url: "${URL}"}}'
    with pytest.raises(ConfigError) as refused:
        settings_of(text, tmp_path, {"URL": "https://a.example\n.b.example"})
    assert refused.value.key_path == "upstreams.anthropic.base_url"
    assert refused.value.value == "the variable URL holds a control character"


@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_a_limit_in_an_empty_variable_is_no_wish_for_none(tmp_path: Path, empty: str) -> None:
    limit = "budgets: {global: {max_budget_usd: '${LIMIT}'}}"
    with pytest.raises(ConfigError) as refused:
        settings_of(limit, tmp_path, {"LIMIT": empty})
    (problem,) = refused.value.problems
    assert (problem.key_path, problem.value) == (
        "budgets.global.max_budget_usd",
        "the variable LIMIT is empty",
    )
    asked_for = settings_of(limit.replace("LIMIT", "LIMIT:-"), tmp_path, {"LIMIT": empty})
    assert asked_for.budgets.everyone.max_budget_nano_usd is None
