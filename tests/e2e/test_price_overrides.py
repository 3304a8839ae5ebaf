from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.e2e.dated import dated_gateway
from tests.e2e.price_vectors import DAY, Vector, vectors
from tests.e2e.priced_calls import CONTENT, assert_priced_in_four_ways, event_stream, whole_body
from tests.running import Gateway, Simulated

OWN = "claude-of-our-own"  # in no price book
CONFIG = f"""
models:
  claude-sonnet-4-6:
    upstream: anthropic
    cost_per_token: {{input: 0.0000027, output: 1.35e-5}}
  claude-haiku-5-5:
    upstream: anthropic
    cost_per_token: {{cache_read: 2e-8}}
  claude-opus-5-5:
    upstream: anthropic
    cost_per_token: {{output: 0.00001}}
  claude-haiku-4-5-20251001:
    upstream: anthropic
    cost_per_token:
      input: 5e-10
      output: 1.5e-9
      cache_write_5m: 2.5e-10
      cache_write_1h: 1e-12
      cache_read: 0
  claude-sonnet-5:
    upstream: anthropic
    cost_per_token: {{input: 0, output: 0, cache_write_5m: 0, cache_write_1h: 0, cache_read: 0}}
  {OWN}:
    upstream: anthropic
    cost_per_token:
      input: 1e-6
      output: 2e-6
      cache_write_5m: 3e-6
      cache_write_1h: 4e-6
      cache_read: 5e-7
tiers: {{haiku: claude-haiku-4-5-20251001, sonnet: claude-sonnet-4-6}}
fallbacks: {{}}
"""
OVERRIDDEN = vectors(
    """
# $2.70 in and $13.50 out; writes and reads keep the book's $3.75, $6 and $0.30.
two categories | claude-sonnet-4-6 | 3 12_304 0 0 550
    0.0000081 + 0.04614 + 0 + 0 + 0.007425 + 0 = 0.0535731
the others keep the book's price | claude-sonnet-4-6 | 0 1_000 2_000 10_000 0
    0 + 0.00375 + 0.012 + 0.003 + 0 + 0 = 0.01875
in the US | claude-sonnet-4-6 | 3 12_304 0 0 550 | us
    0.00000891 + 0.050754 + 0 + 0 + 0.0081675 + 0 = 0.05893041
in a batch | claude-sonnet-4-6 | 3 12_304 0 0 550 | batch
    0.00000405 + 0.02307 + 0 + 0 + 0.0037125 + 0 = 0.02678655
searches keep their price | claude-sonnet-4-6 | 3 0 0 0 550 | searches=2
    0.0000081 + 0 + 0 + 0 + 0.007425 + 0.02 = 0.0274331

# Reads at $0.02 in both tiers; the rest stays $0.10 and $0.50, in the upper one $0.50 and $2.50.
below the threshold | claude-haiku-5-5 | 0 0 0 100_000 1_000
    0 + 0 + 0 + 0.002 + 0.0005 + 0 = 0.0025
above the threshold | claude-haiku-5-5 | 0 0 0 100_001 1_000
    0 + 0 + 0 + 0.00200002 + 0.0025 + 0 = 0.00450002
above it with input | claude-haiku-5-5 | 1 0 0 100_000 1_000
    0.0000005 + 0 + 0 + 0.002 + 0.0025 + 0 = 0.0045005

# Output at $10 where the book says $20.
fast | claude-opus-5-5 | 1_000 2_000 3_000 4_000 500 | fast
    0.008 + 0.02 + 0.048 + 0.0016 + 0.01 + 0 = 0.0876
fast and in the US | claude-opus-5-5 | 1_000 2_000 3_000 4_000 500 | fast us
    0.0088 + 0.022 + 0.0528 + 0.00176 + 0.011 + 0 = 0.09636

# 0.5, 0.25, 0.001, 0 and 1.5 nano-USD: halves go to the even side.
all five, rounded down | claude-haiku-4-5-20251001 | 1 2 3 4 3
    0 + 0 + 0 + 0 + 0.000000004 + 0 = 0.000000004
all five, rounded up | claude-haiku-4-5-20251001 | 3 6 1_500 1_000_000 1
    0.000000002 + 0.000000002 + 0.000000002 + 0 + 0.000000002 + 0 = 0.000000008
all free | claude-sonnet-5 | 1_000 2_000 3_000 4_000 500
    0 + 0 + 0 + 0 + 0 + 0 = 0.00
free but for its search | claude-sonnet-5 | 1_000 2_000 3_000 4_000 500 | us searches=1
    0 + 0 + 0 + 0 + 0 + 0.01 = 0.01
"""
)
UNLISTED = vectors(
    f"""
plain | {OWN} | 10 20 30 40 50
    0.00001 + 0.00006 + 0.00012 + 0.00002 + 0.0001 + 0 = 0.00031
in the US | {OWN} | 10 20 30 40 50 | us
    0.000011 + 0.000066 + 0.000132 + 0.000022 + 0.00011 + 0 = 0.000341
fast | {OWN} | 10 20 30 40 50 | fast
    0.00002 + 0.00012 + 0.00024 + 0.00004 + 0.0002 + 0 = 0.00062
fast and in the US | {OWN} | 10 20 30 40 50 | fast us
    0.000022 + 0.000132 + 0.000264 + 0.000044 + 0.00022 + 0 = 0.000682
with a search | {OWN} | 10 0 0 0 50 | searches=1
    0.00001 + 0 + 0 + 0 + 0.0001 + 0.01 = 0.01011
long | {OWN} | 900_000 0 0 0 50
    0.9 + 0 + 0 + 0 + 0.0001 + 0 = 0.9001
"""
)


