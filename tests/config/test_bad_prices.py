"""Every way of getting `cost_per_token` wrong, each refused with the key path."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config.fields import pico_usd
from app.config.prices import Book
from app.config.yaml_text import plain
from tests.config.files import ON, catalog_of, refusal

VALUES = [
    '"0.000003"',
    "'3e-6'",
    '""',
    "free",
    "$3",
    "3/1000000",
    "3 e-6",
    "0.000003 USD",
    "0,000003",
    "1_000e-9",
    "0x1",
    "010",
    "1e-6e",
    "e-6",
    "-0.000003",
    "-1e-12",
    "-0.0",
    "-5",
    ".nan",
    ".NaN",
    ".inf",
    "-.inf",
    "+.inf",
    "nan",
    "inf",
    "Infinity",
    "true",
    "false",
    "yes",
    "null",
    "~",
    "",
    "[]",
    "[0.000003]",
    "{}",
    "{usd: 0.000003}",
    "1",
    "3",
    "0.02",
    "0.010000000001",
    "1e5",
    "9" * 30,
    "1e999999",
    "1e-13",
    "0.0000000000001",
    "0.0000000000015",
    "1.5e-12",
    "0.000003000000000000000000000000000000001",
    "1e-999999",
    "1e-9999999",
    "2026-10-07",
    "1:30",
    "!!float 3e-6",
    '"${PRICE_TEXT}"',
]


@pytest.mark.parametrize("value", VALUES)
def test_a_value_that_is_not_an_exact_price_is_refused(
    value: str, tmp_path: Path, books: Mapping[str, Book], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ON, "PRICE_TEXT", "three")
    text = (
        "models:\n  claude-sonnet-4-6:\n    upstream: anthropic\n    cost_per_token:\n"
        f"      output: {value}\n"
    )
    error = refusal(text, tmp_path, books)
    path = "models.claude-sonnet-4-6.cost_per_token.output"
    assert [problem.key_path for problem in error.problems] == [path]
    assert error.problems[0].line == 5
    assert str(error).startswith(f"{tmp_path / 'config.yaml'}, line 5: {path}: ")
    assert error.allowed == "no tags" or error.allowed.startswith("a number of USD per token")


SHAPES = [
    # cost_per_token                                     key path below the model
    ("5", "cost_per_token"),
    ("null", "cost_per_token"),
    ("[0.000003]", "cost_per_token"),
    ('"0.000003"', "cost_per_token"),
    ("{inputs: 0.000003}", "cost_per_token.inputs"),
    ("{prompt: 0.000003}", "cost_per_token.prompt"),
    ("{cache_write: 0.000003}", "cost_per_token.cache_write"),
    ("{Input: 0.000003}", "cost_per_token.Input"),
    ("{cache_read: 1e-7, cache_read: 1e-7}", "cost_per_token.cache_read"),
    ("{web_search: 0.01}", "cost_per_token.web_search"),
]


@pytest.mark.parametrize(("written", "below"), SHAPES)
def test_overrides_of_another_shape_are_refused(
    written: str, below: str, tmp_path: Path, books: Mapping[str, Book]
) -> None:
    text = f"models: {{claude-sonnet-4-6: {{upstream: anthropic, cost_per_token: {written}}}}}"
    error = refusal(text, tmp_path, books)
    assert [problem.key_path for problem in error.problems] == [f"models.claude-sonnet-4-6.{below}"]


def test_a_misspelt_category_is_told_the_nearest(tmp_path: Path, books: Mapping[str, Book]) -> None:
    text = "models: {claude-sonnet-4-6: {upstream: anthropic, cost_per_token: {cache_reads: 1e-7}}}"
    error = refusal(text, tmp_path, books)
    assert error.value == "unknown key 'cache_reads'"
    assert error.allowed.startswith("did you mean 'cache_read'?")


FIVE = {"input": 1, "output": 2, "cache_write_5m": 3, "cache_write_1h": 4, "cache_read": 5}


@pytest.mark.parametrize("missing", FIVE)
def test_a_model_in_no_book_needs_each_of_the_five(
    missing: str, tmp_path: Path, books: Mapping[str, Book]
) -> None:
    given = ", ".join(f"{name}: {n}e-6" for name, n in FIVE.items() if name != missing)
    text = f"models: {{my-model: {{upstream: anthropic, cost_per_token: {{{given}}}}}}}"
    error = refusal(text, tmp_path, books)
    paths = [problem.key_path for problem in error.problems]
    assert paths == [f"models.my-model.cost_per_token.{missing}"]


def test_a_model_in_no_book_without_prices_is_refused_five_times(
    tmp_path: Path, books: Mapping[str, Book]
) -> None:
    error = refusal("models: {my-model: {upstream: anthropic}}", tmp_path, books)
    paths = [problem.key_path for problem in error.problems]
    assert paths == [f"models.my-model.cost_per_token.{category}" for category in FIVE]


def test_every_bad_price_of_a_file_is_told_at_once(
    tmp_path: Path, books: Mapping[str, Book]
) -> None:
    text = (
        "models:\n"
        "  claude-sonnet-4-6: {upstream: anthropic, cost_per_token: {input: -1, output: x}}\n"
        "  claude-opus-5: {upstream: anthropic, cost_per_token: {cache_read: 1}}\n"
    )
    paths = [problem.key_path for problem in refusal(text, tmp_path, books).problems]
    assert paths == [
        "models.claude-sonnet-4-6.cost_per_token.input",
        "models.claude-sonnet-4-6.cost_per_token.output",
        "models.claude-opus-5.cost_per_token.cache_read",
    ]


@given(digits=st.integers(0, 10**30), exponent=st.integers(-45, 5))
def test_a_price_is_worth_exactly_what_it_says_or_is_refused(digits: int, exponent: int) -> None:
    exact = Fraction(digits) * Fraction(10) ** (exponent + 12)
    if exact.denominator == 1 and exact <= 10_000_000_000:
        assert pico_usd(plain(f"{digits}.0e{exponent}")) == exact
    else:
        with pytest.raises(ValueError, match="a number of USD per token"):
            pico_usd(plain(f"{digits}.0e{exponent}"))


GOOD = [
    # written                    pico-USD per token
    ("0", 0),
    ("0.0", 0),
    ("0e-20", 0),
    ("3e-6", 3_000_000),
    ("1.35e-5", 13_500_000),
    ("0.0000027", 2_700_000),
    ("2.7E-6", 2_700_000),
    ("+0.000003", 3_000_000),
    (".000003", 3_000_000),
    ("1e-12", 1),
    ("10e-13", 1),
    ("0.000000000001", 1),
    ("0.0000030000000000000000000000000000", 3_000_000),
    ("0.01", 10_000_000_000),
    ("1e-2", 10_000_000_000),
    ("0.009999999999", 9_999_999_999),
]


@pytest.mark.parametrize(("written", "pico"), GOOD)
def test_an_exact_price_is_read_from_its_text(
    written: str, pico: int, tmp_path: Path, books: Mapping[str, Book]
) -> None:
    text = (
        "models: {claude-sonnet-4-6: {upstream: anthropic, cost_per_token: "
        f"{{input: {written}}}}}}}"
    )
    model = catalog_of(text, tmp_path, books).models["claude-sonnet-4-6"]
    assert [prices.steps[0].rates.input for prices in model.schedule] == [pico, pico]
