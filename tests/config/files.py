"""Settings written for one test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from app.config.catalog import build_catalog
from app.config.prices import Book
from app.config.problems import ConfigError
from app.config.settings import Settings, read_settings
from app.core.models import Catalog

ON = {"ANTHROPIC_API_KEY": "sk-ant-secret", "OPENROUTER_API_KEY": "sk-or-secret"}


def settings_of(text: str, tmp_path: Path, environ: Mapping[str, str] = ON) -> Settings:
    file = tmp_path / "config.yaml"
    file.write_text(text, "utf-8")
    return read_settings(file, environ)


def catalog_of(text: str, tmp_path: Path, books: Mapping[str, Book]) -> Catalog:
    return build_catalog(settings_of(text, tmp_path), books)


def refusal(text: str, tmp_path: Path, books: Mapping[str, Book]) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        catalog_of(text, tmp_path, books)
    return caught.value
