"""What replies cost, worked out by hand from the vendor's published prices of 2026-11-21."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

DAY = "2026-11-21"  # before Opus 4.8 loses its fast mode, and Sonnet 4.5 retires
CATEGORIES = (
    "input",
    "cache_write_5m",
    "cache_write_1h",
    "cache_read",
    "output",
    "server_tools",
)


@dataclass(frozen=True)
class Vector:
    """One reply: `tokens` are input, 5m write, 1h write, read and output; `usd` per category."""

    claim: str
    model: str
    tokens: tuple[int, int, int, int, int]
    usd: tuple[Decimal, ...]
    total_usd: str
    searches: int = 0
    thinking_tokens: int = 0
    says: dict[str, Any] = field(default_factory=dict)

    @property
    def usage(self) -> dict[str, Any]:
        """The reply's usage in the vendor's words."""
        uncached, write_5m, write_1h, read, output = self.tokens
        split = {"ephemeral_5m_input_tokens": write_5m, "ephemeral_1h_input_tokens": write_1h}
        return {
            "input_tokens": uncached,
            "cache_creation_input_tokens": write_5m + write_1h,
            "cache_creation": split,
            "cache_read_input_tokens": read,
            "output_tokens": output,
            "output_tokens_details": {"thinking_tokens": self.thinking_tokens},
            "server_tool_use": {"web_search_requests": self.searches},
            **self.says,
        }


WORDS: dict[str, dict[str, Any]] = {
    "fast": {"speed": "fast"},
    "standard": {"speed": "standard"},
    "us": {"inference_geo": "us"},
    "global": {"inference_geo": "global"},
    "batch": {"service_tier": "batch"},
    "priority": {"service_tier": "priority"},
}


def vectors(table: str) -> list[Vector]:
    """Two lines each: claim | model | tokens | what the reply says, then the sum in USD."""
    lines = [line for line in table.splitlines() if line and not line.startswith("#")]
    return [_vector(*pair) for pair in zip(lines[::2], lines[1::2], strict=True)]


def _vector(first: str, second: str) -> Vector:
    claim, model, counts, *rest = (part.strip() for part in first.split("|"))
    words = rest[0].split() if rest else []
    uncached, write_5m, write_1h, read, output = map(int, counts.split())
    amounts, total = second.split("=")
    named = dict(word.split("=") for word in words if "=" in word)
    return Vector(
        claim=claim,
        model=model,
        tokens=(uncached, write_5m, write_1h, read, output),
        usd=tuple(Decimal(amount) for amount in amounts.split("+")),
        total_usd=total.strip(),
        searches=int(named.get("searches", 0)),
        thinking_tokens=int(named.get("thinking", 0)),
        says={k: v for word in words if "=" not in word for k, v in WORDS[word].items()},
    )


VECTORS = vectors(
    """
# Every current model once.
haiku 5.5 | claude-haiku-5-5 | 1_000 2_000 3_000 4_000 500
    0.0001 + 0.00025 + 0.0006 + 0.00004 + 0.00025 + 0 = 0.00124
haiku 4.5 | claude-haiku-4-5-20251001 | 1_000 2_000 3_000 4_000 500
    0.001 + 0.0025 + 0.006 + 0.0004 + 0.0025 + 0 = 0.0124
sonnet 5.5 | claude-sonnet-5-5 | 1_000 2_000 3_000 4_000 500
    0.002 + 0.005 + 0.012 + 0.0004 + 0.005 + 0 = 0.0244
sonnet 5 | claude-sonnet-5 | 1_000 2_000 3_000 4_000 500
    0.002 + 0.005 + 0.012 + 0.0008 + 0.005 + 0 = 0.0248
sonnet 4.6 | claude-sonnet-4-6 | 1_000 2_000 3_000 4_000 500
    0.003 + 0.0075 + 0.018 + 0.0012 + 0.0075 + 0 = 0.0372
sonnet 4.5 | claude-sonnet-4-5-20250929 | 1_000 2_000 3_000 4_000 500
    0.003 + 0.0075 + 0.018 + 0.0012 + 0.0075 + 0 = 0.0372
opus 5.5 | claude-opus-5-5 | 1_000 2_000 3_000 4_000 500
    0.004 + 0.01 + 0.024 + 0.0008 + 0.01 + 0 = 0.0488
