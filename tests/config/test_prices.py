from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from app.config.prices import Book, load_book, load_twins, overridden
from app.config.problems import ConfigError
from app.core.models import Accepts, Limits
from app.core.price_list import RefusalRule
from app.core.pricing import CATEGORIES, Rates, prices_on

ROW = '{input: "2", output: "10", cache_write_5m: "2.5", cache_write_1h: "4", cache_read: "0.1"}'
LONG = (
    '{above_prompt_tokens: 1000, input: "4", output: "20.5", cache_write_5m: "5", '
    'cache_write_1h: "8", cache_read: "0.000001"}'
)
BOOK = f"""
sources:
  page: the vendor's page
  list: somebody's list
  rules: its page on refusals
refusals:
  - {{from: 2026-01-02, free: [none, a], sources: [rules]}}
  - {{from: 2026-03-04, free: [none], billed: [a, b], sources: [rules]}}
models:
  model-1-20260102:
    aliases: [model-1]
    state: deprecated
    released: 2026-01-02
    retires: 2026-12-31
    retires_not_before: 2026-06-01
    replacement: model-2
    limits: {{context_window: 200000, max_output: 64000, min_cacheable: 4096, image: 1600}}
    thinking: budget
    efforts: [low, high]
    accepts: [sampling, prefill, us]
    prices:
      - from: 2026-01-02
        steps:
          - {ROW}
        multipliers: {{batch: "0.5", us: "1.1", fast: "2"}}
        web_search_usd_per_1000: "10"
        sources: [page, list]
        source_of: {{cache_read: [list]}}
      - from: 2026-03-04
        steps:
          - {ROW}
          - {LONG}
        sources: [page]
"""
BASE = Rates(2_000_000, 10_000_000, 2_500_000, 4_000_000, 100_000)


def book_of(text: str, tmp_path: Path) -> Book:
    file = tmp_path / "vendor.yaml"
    file.write_text(text, "utf-8")
    return load_book(file)


def test_a_book_is_read_exactly(tmp_path: Path) -> None:
    book = book_of(BOOK, tmp_path)
    assert book.name == "vendor"
    model = book.models["model-1-20260102"]
    assert (model.state, model.released) == ("deprecated", date(2026, 1, 2))
    assert model.retires == datetime(2026, 12, 31, 17, tzinfo=UTC)
    assert (model.replacement, model.retires_not_before) == ("model-2", date(2026, 6, 1))
    assert book.refusals == (
        RefusalRule(date(2026, 1, 2), frozenset({None, "a"}), frozenset()),
        RefusalRule(date(2026, 3, 4), frozenset({None}), frozenset({"a", "b"})),
    )
    assert model.limits == Limits(200_000, 64_000, 4_096, 1_600)
    assert model.accepts == Accepts(
        sampling=True,
        forced_tools=False,
        prefill=True,
        efforts=("low", "high"),
        us=True,
        thinking="budget",
    )
    first, second = model.schedule
    assert (first.effective_from, second.effective_from) == (date(2026, 1, 2), date(2026, 3, 4))
    assert [(t.above_prompt_tokens, t.rates) for t in first.steps] == [(-1, BASE)]
    assert [(t.above_prompt_tokens, t.rates) for t in second.steps] == [
        (-1, BASE),
        (1000, Rates(4_000_000, 20_500_000, 5_000_000, 8_000_000, 1)),
    ]
    assert (first.batch, first.us, first.fast) == (500, 1_100, 2_000)
    assert (second.batch, second.us, second.fast) == (1_000, 1_000, 1_000)
    assert (first.web_search_nano_usd, second.web_search_nano_usd) == (10_000_000, 0)


def test_each_figure_has_its_source(tmp_path: Path) -> None:
    first, second = book_of(BOOK, tmp_path).models["model-1-20260102"].schedule
    both = "the vendor's page; somebody's list"
    assert first.sources == {**dict.fromkeys(CATEGORIES, both), "cache_read": "somebody's list"}
    assert second.sources == dict.fromkeys(CATEGORIES, "the vendor's page")
    assert first.origins == dict.fromkeys(CATEGORIES, "price_book")


def test_a_model_is_found_by_id_and_by_alias(tmp_path: Path) -> None:
    book = book_of(BOOK, tmp_path)
    assert book.find("model-1") is book.find("model-1-20260102") is not None
    assert book.find("model-2") is None


