"""The sections of config.yaml: what each key may be, and what it is when it is left out."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)

from app.config.environment import HEADER_ALLOWED, fits_a_header, has_controls
from app.config.fields import (
    Flag,
    LimitNanoUsd,
    Number,
    PicoUsdOverride,
    Positive,
    Seconds,
    SecondsFromZero,
    Section,
    Share,
    Text,
)
from app.core.budgets import Window

MOST_ATTEMPTS = 10
MOST_BODY_BYTES = 1 << 30
MOST_HOST_CHARS = 253
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,199}", re.ASCII)


def _identifier(text: str) -> str:
    if not _ID.fullmatch(text):
        raise ValueError("a name of up to 200 letters, digits and . _ : @ / -")
    return text


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise ValueError("an IP address or network, such as 10.0.0.0/8") from error
    return text


def _origin(text: str) -> str:
    parts = urlsplit(text)
    bare = parts.scheme in ("http", "https") and parts.netloc and not (parts.path or parts.query)
    if text != "*" and not bare:
        raise ValueError("'*' or an origin without a path, such as https://app.example.com")
    return text


def _url(text: str) -> str:
    if has_controls(text) or " " in text:  # urlsplit would leave line breaks out, unasked
        raise ValueError("a URL without blanks and control characters")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError("a URL with a port from 1 to 65535, or none") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("a URL such as https://api.example.com")
    if parts.username or parts.password:
        raise ValueError("a URL without a user name or password in it")
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError("a URL with a port from 1 to 65535, or none")
    if not _is_host(parts.hostname):
        raise ValueError("a URL whose host is a name or an IP address, such as api.example.com")
    return text.rstrip("/")


def _is_host(name: str) -> bool:
    """Whether a resolver could be asked for the name: addresses, and labels of usual letters."""
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return len(name) <= MOST_HOST_CHARS and bool(_HOST.fullmatch(name))
    return True


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _secret(value: object) -> object:
    """The secret without white space around it; None when nothing is left.  Raises ValueError."""
    if not isinstance(value, str):
        return value
    secret = value.strip()
    if not fits_a_header(secret):
        raise ValueError(HEADER_ALLOWED)
    return secret or None


Identifier = Annotated[Text, AfterValidator(_identifier)]
Url = Annotated[Text, AfterValidator(_url)]
Tier = Annotated[Text, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
OneOrMore = Annotated[tuple[Identifier, ...], BeforeValidator(_listed), Field(min_length=1)]
Identifiers = tuple[Identifier, ...]


class Server(Section):
    max_body_bytes: Annotated[Positive, Field(le=MOST_BODY_BYTES)] = 33_554_432
    body_timeout_s: Seconds = 120
    max_pending_bytes: Positive = 536_870_912
    shutdown_grace_s: SecondsFromZero = 30
    metrics_public: Flag = False
    trusted_proxies: tuple[Annotated[Text, AfterValidator(_network)], ...] = ()
    cors_origins: tuple[Annotated[Text, AfterValidator(_origin)], ...] = ()


class UpstreamSettings(Section):
    """One vendor's endpoint; off while `api_key` is None."""

    kind: Literal["anthropic", "openrouter"]
    api_key: Annotated[SecretStr | None, BeforeValidator(_secret)]
    base_url: Url
    transport: Literal["aiohttp", "sdk"] = "aiohttp"
    default_inference_geo: Literal["global", "us"] = "global"
    connect_timeout_s: Seconds = 5
    first_byte_timeout_s: Seconds = 120
    idle_timeout_s: Seconds = 60
    total_timeout_s: Seconds = 600
    stream_timeout_s: Seconds = 3600

    @field_validator("base_url")
    @classmethod
    def _without_version(cls, base_url: str, info: ValidationInfo) -> str:
        if info.data.get("kind") == "anthropic" and base_url.endswith("/v1"):
            raise ValueError("a URL without /v1, which the gateway adds itself")
        return base_url

    @field_validator("transport")
    @classmethod
    def _one_that_speaks_it(cls, transport: str, info: ValidationInfo) -> str:
        if info.data.get("kind") == "openrouter" and transport == "sdk":
            raise ValueError("'aiohttp', the sdk speaks to Anthropic alone")
        return transport


class CostPerToken(Section):
    """Overrides in whole pico-USD per token (written as USD); None keeps the book's price."""

    input: PicoUsdOverride = None
    output: PicoUsdOverride = None
    cache_write_5m: PicoUsdOverride = None
    cache_write_1h: PicoUsdOverride = None
    cache_read: PicoUsdOverride = None


class Provider(Section):
    """OpenRouter's word on who may serve a model; what is left out is not sent."""

    order: tuple[Text, ...] | None = None
    only: tuple[Text, ...] | None = None
    ignore: tuple[Text, ...] | None = None
    allow_fallbacks: Flag | None = None
    require_parameters: Flag | None = None
    data_collection: Literal["allow", "deny"] | None = None
    zdr: Flag | None = None
    sort: Literal["price", "throughput", "latency"] | None = None
    quantizations: tuple[Text, ...] | None = None


class ModelSettings(Section):
    upstream: OneOrMore
    provider: Provider | None = None
    aliases: Identifiers = ()
    cost_per_token: CostPerToken = CostPerToken()


class RoutingRules(Section):
    """The threshold rule: from either size on, the strongest tier answers."""

    strong_from_chars: Positive = 10_000
    strong_from_items: Positive = 30


class Routing(Section):
    default_model: Identifier = "auto"
    threshold: Share = 0.5
    sonnet_share: Share | None = None
    weights: Text | None = None
    rules: RoutingRules = RoutingRules()


class Cache(Section):
    mode: Literal["auto", "off"] = "auto"
    ttl: Literal["auto", "5m", "1h"] = "auto"


class Retries(Section):
    max_attempts: Annotated[Positive, Field(le=MOST_ATTEMPTS)] = 3
    max_elapsed_s: SecondsFromZero = 60
    max_retry_after_s: SecondsFromZero = 30


class Streams(Section):
    on_disconnect: Literal["cancel", "drain"] = "cancel"


class GlobalBudget(Section):
    """`max_budget_usd` is held as whole nano-USD; None is no limit."""

    max_budget_nano_usd: LimitNanoUsd = Field(default=None, alias="max_budget_usd")
    window: Window = "month"


class Budgets(Section):
    everyone: GlobalBudget = Field(default=GlobalBudget(), alias="global")
    default_max_tokens: Positive = 16_384
    min_output_tokens: Positive = 256
    shrink_max_tokens: Literal["never", "unset", "always"] = "unset"
    shrink_share: Share = 0.125
    wait_for_holds_s: SecondsFromZero = 3
    soft_limit_ratio: Share = 0.8
    alert_webhook: Url | None = None


class Ledger(Section):
    lease_s: Annotated[Number, Field(ge=1, le=3600)] = 30


class Retention(Section):
    requests_days: Positive = 400


class Langfuse(Section):
    enabled: Flag = False
    include_content: Flag = False


class Otlp(Section):
    enabled: Flag = False


class Telemetry(Section):
    langfuse: Langfuse = Langfuse()
    otlp: Otlp = Otlp()
