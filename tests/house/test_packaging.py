"""What `pip install` of a built wheel brings."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from tests.house.repository import ROOT, files, run


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    built = run(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"),
        *("--wheel-dir", folder, ROOT),
    )
    assert built.returncode == 0, built.stdout
    (path,) = folder.glob("tollkeeper-*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_the_app_the_migrations_and_the_shipped_configuration(
    wheel: zipfile.ZipFile,
) -> None:
    expected = {"app/_default/config.yaml"}
    for path in files():
        name = path.relative_to(ROOT).as_posix()
        if name.startswith("app/"):
            expected.add(name)
        elif name.startswith("migrations/"):
            expected.add(f"app/_{name}")
    present = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert present == expected


def test_the_wheel_brings_the_command_and_the_licence(wheel: zipfile.ZipFile) -> None:
    (entry_points,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert b"tollkeeper = app.cli:main" in wheel.read(entry_points)
    assert any(Path(name).name == "LICENSE" for name in wheel.namelist())
