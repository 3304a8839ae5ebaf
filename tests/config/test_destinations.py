"""Where traces go: what is on must be told where, and its secrets stay out of messages."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path

import pytest

from app.config.destinations import Traced, traced
from app.config.problems import ConfigError
from app.config.settings import Settings, read_settings

LANGFUSE = {
    "LANGFUSE_HOST": "https://langfuse.example.com/",
    "LANGFUSE_PUBLIC_KEY": "pk-lf-1",
    "LANGFUSE_SECRET_KEY": "sk-lf-secret",
}
BOTH = "telemetry: {langfuse: {enabled: true, include_content: true}, otlp: {enabled: true}}"


def settings(folder: Path, text: str) -> Settings:
    (folder / "config.yaml").write_text(text)
    return read_settings(folder / "config.yaml", {})


def test_nothing_is_sent_unless_it_is_enabled(tmp_path: Path) -> None:
    environ = {**LANGFUSE, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel:4318"}
    assert traced(settings(tmp_path, "{}"), environ) == ()


def test_each_has_its_own_path_and_langfuse_its_keys(tmp_path: Path) -> None:
    environ = {**LANGFUSE, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel:4318/"}
    langfuse, otlp = traced(settings(tmp_path, BOTH), environ)
    assert langfuse.endpoint == "https://langfuse.example.com/api/public/otel/v1/traces"
    assert langfuse.include_content
    kind, _, secret = langfuse.headers["authorization"].partition(" ")
    assert (kind, b64decode(secret)) == ("Basic", b"pk-lf-1:sk-lf-secret")
    assert otlp == Traced("otlp", "http://otel:4318/v1/traces")
    assert "secret" not in repr(langfuse)


BAD = [
    # environment, what is named
    ({}, ["LANGFUSE_HOST", "LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY", "OTEL_EXPORTER_OTLP"]),
    ({**LANGFUSE, "LANGFUSE_SECRET_KEY": ""}, ["LANGFUSE_SECRET_KEY", "OTEL_EXPORTER_OTLP"]),
    (
        {**LANGFUSE, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://me:hidden@otel:4318"},
        ["OTEL_EXPORTER_OTLP"],
    ),
    (
        {**LANGFUSE, "LANGFUSE_HOST": "langfuse", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel"},
        ["LANGFUSE_HOST"],
    ),
]


@pytest.mark.parametrize(("environ", "named"), BAD)
def test_what_is_on_and_can_not_be_reached_is_refused(
    tmp_path: Path, environ: dict[str, str], named: list[str]
) -> None:
    with pytest.raises(ConfigError) as refused:
        traced(settings(tmp_path, BOTH), environ)
    lines = str(refused.value).splitlines()
    assert len(lines) == len(named)
    assert all(name in line for name, line in zip(named, lines, strict=True))
    assert "hidden@" not in str(refused.value)