opus 5 | claude-opus-5 | 1_000 2_000 3_000 4_000 500
    0.005 + 0.0125 + 0.03 + 0.002 + 0.0125 + 0 = 0.062
opus 4.8 | claude-opus-4-8 | 1_000 2_000 3_000 4_000 500
    0.005 + 0.0125 + 0.03 + 0.002 + 0.0125 + 0 = 0.062
opus 4.7 | claude-opus-4-7 | 1_000 2_000 3_000 4_000 500
    0.005 + 0.0125 + 0.03 + 0.002 + 0.0125 + 0 = 0.062
opus 4.6 | claude-opus-4-6 | 1_000 2_000 3_000 4_000 500
    0.005 + 0.0125 + 0.03 + 0.002 + 0.0125 + 0 = 0.062
opus 4.5 | claude-opus-4-5-20251101 | 1_000 2_000 3_000 4_000 500
    0.005 + 0.0125 + 0.03 + 0.002 + 0.0125 + 0 = 0.062
fable 5.2 | claude-fable-5-2 | 1_000 2_000 3_000 4_000 500
    0.008 + 0.02 + 0.048 + 0.0008 + 0.02 + 0 = 0.0968
fable 5.1 | claude-fable-5-1 | 1_000 2_000 3_000 4_000 500
    0.01 + 0.025 + 0.06 + 0.001 + 0.025 + 0 = 0.121
fable 5 | claude-fable-5 | 1_000 2_000 3_000 4_000 500
    0.01 + 0.025 + 0.06 + 0.004 + 0.025 + 0 = 0.124
mythos 5.2 | claude-mythos-5-2 | 1_000 2_000 3_000 4_000 500
    0.008 + 0.02 + 0.048 + 0.0008 + 0.02 + 0 = 0.0968
mythos 5.1 | claude-mythos-5-1 | 1_000 2_000 3_000 4_000 500
    0.01 + 0.025 + 0.06 + 0.001 + 0.025 + 0 = 0.121
mythos 5 | claude-mythos-5 | 1_000 2_000 3_000 4_000 500
    0.01 + 0.025 + 0.06 + 0.004 + 0.025 + 0 = 0.124
mythos preview | claude-mythos-preview | 1_000 2_000 3_000 4_000 500
    0.01 + 0.025 + 0.06 + 0.004 + 0.025 + 0 = 0.124

# One bucket at a time, and together.
worked example | claude-sonnet-4-6 | 3 12_304 0 0 550
    0.000009 + 0.04614 + 0 + 0 + 0.00825 + 0 = 0.054399
worked example read | claude-sonnet-4-6 | 3 0 0 12_304 550
    0.000009 + 0 + 0 + 0.0036912 + 0.00825 + 0 = 0.0119502
worked example 1h | claude-sonnet-4-6 | 3 0 12_304 0 550
    0.000009 + 0 + 0.073824 + 0 + 0.00825 + 0 = 0.082083
input alone | claude-sonnet-4-6 | 1 0 0 0 0
    0.000003 + 0 + 0 + 0 + 0 + 0 = 0.000003
write 5m alone | claude-sonnet-4-6 | 0 1 0 0 0
    0 + 0.00000375 + 0 + 0 + 0 + 0 = 0.00000375
write 1h alone | claude-sonnet-4-6 | 0 0 1 0 0
    0 + 0 + 0.000006 + 0 + 0 + 0 = 0.000006
read alone | claude-sonnet-4-6 | 0 0 0 1 0
    0 + 0 + 0 + 0.0000003 + 0 + 0 = 0.0000003
output alone | claude-sonnet-4-6 | 0 0 0 0 1
    0 + 0 + 0 + 0 + 0.000015 + 0 = 0.000015
nothing at all | claude-sonnet-4-6 | 0 0 0 0 0
    0 + 0 + 0 + 0 + 0 + 0 = 0.00
reads only | claude-sonnet-5-5 | 0 0 0 250_000 10
    0 + 0 + 0 + 0.025 + 0.0001 + 0 = 0.0251
no reads | claude-opus-5-5 | 12 8_000 0 0 300
    0.000048 + 0.04 + 0 + 0 + 0.006 + 0 = 0.046048
1h and 5m mixed | claude-opus-5 | 12 700 9_000 50_000 300
    0.00006 + 0.004375 + 0.09 + 0.025 + 0.0075 + 0 = 0.126935
