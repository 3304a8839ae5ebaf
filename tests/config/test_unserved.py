"""Settings without effect are named, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.config.settings import read_settings
from app.config.unserved import unserved_settings, unserved_variables
from tests.docs.test_reference import WITHOUT_EFFECT

CASES = [
    ("server: {cors_origins: ['*']}", ["server.cors_origins"]),
    ("retention: {requests_days: 30}", ["retention.requests_days"]),
    (
        "budgets: {soft_limit_ratio: 0.9, alert_webhook: 'https://example.com/alerts'}",
        ["budgets.soft_limit_ratio", "budgets.alert_webhook"],
    ),
    ("budgets: {soft_limit_ratio: 0.8, alert_webhook: null}", []),
    ("telemetry: {langfuse: {enabled: true}, otlp: {enabled: true}}", []),
    ("fallbacks: {claude-sonnet-5: [claude-sonnet-4-6]}", []),
    ("retention: {requests_days: 400}", []),
    ("budgets: {default_max_tokens: 5}", []),
]


@pytest.mark.parametrize(("text", "named"), CASES)
def test_each_is_named_where_it_is_not_as_by_default(
    tmp_path: Path, text: str, named: list[str]
) -> None:
    (tmp_path / "config.yaml").write_text(text)
    settings = read_settings(tmp_path / "config.yaml", {})
    assert list(unserved_settings(settings)) == [
        f"{n} has no effect in this version" for n in named
    ]


def test_the_default_settings_are_warned_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("{}")
    assert list(unserved_settings(read_settings(tmp_path / "config.yaml", {}))) == []
    assert list(unserved_variables({"ANTHROPIC_API_KEY": "k", "LANGFUSE_HOST": ""})) == []


def test_variables_without_effect_are_named_without_their_values() -> None:
    told = list(unserved_variables({"ANTHROPIC_ADMIN_KEY": "k", "TOLLKEEPER_REDIS_URL": "r"}))
    assert told == ["ANTHROPIC_ADMIN_KEY has no effect in this version"]


def test_every_setting_that_the_documents_call_without_effect_is_warned_of() -> None:
    warned = {name for _, names in CASES for name in names}
    assert set(WITHOUT_EFFECT) == warned