M = "models.model-1-20260102"
P = f"{M}.prices.0"
BAD = [
    # in the book above                    instead of it                 key path
    ('input: "2", ', "", f"{P}.steps.0.input"),
    ('output: "10", ', "", f"{P}.steps.0.output"),
    ('cache_write_5m: "2.5", ', "", f"{P}.steps.0.cache_write_5m"),
    ('cache_write_1h: "4", ', "", f"{P}.steps.0.cache_write_1h"),
    (', cache_read: "0.1"', "", f"{P}.steps.0.cache_read"),
    ('input: "2"', "input: 2", f"{P}.steps.0.input"),
    ('input: "2"', "input: 0.1", f"{P}.steps.0.input"),
    ('input: "2"', 'input: "-2"', f"{P}.steps.0.input"),
    ('input: "2"', 'input: "2e0"', f"{P}.steps.0.input"),
    ('input: "2"', 'input: ""', f"{P}.steps.0.input"),
    ('input: "2"', 'input: " 2"', f"{P}.steps.0.input"),
    ('input: "2"', 'input: "02"', f"{P}.steps.0.input"),
    ('input: "2"', 'input: ".5"', f"{P}.steps.0.input"),
    ('input: "2"', 'input: "nan"', f"{P}.steps.0.input"),
    ('input: "2"', "input: null", f"{P}.steps.0.input"),
    ('input: "2"', "input: true", f"{P}.steps.0.input"),
    ('input: "2"', 'input: "0.0000001"', f"{P}.steps.0.input"),
    ('input: "2"', 'input: "10000.000001"', f"{P}.steps.0.input"),
    ('input: "2"', 'input: "99999"', f"{P}.steps.0.input"),
    ('input: "2"', 'inputs: "2"', f"{P}.steps.0.input"),
    (f"- {ROW}\n        mult", "[]\n        mult", f"{P}.steps"),
    (f"- {ROW}\n        mult", f"- {LONG}\n        mult", f"{P}.steps"),
    (
        f"- {ROW}\n          - {LONG}",
        f"- {ROW}\n          - {ROW}",
        f"{M}.prices.1.steps",
    ),
    (
        f"- {ROW}\n          - {LONG}",
        f"- {ROW}\n          - {LONG}\n          - {LONG}",
        f"{M}.prices.1.steps",
    ),
    (
        "above_prompt_tokens: 1000",
        "above_prompt_tokens: 0",
        f"{M}.prices.1.steps.1.above_prompt_tokens",
    ),
    (
        "above_prompt_tokens: 1000",
        'above_prompt_tokens: "9"',
        f"{M}.prices.1.steps.1.above_prompt_tokens",
    ),
    ("efforts: [low, high]", "efforts: [high, low]", f"{M}.efforts"),
    ("efforts: [low, high]", "efforts: [low, low]", f"{M}.efforts"),
    ("efforts: [low, high]", "efforts: [low, huge]", f"{M}.efforts.1"),
    ("billed: [a, b]", "billed: [a, none]", "refusals.1"),
    ("billed: [a, b]", "billed: [a, a]", "refusals.1"),
    ("{from: 2026-03-04, free", "{from: 2026-01-02, free", "refusals"),
    ("{from: 2026-03-04, free", "{from: March, free", "refusals.1.from"),
    ("b], sources: [rules]", "b], sources: [paper]", "refusals.1"),
    ("b], sources: [rules]", "b], sources: []", "refusals.1.sources"),
    ("- from: 2026-03-04", "- from: 2026-01-02", f"{M}.prices"),
    ("- from: 2026-03-04", "- from: 2025-12-31", f"{M}.prices"),
    ("- from: 2026-03-04", "- from: 2026-02-30", f"{M}.prices.1.from"),
    ("- from: 2026-03-04", "- from: March", f"{M}.prices.1.from"),
    ("- from: 2026-03-04", "- since: 2026-03-04", f"{M}.prices.1.from"),
    ("sources: [page]", "sources: []", f"{M}.prices.1.sources"),
    ("sources: [page]", "notes: none", f"{M}.prices.1.sources"),
    ("sources: [page]", "sources: [paper]", f"{M}.prices.1"),
    ("cache_read: [list]", "cache_read: [paper]", P),
    ("cache_read: [list]", "reads: [list]", f"{P}.source_of.reads"),
    ('batch: "0.5"', "batch: 0.5", f"{P}.multipliers.batch"),
    ('batch: "0.5"', 'batch: "0"', f"{P}.multipliers.batch"),
    ('batch: "0.5"', 'batch: "0.0001"', f"{P}.multipliers.batch"),
    ('batch: "0.5"', 'batch: "101"', f"{P}.multipliers.batch"),
    ('per_1000: "10"', "per_1000: 10", f"{P}.web_search_usd_per_1000"),
    ('per_1000: "10"', 'per_1000: "-1"', f"{P}.web_search_usd_per_1000"),
    ("state: deprecated", "state: old", f"{M}.state"),
    ("    state: deprecated\n", "", f"{M}.state"),
    ("released: 2026-01-02", "released: soon", f"{M}.released"),
    ("retires: 2026-12-31", "retires: 5", f"{M}.retires"),
    ("min_cacheable: 4096, ", "", f"{M}.limits.min_cacheable"),
    ("max_output: 64000", "max_output: 0", f"{M}.limits.max_output"),
    ("thinking: budget", "thinking: often", f"{M}.thinking"),
    ("[sampling, prefill, us]", "[sampling, temperature]", f"{M}.accepts.1"),
    ("aliases: [model-1]", "aliases: [model-1, model-1]", f"{M}.aliases"),
    ("aliases: [model-1]", "aliases: [model-1-20260102]", f"{M}.aliases"),
    ("aliases: [model-1]", "aliases: model-1", f"{M}.aliases"),
    ("  page: the vendor's page", "  page: 5", "sources.page"),
    ("sources:\n  page", "origins:\n  page", "sources"),
]