1h writes and reads | claude-fable-5-2 | 4 0 16_000 32_000 1_200
    0.000032 + 0 + 0.256 + 0.0064 + 0.048 + 0 = 0.310432
long chat read cheaply | claude-fable-5-1 | 20 900 0 400_000 2_500
    0.0002 + 0.01125 + 0 + 0.1 + 0.125 + 0 = 0.23645
no long prompt tier sonnet 4.6 | claude-sonnet-4-6 | 300_000 0 0 100_001 1_000
    0.9 + 0 + 0 + 0.0300003 + 0.015 + 0 = 0.9450003
no long prompt tier opus 4.6 | claude-opus-4-6 | 900_000 0 0 0 1_000
    4.5 + 0 + 0 + 0 + 0.025 + 0 = 4.525
full window haiku 4.5 | claude-haiku-4-5-20251001 | 199_000 500 300 200 64_000
    0.199 + 0.000625 + 0.0006 + 0.00002 + 0.32 + 0 = 0.520245

# Thinking is billed as output.
thinking is output | claude-sonnet-4-6 | 100 0 0 0 5_000 | thinking=4500
    0.0003 + 0 + 0 + 0 + 0.075 + 0 = 0.0753
all of it thinking | claude-opus-5-5 | 100 0 0 0 3_000 | thinking=3000
    0.0004 + 0 + 0 + 0 + 0.06 + 0 = 0.0604
thinking haiku 5.5 | claude-haiku-5-5 | 100 0 0 0 3_001 | thinking=1
    0.00001 + 0 + 0 + 0 + 0.0015005 + 0 = 0.0015105

# Web searches: $10 per 1,000.
one search | claude-sonnet-4-6 | 6_000 0 0 0 200 | searches=1
    0.018 + 0 + 0 + 0 + 0.003 + 0.01 = 0.031
seven searches beside the cache | claude-haiku-4-5-20251001 | 6_000 1_000 0 20_000 200 | searches=7
    0.006 + 0.00125 + 0 + 0.002 + 0.001 + 0.07 = 0.08025
searches alone | claude-opus-5 | 0 0 0 0 0 | searches=1000
    0 + 0 + 0 + 0 + 0 + 10 = 10.00
no search | claude-sonnet-5 | 10 0 0 0 10 | searches=0
    0.00002 + 0 + 0 + 0 + 0.0001 + 0 = 0.00012

# The dearer tier starts above 100,000 prompt tokens, read and written ones too.
at the threshold | claude-haiku-5-5 | 100_000 0 0 0 1_000
    0.01 + 0 + 0 + 0 + 0.0005 + 0 = 0.0105
above the threshold | claude-haiku-5-5 | 100_001 0 0 0 1_000
    0.0500005 + 0 + 0 + 0 + 0.0025 + 0 = 0.0525005
reads at it | claude-haiku-5-5 | 0 0 0 100_000 1_000
    0 + 0 + 0 + 0.001 + 0.0005 + 0 = 0.0015
reads above it | claude-haiku-5-5 | 0 0 0 100_001 1_000
    0 + 0 + 0 + 0.00500005 + 0.0025 + 0 = 0.00750005
5m writes at it | claude-haiku-5-5 | 0 100_000 0 0 1_000
    0 + 0.0125 + 0 + 0 + 0.0005 + 0 = 0.013
5m writes above it | claude-haiku-5-5 | 0 100_001 0 0 1_000
    0 + 0.062500625 + 0 + 0 + 0.0025 + 0 = 0.065000625
1h writes at it | claude-haiku-5-5 | 0 0 100_000 0 1_000
    0 + 0 + 0.02 + 0 + 0.0005 + 0 = 0.0205
1h writes above it | claude-haiku-5-5 | 0 0 100_001 0 1_000
    0 + 0 + 0.100001 + 0 + 0.0025 + 0 = 0.102501
together at it | claude-haiku-5-5 | 25_000 25_000 25_000 25_000 1_000
    0.0025 + 0.003125 + 0.005 + 0.00025 + 0.0005 + 0 = 0.011375
together above it | claude-haiku-5-5 | 25_001 25_000 25_000 25_000 1_000
    0.0125005 + 0.015625 + 0.025 + 0.00125 + 0.0025 + 0 = 0.0568755
