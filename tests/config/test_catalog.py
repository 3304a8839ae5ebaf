from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from app.config.catalog import (
    PriceRow,
    build_catalog,
    cache_rules,
    fallback_models,
    price_rows,
    routing_rules,
)
from app.config.names import config_warnings
from app.config.prices import Book
from app.config.problems import Problem
from app.config.settings import read_settings
from app.config.weights import shipped_weights
from app.core.caching import CacheRules
from app.core.models import Accepts
from app.core.pricing import Rates, price, prices_on
from app.core.routing import Rules
from app.core.usage import Usage
from tests.config.files import ON, catalog_of, refusal, settings_of
from tests.house.repository import ROOT

TODAY = date(2026, 11, 21)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
OWN = (
    "cost_per_token: {input: 1e-6, output: 2e-6, cache_write_5m: 3e-6, cache_write_1h: 4e-6, "
    "cache_read: 5e-7}"
)


def test_the_shipped_file_offers_every_current_model_and_its_twin(
    books: Mapping[str, Book],
) -> None:
    catalog = build_catalog(read_settings(ROOT / "config.yaml", ON), books)
    current = {m.id for m in books["anthropic"].models.values() if m.state != "retired"}
    twins = set(books["openrouter"].models)
    assert len(current) == 19
    assert set(catalog.models) == current | twins
    assert catalog.tiers == {"haiku": "claude-haiku-4-5-20251001", "sonnet": "claude-sonnet-4-6"}
    assert catalog.aliases == {
        "claude-haiku-4-5": "claude-haiku-4-5-20251001",
        "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
        "claude-opus-4-5": "claude-opus-4-5-20251101",
    }
    assert catalog.strongest is catalog.models["claude-sonnet-4-6"]
    assert {r.origin for r in price_rows(catalog, TODAY)} == {"price_book"}


def test_models_of_an_upstream_that_is_off_are_hidden(
    tmp_path: Path, books: Mapping[str, Book]
) -> None:
    settings = settings_of("", tmp_path, {"ANTHROPIC_API_KEY": "k"})
    catalog = build_catalog(settings, books)
    assert not any(name.startswith("anthropic/") for name in catalog.models)
    assert fallback_models(settings, catalog) == {"claude-sonnet-4-6": ()}
    only_openrouter = settings_of("", tmp_path, {"OPENROUTER_API_KEY": "k"})
    catalog = build_catalog(only_openrouter, books)
    twins = (
        "haiku-4.5 haiku-5.5 sonnet-4.5 sonnet-4.6 sonnet-5 sonnet-5.5 opus-4.5 opus-4.6 opus-4.7 "
        "opus-4.8 opus-5 opus-5.5 fable-5 fable-5.1"
    )
    assert list(catalog.models) == [f"anthropic/claude-{name}" for name in twins.split()]
    assert (catalog.tiers, catalog.aliases) == ({}, {})
    assert fallback_models(only_openrouter, catalog) == {}


def test_a_workspace_in_the_us_is_known_of_every_model_that_it_serves(
    tmp_path: Path, books: Mapping[str, Book]
) -> None:
    assert not any(m.us_by_default for m in catalog_of("", tmp_path, books).models.values())
    us = catalog_of("upstreams: {anthropic: {default_inference_geo: us}}", tmp_path, books)
    assert {name for name, m in us.models.items() if not m.us_by_default} == {
        name for name in us.models if name.startswith("anthropic/")
    }
    found = refusal("upstreams: {anthropic: {default_inference_geo: eu}}", tmp_path, books)
    assert "upstreams.anthropic.default_inference_geo" in str(found)


def test_of_several_upstreams_those_that_are_on_stay_in_order(
    tmp_path: Path, books: Mapping[str, Book]
) -> None:
    text = (
        "upstreams: {spare: {kind: anthropic, api_key: '${SPARE}', base_url: 'http://x.example'}}\n"
        "models: {claude-opus-5: {upstream: [spare, openrouter, anthropic]}}"
    )
    settings = settings_of(text, tmp_path, {"SPARE": "k", "ANTHROPIC_API_KEY": "k"})
    catalog = build_catalog(settings, books)
    assert catalog.models["claude-opus-5"].upstreams == ("spare", "anthropic")


def test_a_model_configured_under_an_alias_of_the_book_has_its_prices(
    tmp_path: Path, books: Mapping[str, Book]
) -> None:
    catalog = catalog_of("models: {claude-haiku-4-5: {upstream: anthropic}}", tmp_path, books)
    model = catalog.models["claude-haiku-4-5"]
    assert prices_on(model.schedule, TODAY).steps[0].rates.input == 1_000_000
    assert (model.limits.min_cacheable_tokens, model.accepts.thinking) == (4096, "budget")
    assert (model.created, model.retires) == (1_760_486_400, None)


