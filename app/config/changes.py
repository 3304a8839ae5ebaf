"""What a changed config file changes, setting by setting, without secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import SecretStr

from app.config.settings import Settings
from app.core.money import pico_text, usd_text

SECRET = "[secret]"  # noqa: S105 - stands in the place of one
SECRET_SETTINGS = ("alert_webhook",)  # whoever knows its URL may post there
OVERRIDES, BUDGET = "cost_per_token", "max_budget_usd"


def changes(before: Settings, after: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
    """By key path, the settings that differ as they were and as they are now; None: not set."""
    was, becomes = (dict(_leaves(each.model_dump(by_alias=True))) for each in (before, after))
    paths = [path for path in sorted({*was, *becomes}) if was.get(path) != becomes.get(path)]
    return _shown(was, paths), _shown(becomes, paths)


def _leaves(tree: Mapping[str, Any], *above: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, *above, str(name))
        else:
            yield (*above, str(name)), value


def _shown(found: Mapping[tuple[str, ...], Any], paths: list[tuple[str, ...]]) -> dict[str, Any]:
    return {".".join(path): _value(path, found.get(path)) for path in paths}


def _value(path: tuple[str, ...], value: Any) -> Any:  # noqa: ANN401  # whatever a setting is
    if value is None:
        return None
    if isinstance(value, SecretStr) or path[-1] in SECRET_SETTINGS:
        return SECRET
    if path[-1] == BUDGET:
        return usd_text(value)
    if OVERRIDES in path:
        return pico_text(value)
    if isinstance(value, list | tuple):
        return [str(each) for each in value]
    return value if isinstance(value, bool | int | str) else str(value)
