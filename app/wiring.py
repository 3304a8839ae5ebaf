"""From settings to what a gateway is made of: policy, budgets, upstreams."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from socket import gethostname
from types import MappingProxyType

from pydantic import SecretStr

from app.calls.attempts import RetryOptions
from app.config.catalog import build_catalog, cache_rules, fallback_models, routing_rules
from app.config.destinations import traced
from app.config.prices import bundled_books
from app.config.problems import ConfigError, Problem
from app.config.sections import UpstreamSettings
from app.config.settings import Settings, read_settings
from app.core.budgets import WHOLE_PPM
from app.core.preparation import Policy
from app.ports import Memory, Upstream
from app.store.ledger.windows import GlobalBudget
from app.store.memory.process import ProcessMemory
from app.telemetry.call_log import CallLog
from app.telemetry.metrics import Metrics
from app.telemetry.recorders import Recorders
from app.telemetry.tracing import Destination, Tracing
from app.upstream.factory import open_upstream
from app.upstream.options import UpstreamOptions
from app.upstream.proxies import proxy_for

REDIS = "TOLLKEEPER_REDIS_URL"
SIMULATED_KEY = "simulated"
KEYS = ("ANTHROPIC_API_KEY", "OPENROUTER_API_KEY")
NONE_BEFORE: Mapping[str, UpstreamSettings] = MappingProxyType({})
NONE_OPENED: Mapping[str, Upstream] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Boot:
    """What a process is started with.

    `simulated_url` puts every call there; workers of one gateway share `metrics_folder`.
    """

    config_file: Path | None
    environ: Mapping[str, str] = field(repr=False)
    database_url: str = field(repr=False)
    master_key: str = field(repr=False)
    metrics_token: str | None = field(default=None, repr=False)
    simulated_url: str | None = None
    metrics_folder: Path | None = None

    @property
    def may_have_replicas(self) -> bool:
        """Whether other machines may serve the same ledger: a file has one gateway."""
        return self.database_url.startswith("postgres")

    def settings(self) -> Settings:
        """The config file as it stands now.  Raises ConfigError."""
        if self.simulated_url is None:
            return read_settings(self.config_file, self.environ)
        environ = {**self.environ, **dict.fromkeys(KEYS, SIMULATED_KEY)}
        return simulated(read_settings(self.config_file, environ), self.simulated_url)


def policy_of(settings: Settings) -> Policy:
    """What a reload may change.  Raises ConfigError."""
    budgets = settings.budgets
    catalog = build_catalog(settings, bundled_books())
    return Policy(
        catalog=catalog,
        rules=routing_rules(settings),
        cache=cache_rules(settings),
        default_max_tokens=budgets.default_max_tokens,
        min_output_tokens=budgets.min_output_tokens,
        shrink=budgets.shrink_max_tokens,
        shrink_share_ppm=round(budgets.shrink_share * WHOLE_PPM),
        globally_limited=budgets.everyone.max_budget_nano_usd is not None,
        fallbacks=fallback_models(settings, catalog),
        vendors={name: written.kind for name, written in settings.upstreams.items()},
    )


def global_budget(settings: Settings) -> GlobalBudget:
    """The limit over all keys together."""
    everyone = settings.budgets.everyone
    return GlobalBudget(everyone.max_budget_nano_usd, everyone.window)


def retries_of(settings: Settings) -> RetryOptions:
    """How calls are tried again."""
    return RetryOptions(
        max_attempts=settings.retries.max_attempts,
        max_elapsed_s=float(settings.retries.max_elapsed_s),
        max_retry_after_s=float(settings.retries.max_retry_after_s),
    )


def memory_of(environ: Mapping[str, str]) -> Memory:
    """What is remembered of conversations, shared where there is a Redis.  Raises ConfigError."""
    own, url = ProcessMemory(), environ.get(REDIS)
    if not url:
        return own
    # Imported here: few gateways have one.
    from app.store.memory.redis import RedisMemory  # noqa: PLC0415

    try:
        return RedisMemory(url, own)
    except ValueError:  # its text may hold the password
        problem = Problem("", "no address of Redis", "redis://host:6379/0, rediss:// or unix://")
        raise ConfigError(REDIS, [problem]) from None


def recorders(settings: Settings, boot: Boot) -> Recorders:
    """All who are told how calls end.  Raises ConfigError."""
    metrics = Metrics(boot.metrics_folder, gethostname() if boot.may_have_replicas else None)
    return Recorders(metrics, CallLog(), tracings(settings, boot.environ, metrics))


def tracings(
    settings: Settings, environ: Mapping[str, str], metrics: Metrics
) -> tuple[Tracing, ...]:
    """One for each destination of traces that is on.  Raises ConfigError."""
    found = traced(settings, environ)
    if not found:
        return ()
    # Costs a quarter of a second and 14 MB, so it is imported only where it is used.
    from app.telemetry.otlp import OtlpSender  # noqa: PLC0415

    return tuple(
        Tracing(
            Destination(each.name, each.endpoint, each.headers, each.include_content),
            OtlpSender,
            metrics.dropped,
        )
        for each in found
    )


def upstreams(
    settings: Settings,
    before: Mapping[str, UpstreamSettings] = NONE_BEFORE,
    opened: Mapping[str, Upstream] = NONE_OPENED,
) -> dict[str, Upstream]:
    """Every upstream that is on, by name: those of `opened` whose settings are as `before`."""
    return {
        name: opened[name]
        if name in opened and before.get(name) == written
        else open_upstream(_options(written, written.api_key))
        for name, written in settings.upstreams.items()
        if written.api_key is not None
    }


def _options(written: UpstreamSettings, api_key: SecretStr) -> UpstreamOptions:
    return UpstreamOptions(
        kind=written.kind,
        api_key=api_key.get_secret_value(),
        base_url=written.base_url,
        transport=written.transport,
        proxy=proxy_for(written.base_url, os.environ),
        connect_timeout_s=float(written.connect_timeout_s),
        first_byte_timeout_s=float(written.first_byte_timeout_s),
        idle_timeout_s=float(written.idle_timeout_s),
        total_timeout_s=float(written.total_timeout_s),
        stream_timeout_s=float(written.stream_timeout_s),
    )


def simulated(settings: Settings, url: str) -> Settings:
    """The settings with every upstream replaced by the simulated one."""
    at = {"anthropic": url, "openrouter": f"{url}/api/v1"}
    changed = {
        name: written.model_copy(
            update={"base_url": at[written.kind], "api_key": SecretStr(SIMULATED_KEY)}
        )
        for name, written in settings.upstreams.items()
    }
    return settings.model_copy(update={"upstreams": changed})
