"""Where traces are sent: the telemetry section with what the environment adds to it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from app.config.problems import ConfigError, Problem

if TYPE_CHECKING:
    from app.config.settings import Settings

OTLP_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
LANGFUSE = ("LANGFUSE_HOST", "LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY")
LANGFUSE_TRACES = "/api/public/otel/v1/traces"
OTLP_TRACES = "/v1/traces"


@dataclass(frozen=True, slots=True)
class Traced:
    """An OTLP/HTTP endpoint and the headers that it asks for."""

    name: str
    endpoint: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    include_content: bool = False


def traced(settings: Settings, environ: Mapping[str, str]) -> tuple[Traced, ...]:
    """Every destination that is on.  Raises ConfigError for one that nobody can reach."""
    problems = list(_problems(settings, environ))
    if problems:
        raise ConfigError(settings.document.file, problems)
    telemetry = settings.telemetry
    found = []
    if telemetry.langfuse.enabled:
        found.append(_langfuse(environ, include_content=telemetry.langfuse.include_content))
    if telemetry.otlp.enabled:
        found.append(Traced("otlp", environ[OTLP_ENDPOINT].rstrip("/") + OTLP_TRACES))
    return tuple(found)


def _langfuse(environ: Mapping[str, str], *, include_content: bool) -> Traced:
    host, public, secret = (environ[name] for name in LANGFUSE)
    headers = {
        "authorization": "Basic " + b64encode(f"{public}:{secret}".encode()).decode(),
        "x-langfuse-public-key": public,
        "x-langfuse-ingestion-version": "4",
    }
    return Traced("langfuse", host.rstrip("/") + LANGFUSE_TRACES, headers, include_content)


def _problems(settings: Settings, environ: Mapping[str, str]) -> Iterator[Problem]:
    telemetry = settings.telemetry
    needed = [("langfuse", name) for name in LANGFUSE if telemetry.langfuse.enabled]
    needed += [("otlp", OTLP_ENDPOINT)] if telemetry.otlp.enabled else []
    for section, name in needed:
        path = f"telemetry.{section}.enabled"
        given = environ.get(name)
        if not given:
            yield Problem(path, f"true without {name}", f"{name} set in the environment, or false")
        elif not name.endswith("_KEY") and not _is_url(given):
            yield Problem(name, "no such URL (hidden)", "a URL such as https://otel.example.com")


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    bare = not (parts.query or parts.fragment or parts.username or parts.password)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and bare