@pytest.mark.parametrize(("right", "wrong", "path"), BAD)
def test_a_wrong_book_is_refused_with_the_key_path(
    right: str, wrong: str, path: str, tmp_path: Path
) -> None:
    assert right in BOOK
    with pytest.raises(ConfigError) as caught:
        book_of(BOOK.replace(right, wrong, 1), tmp_path)
    assert caught.value.file == "vendor.yaml"
    assert caught.value.key_path == path


def test_an_empty_book_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        book_of("", tmp_path)
    assert [problem.key_path for problem in caught.value.problems] == ["sources", "models"]


def twins_of(text: str, tmp_path: Path) -> Book:
    file = tmp_path / "other.yaml"
    file.write_text(text, "utf-8")
    return load_twins(file, book_of(BOOK, tmp_path))


def test_a_twin_has_the_prices_and_limits_of_its_model_under_another_name(tmp_path: Path) -> None:
    twins = twins_of("models: {v/model-1: {prices_of: model-1-20260102, aliases: [m1]}}", tmp_path)
    twin, model = twins.models["v/model-1"], book_of(BOOK, tmp_path).models["model-1-20260102"]
    assert (twins.name, twin.id, twin.aliases) == ("other", "v/model-1", ("m1",))
    assert (twin.schedule, twin.limits) == (model.schedule, model.limits)
    assert (model.accepts.us, twin.accepts.us, twin.accepts.sampling) == (True, False, True)


BAD_TWINS = [
    ("models: {v/m: {prices_of: model-2}}", "models.v/m.prices_of"),
    ("models: {v/m: {prices_of: model-1}}", "models.v/m.prices_of"),
    ("models: {v/m: {}}", "models.v/m.prices_of"),
    ("models: {v/m: {prices_of: model-1-20260102, input: '1'}}", "models.v/m.input"),
    ("models: {v/m: {prices_of: model-1-20260102, aliases: [v/m]}}", "models.v/m.aliases"),
]


@pytest.mark.parametrize(("text", "path"), BAD_TWINS)
def test_a_wrong_book_of_twins_is_refused(text: str, path: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        twins_of(text, tmp_path)
    assert (caught.value.file, caught.value.key_path) == ("other.yaml", path)


def test_an_override_replaces_its_category_in_every_tier_of_every_period(tmp_path: Path) -> None:
    schedule = book_of(BOOK, tmp_path).models["model-1-20260102"].schedule
    changed = overridden(schedule, {"input": 7, "cache_read": 0}, "models.m.cost_per_token")
    rates = [step.rates for prices in changed for step in prices.steps]
    assert rates == [
        Rates(7, 10_000_000, 2_500_000, 4_000_000, 0),
        Rates(7, 10_000_000, 2_500_000, 4_000_000, 0),
        Rates(7, 20_500_000, 5_000_000, 8_000_000, 0),
    ]
    first = prices_on(changed, date(2026, 2, 1))
    assert (first.fast, first.us, first.batch) == (2_000, 1_100, 500)
    assert first.origins == {
        "input": "config",
        "output": "price_book",
        "cache_write_5m": "price_book",
        "cache_write_1h": "price_book",
        "cache_read": "config",
    }
    assert first.sources["input"] == first.sources["cache_read"] == "models.m.cost_per_token"
    assert first.sources["output"] == "the vendor's page; somebody's list"


def test_without_overrides_the_schedule_is_the_book_s(tmp_path: Path) -> None:
    schedule = book_of(BOOK, tmp_path).models["model-1-20260102"].schedule
    assert overridden(schedule, {}, "models.m.cost_per_token") is schedule
