"""`make` and the container's entry point, run for real around a `tollkeeper` that only reports."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.repository import ROOT

REPORTER = '#!/bin/sh\necho "tollkeeper $*" "key=${TOLLKEEPER_MASTER_KEY:-}"\n'
PATH = os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"])


def write_script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def run(cwd: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """In an environment of nothing but PATH and `environment`."""
    return subprocess.run(
        command,
        cwd=cwd,
        env={"PATH": PATH, **environment},
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A fresh clone's top, as far as the Makefile looks, in a folder with a space."""
    folder = tmp_path / "a clone"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "requirements-dev.lock"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture
def installed(checkout: Path) -> Path:
    """A checkout whose environment is up to date."""
    write_script(checkout / ".venv" / "bin" / "tollkeeper", REPORTER)
    (checkout / ".venv" / "pyvenv.cfg").touch()
    (checkout / ".venv" / "installed").write_text(f"{checkout}\n")
    return checkout


def test_make_alone_lists_the_targets(checkout: Path) -> None:
    result = run(checkout, "make")
    assert result.returncode == 0
    assert [line.split()[1] for line in result.stdout.splitlines()] == [
        *("help", "run", "test", "test-fast", "coverage", "test-long"),
        *("lint", "format", "bench", "lock", "clean"),
    ]


def test_make_run_serves_the_simulated_upstream_without_a_key(installed: Path) -> None:
    result = run(installed, "make", "run")
    assert result.stdout == "tollkeeper serve --host 127.0.0.1 --port 4000 --simulate key=\n"


def test_make_run_treats_an_empty_key_as_none(installed: Path) -> None:
    result = run(installed, "make", "run", ANTHROPIC_API_KEY="")
    assert result.stdout == "tollkeeper serve --host 127.0.0.1 --port 4000 --simulate key=\n"


def test_make_run_calls_anthropic_with_a_key_and_takes_a_port(installed: Path) -> None:
    result = run(installed, "make", "run", "PORT=4321", ANTHROPIC_API_KEY="sk-ant-x")
    assert result.stdout == "tollkeeper serve --host 127.0.0.1 --port 4321 key=\n"


def test_make_refuses_a_python_that_is_too_old_and_says_what_to_do(checkout: Path) -> None:
    old = write_script(checkout / "old-python", "#!/bin/sh\nexit 1\n")
    result = run(checkout, "make", "run", f"PYTHON={old.name}", PATH=f"{checkout}:{PATH}")
    assert result.returncode == 2
    assert "needs Python 3.11 or newer; looked for: old-python." in result.stdout
    assert not (checkout / ".venv").exists()


def test_make_says_which_package_brings_a_missing_venv(checkout: Path) -> None:
    bare = write_script(
        checkout / "bare-python", '#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; esac\n'
    )
    result = run(checkout, "make", "run", f"PYTHON={bare.name}", PATH=f"{checkout}:{PATH}")
    assert result.returncode == 2
    assert "apt install python3-venv" in result.stdout
    assert not (checkout / ".venv").exists()


def test_an_environment_of_another_python_is_made_again_only_when_one_is_named(
    installed: Path,
) -> None:
    other = write_script(
        installed / "other-python",
        '#!/bin/sh\ncase "$*" in *platform*) echo 3.99;; *clear*) echo "made $*"; exit 7;; esac\n',
    )
    named = run(installed, "make", "run", f"PYTHON={other.name}", PATH=f"{installed}:{PATH}")
    assert "made -m venv --clear .venv" in named.stdout
    assert run(installed, "make", "run").stdout.startswith("tollkeeper serve")


def test_the_check_of_a_change_is_make_test_and_nothing_cleverer() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & stat.S_IXUSR
    assert script.read_text().splitlines()[-1] == "exec make test"


def run_entrypoint(folder: Path, *arguments: str, **environment: str) -> str:
    return end_of_entrypoint(folder, 0, *arguments, **environment)


def end_of_entrypoint(folder: Path, code: int, *arguments: str, **environment: str) -> str:
    write_script(folder / "bin" / "tollkeeper", REPORTER)
    script = str(ROOT / "deploy" / "entrypoint.sh")
    path = f"{folder / 'bin'}:{PATH}"
    result = run(folder, "sh", script, *arguments, **environment, PATH=path)
    assert result.returncode == code, result.stdout
    return result.stdout.splitlines()[-1]


@pytest.mark.parametrize("arguments", [("serve", "--port", "4000"), ("db", "upgrade")])
@pytest.mark.parametrize("simulate", ["", "0"])
def test_a_container_without_a_key_refuses_and_says_what_to_set(
    tmp_path: Path, arguments: tuple[str, ...], simulate: str
) -> None:
    told = end_of_entrypoint(
        tmp_path, 2, *arguments, ANTHROPIC_API_KEY="", TOLLKEEPER_SIMULATE=simulate
    )
    assert told == (
        "ANTHROPIC_API_KEY is not set. Set it (in .env), or TOLLKEEPER_SIMULATE=1 to try the "
        "gateway with simulated answers."
    )
    assert not (tmp_path / "data").exists()


def test_a_container_that_is_told_to_simulates(tmp_path: Path) -> None:
    last = run_entrypoint(tmp_path, "serve", "--port", "4000", TOLLKEEPER_SIMULATE="1")
    assert last.startswith("tollkeeper serve --port 4000 key=mk-")


def test_a_container_runs_other_commands_without_any_key(tmp_path: Path) -> None:
    assert run_entrypoint(tmp_path, "keys", "list") == "tollkeeper keys list key="


def test_a_container_with_keys_uses_them_and_writes_none(tmp_path: Path) -> None:
    keys = {"ANTHROPIC_API_KEY": "sk-ant-x", "TOLLKEEPER_MASTER_KEY": "given-master-key"}
    last = run_entrypoint(tmp_path, "serve", **keys)
    assert last == "tollkeeper serve key=given-master-key"
    assert not (tmp_path / "data").exists()


def test_every_replica_on_a_volume_has_the_same_private_master_key(tmp_path: Path) -> None:
    given = {"TOLLKEEPER_SIMULATE": "1"}
    first = run_entrypoint(tmp_path, "serve", **given)
    key = (tmp_path / "data" / "master.key").read_text().strip()
    assert first == f"tollkeeper serve key={key}"
    assert len(key) == 46
    assert run_entrypoint(tmp_path, "serve", **given) == first
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["master.key"]
    assert stat.S_IMODE((tmp_path / "data" / "master.key").stat().st_mode) == 0o600


def test_an_environment_that_was_moved_is_installed_again(installed: Path) -> None:
    write_script(installed / ".venv" / "bin" / "python", '#!/bin/sh\necho "python $*"\n')
    moved = installed.rename(installed.with_name("elsewhere"))
    first = run(moved, "make", "run").stdout.splitlines()
    assert first[0] == "Installing Tollkeeper into .venv ..."
    assert first[-1].startswith("tollkeeper serve")
    assert run(moved, "make", "run").stdout.startswith("tollkeeper serve")