def test_a_retiring_model_says_when(tmp_path: Path, books: Mapping[str, Book]) -> None:
    catalog = catalog_of("models: {claude-sonnet-4-5: {upstream: anthropic}}", tmp_path, books)
    model = catalog.models["claude-sonnet-4-5"]
    assert model.replacement == "claude-sonnet-5-5"
    assert not model.is_retired(datetime(2026, 11, 30, 16, 59, 59, tzinfo=UTC))
    assert model.is_retired(datetime(2026, 11, 30, 17, tzinfo=UTC))


def test_a_tier_may_be_named_by_an_alias(tmp_path: Path, books: Mapping[str, Book]) -> None:
    catalog = catalog_of("tiers: {small: claude-haiku-4-5}", tmp_path, books)
    assert catalog.tiers == {"small": "claude-haiku-4-5-20251001"}


def test_an_override_wins_over_the_book_and_the_rest_stays(
    tmp_path: Path, books: Mapping[str, Book]
) -> None:
    text = (
        "models:\n  claude-sonnet-4-6:\n    upstream: anthropic\n    cost_per_token:\n"
        "      input: 0.0000027\n      output: 1.35e-5\n"
    )
    catalog = catalog_of(text, tmp_path, books)
    prices = prices_on(catalog.models["claude-sonnet-4-6"].schedule, TODAY)
    assert prices.steps[0].rates == Rates(2_700_000, 13_500_000, 3_750_000, 6_000_000, 300_000)
    usage = Usage(input_tokens=1_000, output_tokens=100, us=True)
    assert price(usage, prices).total == 4_455_000
    origins = {row.category: row.origin for row in price_rows(catalog, TODAY)}
    assert origins == {
        "input": "config",
        "output": "config",
        "cache_write_5m": "price_book",
        "cache_write_1h": "price_book",
        "cache_read": "price_book",
    }


def test_an_override_holds_in_every_tier(tmp_path: Path, books: Mapping[str, Book]) -> None:
    text = "models: {claude-haiku-5-5: {upstream: anthropic, cost_per_token: {input: 1e-7}}}"
    catalog = catalog_of(text, tmp_path, books)
    prices = prices_on(catalog.models["claude-haiku-5-5"].schedule, TODAY)
    assert [tier.rates.input for tier in prices.steps] == [100_000, 100_000]
    assert [tier.rates.output for tier in prices.steps] == [500_000, 2_500_000]


def test_a_model_in_no_book_has_its_own_prices_and_wide_limits(
    tmp_path: Path, books: Mapping[str, Book]
) -> None:
    catalog = catalog_of(f"models: {{mine: {{upstream: anthropic, {OWN}}}}}", tmp_path, books)
    model = catalog.models["mine"]
    prices = prices_on(model.schedule, TODAY)
    assert prices.steps[0].rates == Rates(1_000_000, 2_000_000, 3_000_000, 4_000_000, 500_000)
    assert price(Usage(input_tokens=1, us=True, fast=True), prices).total == 2_200
    assert price(Usage(web_search_requests=1), prices).total == 10_000_000
    assert (model.limits.context_window_tokens, model.limits.max_output_tokens) == (
        1_000_000,
        128_000,
    )
    assert (model.accepts, model.created, model.retires) == (Accepts(), 0, None)
    assert {(row.source, row.origin) for row in price_rows(catalog, TODAY)} == {
        ("models.mine.cost_per_token", "config")
    }


def test_price_rows_show_each_figure_in_force(tmp_path: Path, books: Mapping[str, Book]) -> None:
    catalog = catalog_of("models: {claude-haiku-5-5: {upstream: anthropic}}", tmp_path, books)
    rows = price_rows(catalog, TODAY)
    figures = [(row.category, row.tier, row.usd_per_token) for row in rows]
    assert figures == [
        ("input", "base", "0.0000001"),
        ("output", "base", "0.0000005"),
        ("cache_write_5m", "base", "0.000000125"),
        ("cache_write_1h", "base", "0.0000002"),
        ("cache_read", "base", "0.00000001"),
        ("input", ">100000", "0.0000005"),
        ("output", ">100000", "0.0000025"),
        ("cache_write_5m", ">100000", "0.000000625"),
        ("cache_write_1h", ">100000", "0.000001"),
        ("cache_read", ">100000", "0.00000005"),
    ]
    source = (
        "genai-prices 0.2.3, citing platform.claude.com/docs/en/about-claude/pricing; "
        "litellm 1.109.1, model_prices_and_context_window.json"
    )
    assert rows[0] == PriceRow(
        model="claude-haiku-5-5",
        category="input",
        tier="base",
        usd_per_token="0.0000001",
        source=source,
        effective_from="2026-10-07",
        origin="price_book",
    )


