"""The repository as the house rules see it: its files, and its tools run from its top."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GENERATED = {"__pycache__", "build", "data", "dist", "node_modules"}


def run(*command: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """The finished process; stderr is folded into stdout."""
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, *arguments)


@cache
def files() -> tuple[Path, ...]:
    """Every file that is, or would be, under version control; a plain copy is walked instead."""
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    if (ROOT / ".git").exists() and listed.returncode == 0:
        found = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        found = [path for path in ROOT.rglob("*") if not _is_generated(path)]
    return tuple(sorted(path for path in found if path.is_file()))


def app_modules() -> Iterator[tuple[str, ast.Module]]:
    """Path below the top and syntax tree of each module of `app/`."""
    for path in files():
        name = path.relative_to(ROOT).as_posix()
        if name.startswith("app/") and path.suffix == ".py":
            yield name, ast.parse(path.read_bytes(), name)


def _is_generated(path: Path) -> bool:
    parts = path.relative_to(ROOT).parts
    return not GENERATED.isdisjoint(parts) or parts[0] in {".git", ".venv"} or "_cache" in str(path)