@pytest.fixture(scope="module")
def served(upstream: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("overridden")
    with dated_gateway(folder, upstream.url, DAY, CONFIG) as running:
        yield running


@pytest.mark.parametrize("vector", OVERRIDDEN, ids=lambda vector: vector.claim)
def test_an_override_replaces_its_category_and_nothing_else(
    served: Gateway, upstream: Simulated, vector: Vector
) -> None:
    upstream.replies(*[{"content": CONTENT, "usage": vector.usage}] * 4)
    assert_priced_in_four_ways(served, vector)


@pytest.mark.parametrize("vector", UNLISTED, ids=lambda vector: vector.claim)
def test_a_model_in_no_book_costs_what_the_configuration_says(
    served: Gateway, upstream: Simulated, vector: Vector
) -> None:
    """The simulator does not know the model: its fault that is none answers before it looks."""
    whole = {"kind": "status", "status": 200, "body": whole_body(OWN, vector.usage)}
    stream = event_stream(OWN, vector.usage, [{"output_tokens": vector.tokens[4]}])
    sse = {"content-type": "text/event-stream"}
    streamed = {"kind": "status", "status": 200, "body": stream, "headers": sse}
    upstream.faults(whole, streamed, whole, streamed)
    assert_priced_in_four_ways(served, vector)


def test_the_prices_shown_say_which_of_them_are_overridden(served: Gateway) -> None:
    shown = {
        (row["model"], row["tier"], row["category"]): (
            Decimal(row["usd_per_token"]) * 10**6,
            row["origin"],
        )
        for row in served.admin("GET", "prices")["data"]
    }
    sonnet, haiku = "claude-sonnet-4-6", "claude-haiku-5-5"
    assert shown[sonnet, "base", "input"] == (Decimal("2.7"), "config")
    assert shown[sonnet, "base", "output"] == (Decimal("13.5"), "config")
    assert shown[sonnet, "base", "cache_read"] == (Decimal("0.3"), "price_book")
    assert shown[haiku, "base", "cache_read"] == (Decimal("0.02"), "config")
    assert shown[haiku, ">100000", "cache_read"] == (Decimal("0.02"), "config")
    assert shown[haiku, ">100000", "input"] == (Decimal("0.5"), "price_book")
    own = {category: price for (model, _, category), price in shown.items() if model == OWN}
    assert own == {
        "input": (1, "config"),
        "output": (2, "config"),
        "cache_write_5m": (3, "config"),
        "cache_write_1h": (4, "config"),
        "cache_read": (Decimal("0.5"), "config"),
    }