def test_price_rows_follow_the_day(tmp_path: Path, books: Mapping[str, Book]) -> None:
    catalog = catalog_of("models: {claude-sonnet-5-5: {upstream: anthropic}}", tmp_path, books)
    read = [price_rows(catalog, date(2026, 10, day))[4] for day in (6, 7)]
    assert [(row.usd_per_token, row.effective_from) for row in read] == [
        ("0.0000002", "2026-09-28"),
        ("0.0000001", "2026-10-07"),
    ]


def test_before_its_first_price_a_model_has_no_rows_and_a_warning(
    tmp_path: Path, books: Mapping[str, Book]
) -> None:
    settings = settings_of("models: {claude-haiku-5-5: {upstream: anthropic}}", tmp_path)
    early = datetime(2026, 10, 6, 23, 59, tzinfo=UTC)
    assert price_rows(build_catalog(settings, books), early.date()) == []
    assert config_warnings(settings, books, early) == [
        "tiers: there are none, so 'auto' answers nothing",
        "models.claude-haiku-5-5: its prices begin on 2026-10-07; is the clock right?",
    ]
    tiered = settings_of("tiers: {only: claude-haiku-5-5}", tmp_path)
    assert not any("cheaper" in told for told in config_warnings(tiered, books, early))


def test_fallbacks_are_resolved_to_ids(tmp_path: Path, books: Mapping[str, Book]) -> None:
    text = "fallbacks: {claude-haiku-4-5: [claude-opus-4-5, anthropic/claude-haiku-4.5]}"
    settings = settings_of(text, tmp_path)
    assert fallback_models(settings, build_catalog(settings, books)) == {
        "claude-haiku-4-5-20251001": ("claude-opus-4-5-20251101", "anthropic/claude-haiku-4.5")
    }


def test_rules_are_those_of_the_file(tmp_path: Path) -> None:
    text = (
        "routing: {threshold: 0.25, rules: {strong_from_chars: 5, strong_from_items: 7}}\n"
        "cache: {mode: off, ttl: 1h}\n"
    )
    settings = settings_of(text, tmp_path)
    assert routing_rules(settings) == Rules(5, 7, 0.25, None, shipped_weights())
    assert cache_rules(settings) == CacheRules("off", "1h")
    assert routing_rules(settings_of("", tmp_path)) == Rules(
        10_000, 30, 0.5, None, shipped_weights()
    )


A = "upstream: anthropic"
SHARED = [
    # models and tiers                                                     key path      value
    (
        f"models: {{claude-opus-5: {{{A}, aliases: [x, x]}}}}",
        "models.claude-opus-5.aliases.1",
        "'x' is an alias of claude-opus-5",
    ),
    (
        f"models: {{claude-opus-5: {{{A}, aliases: [x]}}, claude-fable-5: {{{A}, aliases: [x]}}}}",
        "models.claude-fable-5.aliases.0",
        "'x' is an alias of claude-opus-5",
    ),
    (
        f"models: {{claude-opus-5: {{{A}, aliases: [claude-fable-5]}}, claude-fable-5: {{{A}}}}}",
        "models.claude-opus-5.aliases.0",
        "'claude-fable-5' is a model",
    ),
    (
        f"models: {{claude-opus-5: {{{A}, aliases: [auto]}}}}",
        "models.claude-opus-5.aliases.0",
        "'auto' is reserved for routing",
    ),
    (
        f"models: {{claude-opus-5: {{{A}, aliases: [big]}}}}\ntiers: {{big: claude-opus-5}}",
        "models.claude-opus-5.aliases.0",
        "'big' is a tier",
    ),
    (f"models: {{auto: {{{A}, {OWN}}}}}", "models.auto", "'auto' is reserved for routing"),
    (f"models: {{big: {{{A}, {OWN}}}}}\ntiers: {{big: big}}", "models.big", "'big' is a tier"),
]


@pytest.mark.parametrize(("text", "path", "value"), SHARED)
def test_a_name_stands_for_one_thing(
    text: str, path: str, value: str, tmp_path: Path, books: Mapping[str, Book]
) -> None:
    (problem,) = refusal(text, tmp_path, books).problems
    assert problem == Problem(path, value, "a name that nothing else has", 1)