output does not count | claude-haiku-5-5 | 60_000 0 0 0 60_000
    0.006 + 0 + 0 + 0 + 0.03 + 0 = 0.036
searches above it | claude-haiku-5-5 | 100_001 0 0 0 1_000 | searches=2
    0.0500005 + 0 + 0 + 0 + 0.0025 + 0.02 = 0.0725005

# Fast mode doubles every token category.
fast fable 5.2 | claude-fable-5-2 | 1_000 2_000 3_000 4_000 500 | fast
    0.016 + 0.04 + 0.096 + 0.0016 + 0.04 + 0 = 0.1936
fast mythos 5.2 | claude-mythos-5-2 | 1_000 2_000 3_000 4_000 500 | fast
    0.016 + 0.04 + 0.096 + 0.0016 + 0.04 + 0 = 0.1936
fast opus 5.5 | claude-opus-5-5 | 1_000 2_000 3_000 4_000 500 | fast
    0.008 + 0.02 + 0.048 + 0.0016 + 0.02 + 0 = 0.0976
fast opus 5 | claude-opus-5 | 1_000 2_000 3_000 4_000 500 | fast
    0.01 + 0.025 + 0.06 + 0.004 + 0.025 + 0 = 0.124
fast opus 4.8 | claude-opus-4-8 | 1_000 2_000 3_000 4_000 500 | fast
    0.01 + 0.025 + 0.06 + 0.004 + 0.025 + 0 = 0.124
fast with searches | claude-opus-5 | 100 0 0 0 100 | fast searches=3
    0.001 + 0 + 0 + 0 + 0.005 + 0.03 = 0.036
speed standard | claude-opus-5 | 100 0 0 0 100 | standard
    0.0005 + 0 + 0 + 0 + 0.0025 + 0 = 0.003

# Served in the US: 1.1 times.
us haiku 5.5 | claude-haiku-5-5 | 1_000 2_000 3_000 4_000 500 | us
    0.00011 + 0.000275 + 0.00066 + 0.000044 + 0.000275 + 0 = 0.001364
us sonnet 4.6 | claude-sonnet-4-6 | 1_000 2_000 3_000 4_000 500 | us
    0.0033 + 0.00825 + 0.0198 + 0.00132 + 0.00825 + 0 = 0.04092
us sonnet 5.5 | claude-sonnet-5-5 | 1_000 2_000 3_000 4_000 500 | us
    0.0022 + 0.0055 + 0.0132 + 0.00044 + 0.0055 + 0 = 0.02684
us opus 4.6 | claude-opus-4-6 | 1_000 2_000 3_000 4_000 500 | us
    0.0055 + 0.01375 + 0.033 + 0.0022 + 0.01375 + 0 = 0.0682
us opus 5.5 | claude-opus-5-5 | 1_000 2_000 3_000 4_000 500 | us
    0.0044 + 0.011 + 0.0264 + 0.00088 + 0.011 + 0 = 0.05368
us fable 5.1 | claude-fable-5-1 | 1_000 2_000 3_000 4_000 500 | us
    0.011 + 0.0275 + 0.066 + 0.0011 + 0.0275 + 0 = 0.1331
us with searches | claude-sonnet-4-6 | 100 0 0 0 100 | us searches=3
    0.00033 + 0 + 0 + 0 + 0.00165 + 0.03 = 0.03198
us above the threshold | claude-haiku-5-5 | 100_001 0 0 0 1_000 | us
    0.05500055 + 0 + 0 + 0 + 0.00275 + 0 = 0.05775055
us at the threshold | claude-haiku-5-5 | 100_000 0 0 0 1_000 | us
    0.011 + 0 + 0 + 0 + 0.00055 + 0 = 0.01155
geo global | claude-sonnet-4-6 | 100 0 0 0 100 | global
    0.0003 + 0 + 0 + 0 + 0.0015 + 0 = 0.0018
fast and us opus 5.5 | claude-opus-5-5 | 1_000 2_000 3_000 4_000 500 | fast us
    0.0088 + 0.022 + 0.0528 + 0.00176 + 0.022 + 0 = 0.10736
fast and us fable 5.2 | claude-fable-5-2 | 7 0 0 13 1 | fast us
    0.0001232 + 0 + 0 + 0.00000572 + 0.000088 + 0 = 0.00021692

