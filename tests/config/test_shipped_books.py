"""The figures that come with the gateway, written down a second time, by hand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

import pytest

from app.config.prices import Book, BookModel
from app.core.pricing import Prices, Rates, price, prices_on
from app.core.usage import Usage

TODAY = date(2026, 11, 21)
USD = 1_000_000  # pico-USD per token for each USD per million tokens

LISTED = [
    # model                          in     out    5m      1h    read     context  output  least
    ("claude-fable-5-2", (8_00, 40_00, 10_00, 16_00, 20), (1_000_000, 128_000, 512)),
    ("claude-mythos-5-2", (8_00, 40_00, 10_00, 16_00, 20), (1_000_000, 128_000, 512)),
    ("claude-fable-5-1", (10_00, 50_00, 12_50, 20_00, 25), (1_000_000, 128_000, 512)),
    ("claude-mythos-5-1", (10_00, 50_00, 12_50, 20_00, 25), (1_000_000, 128_000, 512)),
    ("claude-fable-5", (10_00, 50_00, 12_50, 20_00, 1_00), (1_000_000, 128_000, 512)),
    ("claude-mythos-5", (10_00, 50_00, 12_50, 20_00, 1_00), (1_000_000, 128_000, 512)),
    ("claude-mythos-preview", (10_00, 50_00, 12_50, 20_00, 1_00), (1_000_000, 128_000, 2048)),
    ("claude-opus-5-5", (4_00, 20_00, 5_00, 8_00, 20), (1_000_000, 128_000, 512)),
    ("claude-opus-5", (5_00, 25_00, 6_25, 10_00, 50), (1_000_000, 128_000, 512)),
    ("claude-opus-4-8", (5_00, 25_00, 6_25, 10_00, 50), (1_000_000, 128_000, 1024)),
    ("claude-opus-4-7", (5_00, 25_00, 6_25, 10_00, 50), (1_000_000, 128_000, 2048)),
    ("claude-opus-4-6", (5_00, 25_00, 6_25, 10_00, 50), (1_000_000, 128_000, 4096)),
    ("claude-opus-4-5", (5_00, 25_00, 6_25, 10_00, 50), (200_000, 64_000, 4096)),
    ("claude-opus-4-5-20251101", (5_00, 25_00, 6_25, 10_00, 50), (200_000, 64_000, 4096)),
    ("claude-sonnet-5-5", (2_00, 10_00, 2_50, 4_00, 10), (1_000_000, 128_000, 512)),
    ("claude-sonnet-5", (2_00, 10_00, 2_50, 4_00, 20), (1_000_000, 128_000, 1024)),
    ("claude-sonnet-4-6", (3_00, 15_00, 3_75, 6_00, 30), (1_000_000, 128_000, 1024)),
    ("claude-sonnet-4-5", (3_00, 15_00, 3_75, 6_00, 30), (200_000, 64_000, 1024)),
    ("claude-sonnet-4-5-20250929", (3_00, 15_00, 3_75, 6_00, 30), (200_000, 64_000, 1024)),
    ("claude-haiku-4-5", (1_00, 5_00, 1_25, 2_00, 10), (200_000, 64_000, 4096)),
    ("claude-haiku-4-5-20251001", (1_00, 5_00, 1_25, 2_00, 10), (200_000, 64_000, 4096)),
    ("claude-opus-4-1", (15_00, 75_00, 18_75, 30_00, 1_50), (200_000, 32_000, 1024)),
    ("claude-opus-4-20250514", (15_00, 75_00, 18_75, 30_00, 1_50), (200_000, 32_000, 1024)),
    ("claude-sonnet-4-0", (3_00, 15_00, 3_75, 6_00, 30), (200_000, 64_000, 1024)),
    ("claude-3-7-sonnet-latest", (3_00, 15_00, 3_75, 6_00, 30), (200_000, 64_000, 1024)),
    ("claude-3-5-haiku", (80, 4_00, 1_00, 1_60, 8), (200_000, 8_192, 2048)),
]


@pytest.mark.parametrize(("name", "cents", "limits"), LISTED)
def test_a_model_has_its_list_price_and_limits(
    name: str, cents: tuple[int, ...], limits: tuple[int, ...], books: Mapping[str, Book]
) -> None:
    model = anthropic(name, books)
    (step,) = prices_on(model.schedule, TODAY).steps
    assert step.rates == Rates(*(n * USD // 100 for n in cents))
    known = model.limits
    assert limits == (
        known.context_window_tokens,
        known.max_output_tokens,
        known.min_cacheable_tokens,
    )


def test_nothing_else_is_listed_but_the_stepped_model(books: Mapping[str, Book]) -> None:
    listed = {anthropic(name, books).id for name, _, _ in LISTED}
    assert set(books["anthropic"].models) == {*listed, "claude-haiku-5-5"}


HAIKU_5_5 = [
    # prompt    nano-USD with 1,000 output tokens
    (100_000, 10_500_000),
    (100_001, 52_500_500),
]


@pytest.mark.parametrize(("prompt", "nano"), HAIKU_5_5)
def test_haiku_5_5_costs_five_times_as_much_above_100_000_prompt_tokens(
    prompt: int, nano: int, books: Mapping[str, Book]
) -> None:
    prices = today("claude-haiku-5-5", books)
    assert price(Usage(input_tokens=prompt, output_tokens=1_000), prices).total == nano


def test_reads_of_sonnet_5_5_became_cheaper_on_7_october_2026(books: Mapping[str, Book]) -> None:
    model = anthropic("claude-sonnet-5-5", books)
    before, after = (prices_on(model.schedule, date(2026, 10, day)) for day in (6, 7))
    assert before.steps[0].rates.cache_read == 200_000
    assert after.steps[0].rates.cache_read == 100_000
    assert before.sources["cache_read"] != before.sources["input"]


def test_fast_mode_of_opus_4_8_ends_on_30_november_2026(books: Mapping[str, Book]) -> None:
    schedule = anthropic("claude-opus-4-8", books).schedule
    assert prices_on(schedule, date(2026, 11, 29)).fast == 2_000
    assert prices_on(schedule, date(2026, 11, 30)).fast == 1_000


LONG_PROMPTS = [
    ("claude-sonnet-4-6", date(2026, 3, 12), date(2026, 3, 13), (6_000_000, 22_500_000)),
    ("claude-opus-4-6", date(2026, 3, 12), date(2026, 3, 13), (10_000_000, 37_500_000)),
    ("claude-sonnet-4-5", date(2026, 4, 30), date(2026, 5, 1), (6_000_000, 22_500_000)),
]


@pytest.mark.parametrize(("name", "last", "first", "dear"), LONG_PROMPTS)
def test_the_old_step_for_long_prompts_has_ended(
    name: str,
    last: date,
    first: date,
    dear: tuple[int, int],
    books: Mapping[str, Book],
) -> None:
    schedule = anthropic(name, books).schedule
    step = prices_on(schedule, last).step(200_001)
    assert (step.rates.input, step.rates.output) == dear
    assert prices_on(schedule, last).step(200_000).above_prompt_tokens == -1
    assert len(prices_on(schedule, first).steps) == 1


def test_every_model_has_the_batch_price_and_web_searches(books: Mapping[str, Book]) -> None:
    for model in books["anthropic"].models.values():
        for prices in model.schedule:
            assert prices.batch == 500
            assert prices.web_search_nano_usd == 10_000_000


def having(ability: str, books: Mapping[str, Book]) -> set[str]:
    models = books["anthropic"].models.values()
    return {m.id for m in models if m.state != "retired" and getattr(m.accepts, ability)}


FOUR_FIVE = {"claude-haiku-4-5-20251001", "claude-sonnet-4-5-20250929", "claude-opus-4-5-20251101"}
FOUR_SIX = {"claude-sonnet-4-6", "claude-opus-4-6"}
FIVE = {"claude-sonnet-5", "claude-opus-5", "claude-fable-5", "claude-mythos-5"}
FIVE_FIVE = {"claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5"}
FABLES = {"claude-fable-5-1", "claude-mythos-5-1", "claude-fable-5-2", "claude-mythos-5-2"}
OTHERS = {"claude-opus-4-7", "claude-opus-4-8", "claude-mythos-preview"}
CURRENT = FOUR_FIVE | FOUR_SIX | FIVE | FIVE_FIVE | FABLES | OTHERS


ABILITIES = [
    ("sampling", FOUR_FIVE | FOUR_SIX),
    ("prefill", FOUR_FIVE),
    ("forced_tools", CURRENT - FABLES - {"claude-sonnet-5-5", "claude-opus-5-5"}),
    ("late_system", (FIVE | FIVE_FIVE | FABLES | {"claude-opus-4-8"}) - {"claude-sonnet-5"}),
    ("us", CURRENT - FOUR_FIVE),
    (
        "fast",
        {
            "claude-fable-5-2",
            "claude-mythos-5-2",
            "claude-opus-5-5",
            "claude-opus-5",
        },
    ),
]


@pytest.mark.parametrize(("ability", "models"), ABILITIES)
def test_the_current_models_take_what_their_vendor_says(
    ability: str, models: set[str], books: Mapping[str, Book]
) -> None:
    assert having(ability, books) == models


FEW_EFFORTS = {
    "claude-haiku-4-5-20251001": (),
    "claude-sonnet-4-5-20250929": (),
    "claude-opus-4-5-20251101": ("low", "medium", "high"),
    "claude-opus-4-6": ("low", "medium", "high", "max"),
    "claude-sonnet-4-6": ("low", "medium", "high", "max"),
    "claude-mythos-preview": ("low", "medium", "high", "max"),
}


def test_effort_has_the_levels_that_each_generation_brought(books: Mapping[str, Book]) -> None:
    models = books["anthropic"].models
    every = ("low", "medium", "high", "xhigh", "max")
    assert {m: models[m].accepts.efforts for m in CURRENT} == dict.fromkeys(
        CURRENT, every
    ) | FEW_EFFORTS


def test_what_is_accepted_and_dearer_is_priced_so(books: Mapping[str, Book]) -> None:
    for model in books["anthropic"].models.values():
        prices = model.schedule[-1]
        assert prices.us == (1_100 if model.accepts.us else 1_000), model.id
        assert prices.fast == (2_000 if model.accepts.fast else 1_000), model.id


THINKING = [
    ("budget", FOUR_FIVE),
    ("between_tools", {"claude-sonnet-5-5"}),
    (
        "always",
        FABLES | {"claude-fable-5", "claude-mythos-5", "claude-mythos-preview", "claude-opus-5-5"},
    ),
    (
        "adaptive",
        FOUR_SIX
        | {"claude-opus-4-7", "claude-opus-4-8", "claude-opus-5"}
        | {"claude-sonnet-5", "claude-haiku-5-5"},
    ),
]


@pytest.mark.parametrize(("kind", "models"), THINKING)
def test_thinking_can_be_turned_off_where_its_kind_says(
    kind: str, models: set[str], books: Mapping[str, Book]
) -> None:
    found = books["anthropic"].models.values()
    assert {m.id for m in found if m.state != "retired" and m.accepts.thinking == kind} == models


def test_pictures_count_for_more_since_opus_4_7(books: Mapping[str, Book]) -> None:
    models = books["anthropic"].models
    fine = {m.id for m in models.values() if m.limits.max_image_tokens == 4_784}
    assert fine == CURRENT - FOUR_FIVE - FOUR_SIX
    assert {models[m].limits.max_image_tokens for m in set(models) - fine} == {1_600}


STATES = [
    ("claude-sonnet-4-5", "deprecated", date(2026, 11, 30)),
    ("claude-opus-4-5", "deprecated", date(2027, 1, 22)),
    ("claude-mythos-preview", "deprecated", None),
    ("claude-opus-4-1", "retired", date(2026, 8, 5)),
    ("claude-opus-4-0", "retired", date(2026, 6, 15)),
    ("claude-sonnet-4-0", "retired", date(2026, 6, 15)),
    ("claude-3-7-sonnet", "retired", date(2026, 2, 19)),
    ("claude-3-5-haiku", "retired", date(2026, 2, 19)),
]


@pytest.mark.parametrize(("name", "state", "retires"), STATES)
def test_a_model_at_its_end_says_so(
    name: str, state: str, retires: date | None, books: Mapping[str, Book]
) -> None:
    model = anthropic(name, books)
    moment = None if retires is None else datetime.combine(retires, time(17), UTC)
    assert (model.state, model.retires) == (state, moment)
    if moment is not None:
        assert not model.is_retired(moment - timedelta(seconds=1)) or state == "retired"
        assert model.is_retired(moment)
        assert books["anthropic"].find(model.replacement or "") is not None


def test_every_other_model_is_active(books: Mapping[str, Book]) -> None:
    ended = {anthropic(name, books).id for name, _, _ in STATES}
    rest = [m for m in books["anthropic"].models.values() if m.id not in ended]
    assert len(rest) == 16
    assert {(m.state, m.retires) for m in rest} == {("active", None)}


NOT_BEFORE = {
    "claude-opus-4-6": date(2027, 2, 5),
    "claude-sonnet-4-6": date(2027, 2, 17),
    "claude-opus-4-7": date(2027, 4, 16),
    "claude-opus-4-8": date(2027, 5, 28),
    "claude-fable-5": date(2027, 6, 9),
    "claude-sonnet-5": date(2027, 6, 30),
    "claude-opus-5": date(2027, 7, 24),
    "claude-fable-5-1": date(2027, 9, 1),
}


def test_the_vendor_s_earliest_days_of_retirement_are_known(books: Mapping[str, Book]) -> None:
    models = books["anthropic"].models
    known = {m: day for m in models if (day := models[m].retires_not_before) is not None}
    assert known == NOT_BEFORE


RELEASED = [
    ("claude-opus-5", date(2026, 7, 24)),
    ("claude-fable-5-1", date(2026, 9, 1)),
    ("claude-mythos-5-1", date(2026, 9, 1)),
]


@pytest.mark.parametrize(("name", "day"), RELEASED)
def test_a_model_was_released_on_its_vendor_s_day(
    name: str, day: date, books: Mapping[str, Book]
) -> None:
    model = anthropic(name, books)
    assert (model.released, model.schedule[0].effective_from) == (day, day)


def test_openrouter_s_dated_slugs_stand_for_their_models(books: Mapping[str, Book]) -> None:
    twins = books["openrouter"]
    for slug, name in (
        ("anthropic/claude-4.6-sonnet-20260217", "anthropic/claude-sonnet-4.6"),
        ("anthropic/claude-haiku-5.5-20261007", "anthropic/claude-haiku-5.5"),
        ("anthropic/claude-5-opus-20260724", "anthropic/claude-opus-5"),
    ):
        assert twins.find(slug) is twins.models[name]
    assert twins.find("anthropic/claude-4.6-sonnet-latest") is None
    assert twins.find("anthropic/claude-9-opus-20290101") is None


def test_prices_begin_no_later_than_the_release(books: Mapping[str, Book]) -> None:
    for model in books["anthropic"].models.values():
        assert model.schedule[0].effective_from <= model.released <= TODAY


def test_openrouter_s_names_have_no_figures_of_their_own(books: Mapping[str, Book]) -> None:
    twins = books["openrouter"].models
    assert len(twins) == 14
    for twin_id, twin in twins.items():
        own_name = twin_id.removeprefix("anthropic/").replace(".", "-")
        assert twin.schedule is anthropic(own_name, books).schedule
        assert not twin.accepts.us
        assert not twin.accepts.fast


def anthropic(name: str, books: Mapping[str, Book]) -> BookModel:
    model = books["anthropic"].find(name)
    assert model is not None
    return model


def today(name: str, books: Mapping[str, Book]) -> Prices:
    return prices_on(anthropic(name, books).schedule, TODAY)