DESCENDING = f"""
models:
  claude-opus-5: {{{A}}}
  claude-haiku-5-5: {{{A}}}
tiers: {{big: claude-opus-5, small: claude-haiku-5-5}}
"""
ADVISES = "by its vendor, which advises claude-sonnet-5-5"
A_404 = "calls to it are a 404"
WARNINGS = [
    (
        "",
        [
            f"models.claude-sonnet-4-5-20250929: retired on 2026-11-30 at 17:00 UTC {ADVISES}",
            "models.anthropic/claude-sonnet-4.5: retired on 2026-11-30 at 17:00 UTC "
            + ADVISES.replace("claude-sonnet-5-5", "anthropic/claude-sonnet-5.5"),
        ],
    ),
    (
        f"models: {{claude-opus-4-1: {{{A}}}, mine: {{{A}, {OWN}}}}}\ntiers: {{t: mine}}",
        [f"models.claude-opus-4-1: retired {ADVISES.replace('sonnet', 'opus')}; {A_404}"],
    ),
    (
        f"models: {{claude-opus-5: {{{A}}}}}",
        ["tiers: there are none, so 'auto' answers nothing"],
    ),
    (
        DESCENDING,
        ["tiers.small: cheaper than the one before; the last should be the strongest"],
    ),
]


@pytest.mark.parametrize(("text", "warnings"), WARNINGS)
def test_what_works_but_should_be_looked_at_is_told(
    text: str, warnings: list[str], tmp_path: Path, books: Mapping[str, Book]
) -> None:
    assert config_warnings(settings_of(text, tmp_path), books, NOON) == warnings


def test_a_model_past_its_retirement_is_told(tmp_path: Path, books: Mapping[str, Book]) -> None:
    settings = settings_of("models: {claude-sonnet-4-5: {upstream: anthropic}}", tmp_path)
    retired = f"models.claude-sonnet-4-5: retired {ADVISES}; {A_404}"
    last = datetime(2026, 11, 30, 16, 59, tzinfo=UTC)
    assert retired not in config_warnings(settings, books, last)
    assert retired in config_warnings(settings, books, last + timedelta(minutes=1))
    assert len(config_warnings(settings, books, last - timedelta(days=61))) == 1


def test_a_model_that_its_vendor_may_retire_by_now_is_told(
    tmp_path: Path, books: Mapping[str, Book]
) -> None:
    text = "models: {claude-opus-4-6: {upstream: anthropic}}\ntiers: {t: claude-opus-4-6}"
    settings = settings_of(text, tmp_path)
    assert config_warnings(settings, books, datetime(2027, 2, 4, 23, tzinfo=UTC)) == []
    assert config_warnings(settings, books, datetime(2027, 2, 5, tzinfo=UTC)) == [
        "models.claude-opus-4-6: its vendor may retire it, from 2027-02-05 on; a tier uses it"
    ]


NAMES = [
    # a name in a reply                              the offered model, or the book's
    ("claude-haiku-4-5", "claude-haiku-4-5-20251001"),
    ("claude-haiku-4-5-20251001", "claude-haiku-4-5-20251001"),
    ("claude-sonnet-4-6-20260217", "claude-sonnet-4-6"),
    ("claude-opus-5-5-20260921", "claude-opus-5-5"),
    ("mine", "claude-sonnet-4-6"),
    ("claude-opus-5", "claude-opus-5"),  # the vendor's name goes before an alias
    ("anthropic/claude-4.6-sonnet-20260217", "anthropic/claude-sonnet-4.6"),
    ("anthropic/claude-haiku-5.5-20261007", "anthropic/claude-haiku-5.5"),
    ("anthropic/claude-4.5-haiku-20251001", "anthropic/claude-haiku-4.5"),
    ("claude-sonnet-4-6-2026", None),
    ("claude-sonnet-4", None),
    ("gpt-4o", None),
]


@pytest.mark.parametrize(("name", "model_id"), NAMES)
def test_a_reply_s_name_stands_for_what_is_offered_or_for_what_the_books_know(
    name: str, model_id: str | None, tmp_path: Path, books: Mapping[str, Book]
) -> None:
    text = """
models:
  claude-haiku-4-5-20251001: {upstream: anthropic}
  claude-sonnet-4-6:
    upstream: anthropic
    aliases: [mine, claude-opus-5]
    cost_per_token: {input: 0.000001}
"""
    prices = catalog_of(text, tmp_path, books).price_list
    found = prices.find(name)
    assert (found.id if found else None) == model_id
    sonnet = prices.find("mine")
    assert sonnet is not None
    assert prices_on(sonnet.schedule, TODAY).steps[0].rates.input == 1_000_000