# Batch: half.
batch sonnet 4.6 | claude-sonnet-4-6 | 1_000 2_000 3_000 4_000 500 | batch
    0.0015 + 0.00375 + 0.009 + 0.0006 + 0.00375 + 0 = 0.0186
batch haiku 4.5 | claude-haiku-4-5-20251001 | 1_000 2_000 3_000 4_000 500 | batch
    0.0005 + 0.00125 + 0.003 + 0.0002 + 0.00125 + 0 = 0.0062
batch above the threshold | claude-haiku-5-5 | 100_001 0 0 0 1_000 | batch
    0.02500025 + 0 + 0 + 0 + 0.00125 + 0 = 0.02625025
batch leaves searches | claude-sonnet-4-6 | 100 0 0 0 100 | batch searches=3
    0.00015 + 0 + 0 + 0 + 0.00075 + 0.03 = 0.0309
batch and us | claude-sonnet-5 | 1_000 2_000 3_000 4_000 500 | us batch
    0.0011 + 0.00275 + 0.0066 + 0.00044 + 0.00275 + 0 = 0.01364
priority is list price | claude-sonnet-4-6 | 100 0 0 0 100 | priority
    0.0003 + 0 + 0 + 0 + 0.0015 + 0 = 0.0018

# Half a nano-USD goes to the even side, in each category.
half up to even 137.5 | claude-haiku-5-5 | 0 1 0 0 0 | us
    0 + 0.000000138 + 0 + 0 + 0 + 0 = 0.000000138
half down to even 412.5 | claude-haiku-5-5 | 0 3 0 0 0 | us
    0 + 0.000000412 + 0 + 0 + 0 + 0 = 0.000000412
half up to even 687.5 | claude-haiku-5-5 | 0 5 0 0 0 | us
    0 + 0.000000688 + 0 + 0 + 0 + 0 = 0.000000688
half up to even 687.5 in the dear tier | claude-haiku-5-5 | 100_000 1 0 0 0 | us
    0.055 + 0.000000688 + 0 + 0 + 0 + 0 = 0.055000688
half down to even 62.5 | claude-haiku-5-5 | 0 1 0 0 0 | batch
    0 + 0.000000062 + 0 + 0 + 0 + 0 = 0.000000062
half up to even 187.5 | claude-haiku-5-5 | 0 3 0 0 0 | batch
    0 + 0.000000188 + 0 + 0 + 0 + 0 = 0.000000188
half down to even 312.5 in the dear tier | claude-haiku-5-5 | 100_000 1 0 0 0 | batch
    0.025 + 0.000000312 + 0 + 0 + 0 + 0 = 0.025000312
half up to even 5.5 | claude-haiku-5-5 | 0 0 0 1 0 | us batch
    0 + 0 + 0 + 0.000000006 + 0 + 0 = 0.000000006
half down to even 16.5 | claude-haiku-5-5 | 0 0 0 3 0 | us batch
    0 + 0 + 0 + 0.000000016 + 0 + 0 = 0.000000016
below half 206.25 | claude-haiku-5-5 | 0 3 0 0 0 | us batch
    0 + 0.000000206 + 0 + 0 + 0 + 0 = 0.000000206
above half 68.75 | claude-haiku-5-5 | 0 1 0 0 0 | us batch
    0 + 0.000000069 + 0 + 0 + 0 + 0 = 0.000000069
each category rounded on its own | claude-haiku-5-5 | 1 1 1 1 1 | us batch
    0.000000055 + 0.000000069 + 0.00000011 + 0.000000006 + 0.000000275 + 0 = 0.000000515

# Very large counts.
ten million of each | claude-sonnet-4-6 | 10_000_000 10_000_000 10_000_000 10_000_000 10_000_000
    30 + 37.5 + 60 + 3 + 150 + 0 = 280.50
a thousand million out | claude-mythos-5-1 | 0 0 0 0 1_000_000_000
    0 + 0 + 0 + 0 + 50000 + 0 = 50000.00
500 million of each | claude-haiku-5-5 | 500000000 500000000 500000000 500000000 500000000 | us
    275 + 343.75 + 550 + 27.5 + 1375 + 0 = 2571.25
odd large counts | claude-opus-5 | 999_999_999 999_999_999 0 999_999_999 999_999_999
    4999.999995 + 6249.99999375 + 0 + 499.9999995 + 24999.999975 + 0 = 36749.99996325
"""
)
