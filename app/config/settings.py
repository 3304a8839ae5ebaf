"""config.yaml as one frozen value, everything in it checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import PrivateAttr

from app.config.defaults import filled
from app.config.fields import Section, validated
from app.config.interpolation import interpolated
from app.config.problems import ConfigError, Problem
from app.config.sections import (
    Budgets,
    Cache,
    Identifier,
    Identifiers,
    Ledger,
    ModelSettings,
    Retention,
    Retries,
    Routing,
    Server,
    Streams,
    Telemetry,
    Tier,
    UpstreamSettings,
)
from app.config.yaml_text import Document, read_yaml

DEFAULT_FILE = Path("config.yaml")
FILE_VARIABLE = "TOLLKEEPER_CONFIG"
BUILT_IN = "the built-in settings"


class Settings(Section):
    """All of config.yaml.  Made by `read_settings`, which fills in what a file leaves out."""

    server: Server = Server()
    upstreams: dict[Identifier, UpstreamSettings]
    models: dict[Identifier, ModelSettings]
    tiers: dict[Tier, Identifier]
    routing: Routing = Routing()
    cache: Cache = Cache()
    retries: Retries = Retries()
    fallbacks: dict[Identifier, Identifiers]
    streams: Streams = Streams()
    budgets: Budgets = Budgets()
    ledger: Ledger = Ledger()
    retention: Retention = Retention()
    telemetry: Telemetry = Telemetry()

    _document: Document = PrivateAttr(default_factory=lambda: Document(BUILT_IN, {}, {}))

    @property
    def says_nothing(self) -> bool:
        """Whether the file is empty, or holds comments alone."""
        return self._document.file != BUILT_IN and not self._document.tree

    @property
    def document(self) -> Document:
        """The file that these settings were read from, for messages that name a line."""
        return self._document


def settings_file(named: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The file to read: `named`, $TOLLKEEPER_CONFIG, ./config.yaml if it is there, or none."""
    if named is not None:
        return named
    if environ.get(FILE_VARIABLE):
        return Path(environ[FILE_VARIABLE])
    return DEFAULT_FILE if DEFAULT_FILE.is_file() else None


def read_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings in `path` (see `settings_file`), with `${NAME}` taken from `environ`.

    Without a file they are those of the shipped config.yaml.  Raises ConfigError with every
    problem found: file, key path, value and what is allowed.
    """
    file = settings_file(path, environ)
    document = Document(BUILT_IN, {}, {}) if file is None else read_yaml(_text(file), str(file))
    if not isinstance(document.tree, dict):
        raise ConfigError(document.file, [Problem("", "not a mapping", "sections by name", 1)])
    tree, problems = interpolated(document, filled(document.tree), environ)
    if problems:
        raise ConfigError(document.file, problems)
    settings = validated(Settings, tree, document)
    settings._document = document  # noqa: SLF001 - its own private attribute, set once here
    return settings


def _text(file: Path) -> str:
    """Raises ConfigError when the file can't be read."""
    try:
        return file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(str(file), [Problem("", "not UTF-8", "text in UTF-8")]) from error
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise ConfigError(str(file), [Problem("", reason, "a file that can be read")]) from error
