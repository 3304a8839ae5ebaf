"""The locks pin everything by hash, for any index and any machine."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.house.repository import ROOT

RUNTIME = "requirements.lock"
DEVELOPMENT = "requirements-dev.lock"
PIN = re.compile(r"(?P<name>[a-z0-9-]+)(\[[a-z,-]+\])?==(?P<version>[^ ;]+)( ; .+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?P<more> \\)?")


def pins(lock: str) -> dict[str, str]:
    """Name → version; fails on a line that is neither a pin nor its hash."""
    found: dict[str, str] = {}
    expects_hash = False
    for number, line in enumerate((ROOT / lock).read_text().splitlines(), 1):
        match = (HASH if expects_hash else PIN).fullmatch(line)
        assert match, f"{lock}:{number}: {line!r}"
        if expects_hash:
            expects_hash = match["more"] is not None
        else:
            found[match["name"]] = match["version"]
            expects_hash = True
    assert not expects_hash, f"{lock} ends in the middle of a pin"
    return found


def declared(*groups: str) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    requirements = list(project["project"]["dependencies"])
    for group in groups:
        requirements += project["dependency-groups"][group]
    return {re.split(r"[\[<>=~; ]", requirement)[0].lower() for requirement in requirements}


def test_the_runtime_lock_pins_every_dependency() -> None:
    assert declared("build") - pins(RUNTIME).keys() == set()


def test_the_development_lock_pins_every_dependency() -> None:
    assert declared("build", "dev") - pins(DEVELOPMENT).keys() == set()


def test_tests_run_on_the_versions_that_are_served() -> None:
    development = pins(DEVELOPMENT)
    served = pins(RUNTIME)
    assert {name: development.get(name) for name in served} == served


@pytest.mark.parametrize("lock", [RUNTIME, DEVELOPMENT])
def test_a_lock_names_no_place(lock: str) -> None:
    assert re.findall(r"://|^-|^/|\s@ ", (ROOT / lock).read_text(), re.MULTILINE) == []
