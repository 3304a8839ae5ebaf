from __future__ import annotations

import pytest

from app.config.environment import READ, environment
from app.config.problems import ConfigError

CONTROL = "a value with a control character (hidden)"
UNFIT = [
    # name                       value                        told
    ("TOLLKEEPER_DATABASE_URL", "sqlite:///a.db\nb", CONTROL),
    ("TOLLKEEPER_DATABASE_URL", "sqlite:///a\x00.db", CONTROL),
    ("TOLLKEEPER_CONFIG", "con\tfig.yaml", CONTROL),
    ("ANTHROPIC_BASE_URL", "https://a\x85.example", CONTROL),
    (
        "OPENROUTER_BASE_URL",
        "https://a.example\u2028/",
        "a value with a control character (hidden)",
    ),
    ("ANTHROPIC_API_KEY", "sk-ant-\r\nx: y", CONTROL),
    ("ANTHROPIC_API_KEY", "sk-ant-é", "a value (hidden)"),
    ("TOLLKEEPER_MASTER_KEY", "two words of a master key", "a value (hidden)"),
    ("TOLLKEEPER_METRICS_TOKEN", "tøken", "a value (hidden)"),
    ("LANGFUSE_SECRET_KEY", "sk lf", "a value (hidden)"),
]


@pytest.mark.parametrize(("name", "value", "told"), UNFIT)
def test_a_value_that_no_header_or_url_can_hold_is_refused_and_not_told(
    name: str, value: str, told: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        environment({name: value})
    assert refused.value.file == "the environment"
    assert (refused.value.key_path, refused.value.value) == (name, told)
    assert value not in str(refused.value)


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("around", ["\n", "\r\n", " ", "\t", "\v\f"])
def test_white_space_around_a_value_is_not_a_part_of_it(name: str, around: str) -> None:
    assert environment({name: f"{around}0123456789abcdef{around}"}) == {name: "0123456789abcdef"}


def test_what_the_gateway_does_not_read_stays_as_it_is() -> None:
    assert environment({"PS1": "\x1b[0m "}) == {"PS1": "\x1b[0m "}


def test_every_unfit_value_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as refused:
        environment({"TOLLKEEPER_REDIS_URL": "redis://a\nb", "OPENROUTER_API_KEY": "a b"})
    assert [problem.key_path for problem in refused.value.problems] == [
        "TOLLKEEPER_REDIS_URL",
        "OPENROUTER_API_KEY",
    ]