SAME = [
    ("claude-haiku-4-5", "claude-haiku-4-5-20251001", True),
    ("claude-haiku-4-5", "claude-haiku-4-5", True),
    ("claude-haiku-4-5", "claude-haiku-5-5", False),
    ("anthropic/claude-sonnet-4.6", "anthropic/claude-4.6-sonnet-20260217", True),
    ("anthropic/claude-sonnet-4.6", "claude-sonnet-4-6", True),
    ("anthropic/claude-sonnet-4.6", "anthropic/claude-opus-4.6", False),
    ("own", "claude-opus-5-5", True),
    ("own", "whatever", True),
]


@pytest.mark.parametrize(("sent", "name", "same"), SAME)
def test_a_model_is_known_again_by_any_name_of_its_vendors(
    sent: str, name: str, tmp_path: Path, books: Mapping[str, Book], *, same: bool
) -> None:
    text = f"""
models:
  claude-haiku-4-5: {{{A}}}
  anthropic/claude-sonnet-4.6: {{upstream: openrouter}}
  own: {{{A}, {OWN}}}
"""
    assert catalog_of(text, tmp_path, books).price_list.is_model(sent, name) is same


def test_refusals_are_billed_by_the_lists_of_their_day(
    tmp_path: Path, books: Mapping[str, Book]
) -> None:
    prices = catalog_of("", tmp_path, books).price_list
    named = (None, "cyber", "general_harms", "bio", "frontier_llm", "reasoning_extraction", "new")
    free, billed = "free", "billed"
    since = [prices.refusal(category, date(2026, 9, 24)) for category in named]
    assert since == [free, free, free, billed, billed, billed, None]
    before = [prices.refusal(category, date(2026, 9, 23)) for category in named]
    assert before == [free] * 6 + [None]


def test_the_dearest_figures_are_above_every_model_s(
    books: Mapping[str, Book], tmp_path: Path
) -> None:
    dearest = catalog_of("", tmp_path, books).price_list.dearest(TODAY)
    (step,) = dearest.steps
    assert step.rates == Rates(15_000_000, 75_000_000, 18_750_000, 30_000_000, 1_500_000)
    assert (dearest.fast, dearest.us, dearest.batch) == (2_000, 1_100, 1_000)
    assert dearest.web_search_nano_usd == 10_000_000


def test_models_on_openrouter_are_held_with_a_tenth_on_top(
    tmp_path: Path, books: Mapping[str, Book]
) -> None:
    catalog = catalog_of("", tmp_path, books)
    assert {m.held_thousandths for n, m in catalog.models.items() if "/" in n} == {1_100}
    assert {m.held_thousandths for n, m in catalog.models.items() if "/" not in n} == {1_000}


def test_openrouter_s_dated_names_are_found(tmp_path: Path, books: Mapping[str, Book]) -> None:
    catalog = catalog_of("", tmp_path, books)
    for name, model_id in (
        ("anthropic/claude-4.6-sonnet-20260217", "anthropic/claude-sonnet-4.6"),
        ("anthropic/claude-haiku-5.5-20261007", "anthropic/claude-haiku-5.5"),
    ):
        found = catalog.find(name)
        assert found is not None
        assert found.id == model_id
    assert catalog.find("anthropic/claude-4.6-sonnet") is None
    assert catalog.find("claude-sonnet-4-6-20260217") is None


def test_a_model_may_name_its_providers(tmp_path: Path, books: Mapping[str, Book]) -> None:
    text = """
models:
  anthropic/claude-sonnet-4.6:
    upstream: openrouter
    provider: {only: [anthropic], allow_fallbacks: false, zdr: true}
  anthropic/claude-haiku-4.5: {upstream: openrouter}
"""
    models = catalog_of(text, tmp_path, books).models
    told = models["anthropic/claude-sonnet-4.6"].provider
    assert told == {"only": ("anthropic",), "allow_fallbacks": False, "zdr": True}
    assert models["anthropic/claude-haiku-4.5"].provider is None
    wrong = text.replace("zdr: true", "sort: cheap")
    assert "models.anthropic/claude-sonnet-4.6.provider.sort" in str(
        refusal(wrong, tmp_path, books)
    )
    unknown = text.replace("zdr", "zdrr")
    assert "did you mean 'zdr'" in str(refusal(unknown, tmp_path, books))
