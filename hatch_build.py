"""Puts the migrations and the shipped config.yaml into the wheel.

In a checkout they stand beside `app/`, where an editable install finds them: copying them there
would leave stale twins in site-packages.
"""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PLACES = {"migrations": "app/_migrations", "config.yaml": "app/_default/config.yaml"}


class CustomBuildHook(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != "editable":
            build_data["force_include"].update(PLACES)
