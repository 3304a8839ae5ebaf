from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from app.config.book_check import Difference, compare_with_genai_prices
from app.config.prices import Book, overridden

TODAY = date(2026, 11, 21)
# genai-prices keeps the tier of the ended long-context beta: it describes past usage.
ENDED_TIER = [
    Difference(model, category, ">200000", None, theirs)
    for model in ("claude-sonnet-4-5-20250929", "anthropic/claude-sonnet-4.5")
    for category, theirs in (
        ("input", "6"),
        ("output", "22.5"),
        ("cache_write_5m", "7.5"),
        ("cache_read", "0.6"),
    )
]
ENDED_TIER.append(Difference("claude-sonnet-4-5-20250929", "cache_write_1h", ">200000", None, "12"))
# Models of limited availability that it doesn't list.
UNLISTED = [
    Difference(model, "model", "base", "listed", None)
    for model in ("claude-mythos-5", "claude-mythos-5-1", "claude-mythos-preview")
]
# For OpenRouter it mostly lists no price of a one-hour write.
NO_LONG_WRITE = [
    Difference(f"anthropic/claude-{model}", "cache_write_1h", "base", ours, None)
    for model, ours in (
        ("haiku-4.5", "2"),
        ("sonnet-4.5", "6"),
        ("sonnet-4.6", "6"),
        ("sonnet-5", "4"),
        ("sonnet-5.5", "4"),
        ("opus-4.5", "10"),
        ("opus-4.6", "10"),
        ("opus-4.7", "10"),
        ("opus-4.8", "10"),
        ("opus-5", "10"),
        ("opus-5.5", "8"),
        ("fable-5", "20"),
        ("fable-5.1", "20"),
    )
]


def test_the_books_differ_from_genai_prices_only_where_it_is_known_why(
    books: Mapping[str, Book],
) -> None:
    assert set(compare_with_genai_prices(books, TODAY)) == {
        *ENDED_TIER,
        *UNLISTED,
        *NO_LONG_WRITE,
    }


def test_the_old_tiers_agree_while_they_were_in_force(books: Mapping[str, Book]) -> None:
    models = {"claude-sonnet-4-6", "claude-opus-4-6"}
    wrong = [d for d in compare_with_genai_prices(books, date(2026, 3, 12)) if d.model in models]
    assert wrong == []


def test_a_wrong_figure_is_found(books: Mapping[str, Book]) -> None:
    model = books["anthropic"].models["claude-haiku-5-5"]
    wrong = replace(model, schedule=overridden(model.schedule, {"input": 99_999}, "a test"))
    book = Book("anthropic", {model.id: wrong})
    assert compare_with_genai_prices({"anthropic": book}, TODAY) == [
        Difference("claude-haiku-5-5", "input", "base", "0.099999", "0.1"),
        Difference("claude-haiku-5-5", "input", ">100000", "0.099999", "0.5"),
    ]


def test_without_genai_prices_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['genai_prices'] = None\n"
        "from datetime import date\n"
        "from app.config.book_check import compare_with_genai_prices as compare\n"
        "try: compare({}, date(2026, 11, 21))\n"
        "except RuntimeError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "install genai-prices to check the price books against it\n"
