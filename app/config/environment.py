"""What the environment may say: white space around a value goes, control characters are refused.

A line feed at the end of a secret or a URL is a copy's leftover, not a part of it: taken as it
stands, it would open another database file or break the header that a key is sent in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from app.config.problems import ConfigError, Problem

ENVIRONMENT = "the environment"
READ = (
    *("TOLLKEEPER_CONFIG", "TOLLKEEPER_DATABASE_URL", "TOLLKEEPER_REDIS_URL"),
    *("TOLLKEEPER_MASTER_KEY", "TOLLKEEPER_METRICS_TOKEN", "TOLLKEEPER_SIMULATE"),
    *("ANTHROPIC_API_KEY", "ANTHROPIC_ADMIN_KEY", "ANTHROPIC_BASE_URL"),
    *("OPENROUTER_API_KEY", "OPENROUTER_BASE_URL"),
    *("LANGFUSE_HOST", "LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY"),
    "OTEL_EXPORTER_OTLP_ENDPOINT",
)
IN_HEADERS = frozenset(
    {
        *("TOLLKEEPER_MASTER_KEY", "TOLLKEEPER_METRICS_TOKEN"),
        *("ANTHROPIC_API_KEY", "ANTHROPIC_ADMIN_KEY", "OPENROUTER_API_KEY"),
        *("LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY"),
    }
)
HEADER_ALLOWED = "printable ASCII characters without blanks, as a header takes them"


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` with every value that the gateway reads fit to be used.

    Raises ConfigError with each that isn't; no value is told, it may be a secret.
    """
    fit = dict(environ)
    problems = []
    for name in READ:
        given = environ.get(name)
        if given is None:
            continue
        fit[name] = text = given.strip()
        if has_controls(text):
            allowed = "text without line breaks and other control characters"
            problems.append(Problem(name, "a value with a control character (hidden)", allowed))
        elif name in IN_HEADERS and not fits_a_header(text):
            problems.append(Problem(name, "a value (hidden)", HEADER_ALLOWED))
    if problems:
        raise ConfigError(ENVIRONMENT, problems)
    return fit


def has_controls(text: str) -> bool:
    """Whether a character is one that no name, URL or secret has: controls, line separators."""
    return any(_is_control(character) for character in text)


def fits_a_header(text: str) -> bool:
    """Whether a secret can be sent as a header's value, whole."""
    return text.isascii() and _all_visible(text)


def _all_visible(characters: Iterable[str]) -> bool:
    return all("!" <= character <= "~" for character in characters)


def _is_control(character: str) -> bool:
    return character < " " or "\x7f" <= character <= "\x9f" or character in "\u2028\u2029\ufeff"
