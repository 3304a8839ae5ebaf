"""What the simulated vendor offers: models, their limits, their manners and their prices."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

OLD_VERSION: Final = "2023-06-01"
STRICT_VERSION: Final = "2026-10-21"
VERSIONS: Final = frozenset({OLD_VERSION, STRICT_VERSION})

MAX_BODY_BYTES: Final = 32 * 1024 * 1024
MAX_CACHE_MARKS: Final = 4
LOOK_BACK_POSITIONS: Final = 20
TTL_S: Final = MappingProxyType({"5m": 300, "1h": 3600})
LONG_PROMPT_TOKENS: Final = 100_000  # strictly more than this is the long tier, where there is one
PICO_USD_PER_WEB_SEARCH: Final = 10_000_000_000  # $10 per 1,000
EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, slots=True)
class Rates:
    """Pico-USD per token; $1 per million tokens is 1,000,000."""

    input: int
    output: int
    write_5m: int
    write_1h: int
    read: int


@dataclass(frozen=True, slots=True)
class Model:
    id: str
    display_name: str
    created_on: str
    rates: Rates
    min_cacheable_tokens: int
    long_rates: Rates | None = None
    aliases: tuple[str, ...] = ()
    context_tokens: int = 1_000_000
    max_output_tokens: int = 128_000
    thinking: frozenset[str] = field(default=frozenset({"adaptive"}))
    always_thinks: bool = False
    """Thinks without being asked as soon as an effort is given."""
    dense_tokenizer: bool = True
    """30 % more tokens for the same text, and finer images."""
    sampling: bool = False
    forced_tool: bool = True
    prefill: bool = False
    system_role: bool = True
    efforts: tuple[str, ...] = EFFORTS
    """The levels of `output_config.effort` that it knows; none: it has no such option."""
    us: bool = True
    fast: str = "refused"
    """`billed`, `refused` or `ignored` (accepted, served at standard speed)."""
    fast_until: str | None = None
    """The day from which on fast mode is refused."""
    strips_thinking: bool = False
    """Earlier thinking is dropped from the prompt once the user speaks again."""
    deprecated_on: str | None = None
    retires_on: str | None = None


def _adaptive_or(*modes: str) -> frozenset[str]:
    return frozenset({"adaptive", *modes})


_SONNET_4: Final = Rates(3_000_000, 15_000_000, 3_750_000, 6_000_000, 300_000)
_OPUS: Final = Rates(5_000_000, 25_000_000, 6_250_000, 10_000_000, 500_000)
_MYTHOS: Final = Rates(10_000_000, 50_000_000, 12_500_000, 20_000_000, 1_000_000)
_MYTHOS_1: Final = replace(_MYTHOS, read=250_000)
_MYTHOS_2: Final = Rates(8_000_000, 40_000_000, 10_000_000, 16_000_000, 200_000)

_HAIKU_4_5: Final = Model(
    id="claude-haiku-4-5-20251001",
    display_name="Claude Haiku 4.5",
    created_on="2025-10-15",
    rates=Rates(1_000_000, 5_000_000, 1_250_000, 2_000_000, 100_000),
    min_cacheable_tokens=4096,
    aliases=("claude-haiku-4-5",),
    context_tokens=200_000,
    max_output_tokens=64_000,
    thinking=frozenset({"enabled", "disabled"}),
    dense_tokenizer=False,
    sampling=True,
    prefill=True,
    system_role=False,
    efforts=(),
    us=False,
    strips_thinking=True,
)
_SONNET_4_5: Final = replace(
    _HAIKU_4_5,
    id="claude-sonnet-4-5-20250929",
    display_name="Claude Sonnet 4.5",
    created_on="2025-09-29",
    rates=_SONNET_4,
    min_cacheable_tokens=1024,
    aliases=("claude-sonnet-4-5",),
    deprecated_on="2026-09-30",
    retires_on="2026-11-30",
)
_OPUS_4_5: Final = replace(
    _HAIKU_4_5,
    id="claude-opus-4-5-20251101",
    display_name="Claude Opus 4.5",
    created_on="2025-11-24",
    rates=_OPUS,
    aliases=("claude-opus-4-5",),
    efforts=("low", "medium", "high"),
    strips_thinking=False,
    deprecated_on="2026-11-23",
    retires_on="2027-01-22",
)
_SONNET_4_6: Final = Model(
    id="claude-sonnet-4-6",
    display_name="Claude Sonnet 4.6",
    created_on="2026-02-17",
    rates=_SONNET_4,
    min_cacheable_tokens=1024,
    thinking=_adaptive_or("enabled", "disabled"),
    dense_tokenizer=False,
    sampling=True,
    system_role=False,
    efforts=("low", "medium", "high", "max"),
)
_OPUS_4_6: Final = replace(
    _SONNET_4_6,
    id="claude-opus-4-6",
    display_name="Claude Opus 4.6",
    created_on="2026-02-05",
    rates=_OPUS,
    min_cacheable_tokens=4096,
    fast="ignored",
)
_OPUS_4_7: Final = Model(
    id="claude-opus-4-7",
    display_name="Claude Opus 4.7",
    created_on="2026-04-16",
    rates=_OPUS,
    min_cacheable_tokens=2048,
    thinking=_adaptive_or("disabled"),
    system_role=False,
)
_OPUS_4_8: Final = replace(
    _OPUS_4_7,
    id="claude-opus-4-8",
    display_name="Claude Opus 4.8",
    created_on="2026-05-28",
    min_cacheable_tokens=1024,
    system_role=True,
    fast="billed",
    fast_until="2026-11-30",
)
_OPUS_5: Final = replace(
    _OPUS_4_8,
    id="claude-opus-5",
    display_name="Claude Opus 5",
    created_on="2026-07-24",
    min_cacheable_tokens=512,
    fast_until=None,
)
_OPUS_5_5: Final = replace(
    _OPUS_5,
    id="claude-opus-5-5",
    display_name="Claude Opus 5.5",
    created_on="2026-10-07",
    rates=Rates(4_000_000, 20_000_000, 5_000_000, 8_000_000, 200_000),
    thinking=_adaptive_or(),
    always_thinks=True,
    forced_tool=False,
)
_SONNET_5: Final = Model(
    id="claude-sonnet-5",
    display_name="Claude Sonnet 5",
    created_on="2026-06-30",
    rates=Rates(2_000_000, 10_000_000, 2_500_000, 4_000_000, 200_000),
    min_cacheable_tokens=1024,
    thinking=_adaptive_or("disabled"),
    system_role=False,
)
_SONNET_5_5: Final = Model(
    id="claude-sonnet-5-5",
    display_name="Claude Sonnet 5.5",
    created_on="2026-10-07",
    rates=Rates(2_000_000, 10_000_000, 2_500_000, 4_000_000, 100_000),
    min_cacheable_tokens=512,
    thinking=_adaptive_or("between_tools"),
    always_thinks=True,
    forced_tool=False,
)
_HAIKU_5_5: Final = Model(
    id="claude-haiku-5-5",
    display_name="Claude Haiku 5.5",
    created_on="2026-10-07",
    rates=Rates(100_000, 500_000, 125_000, 200_000, 10_000),
    min_cacheable_tokens=512,
    long_rates=Rates(500_000, 2_500_000, 625_000, 1_000_000, 50_000),
    thinking=_adaptive_or("disabled"),
)
_FABLE_5: Final = Model(
    id="claude-fable-5",
    display_name="Claude Fable 5",
    created_on="2026-06-09",
    rates=_MYTHOS,
    min_cacheable_tokens=512,
    always_thinks=True,
)
_FABLE_5_1: Final = replace(
    _FABLE_5,
    id="claude-fable-5-1",
    display_name="Claude Fable 5.1",
    created_on="2026-09-01",
    rates=_MYTHOS_1,
    forced_tool=False,
)
_FABLE_5_2: Final = replace(
    _FABLE_5_1,
    id="claude-fable-5-2",
    display_name="Claude Fable 5.2",
    created_on="2026-11-09",
    rates=_MYTHOS_2,
    fast="billed",
)
_MYTHOS_PREVIEW: Final = replace(
    _FABLE_5,
    id="claude-mythos-preview",
    display_name="Claude Mythos Preview",
    created_on="2026-04-07",
    min_cacheable_tokens=2048,
    system_role=False,
    us=False,
    efforts=("low", "medium", "high", "max"),
    deprecated_on="2026-06-09",
)

CATALOGUE: Final[tuple[Model, ...]] = (
    _FABLE_5_2,
    replace(_FABLE_5_2, id="claude-mythos-5-2", display_name="Claude Mythos 5.2"),
    _SONNET_5_5,
    _OPUS_5_5,
    _HAIKU_5_5,
    _FABLE_5_1,
    replace(_FABLE_5_1, id="claude-mythos-5-1", display_name="Claude Mythos 5.1"),
    _OPUS_5,
    _SONNET_5,
    _FABLE_5,
    replace(_FABLE_5, id="claude-mythos-5", display_name="Claude Mythos 5"),
    _OPUS_4_8,
    _OPUS_4_7,
    _MYTHOS_PREVIEW,
    _SONNET_4_6,
    _OPUS_4_6,
    _OPUS_4_5,
    _HAIKU_4_5,
    _SONNET_4_5,
)
MODELS: Final = MappingProxyType(
    {name: model for model in CATALOGUE for name in (model.id, *model.aliases)}
)
