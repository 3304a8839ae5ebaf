"""The repository speaks of the product alone."""

from __future__ import annotations

import re

from tests.house.repository import ROOT, files

# Written in two halves so that this file does not contain them.
UNWANTED = [
    "/wo" + "rk/",
    "sub" + "agent",
    "DESIGN" + ".md",
    "FACTS" + ".md",
    "CONTRACT" + ".md",
    "STYLE" + ".md",
    "ROUTING" + ".md",
    "pypi" + ".org",
    "python" + "hosted",
    "npmjs" + ".org",
    "TO" + "DO:",
    "FIX" + "ME",
]
PATTERN = re.compile("|".join(map(re.escape, UNWANTED)))


def test_no_file_contains_a_workplace_word() -> None:
    found = []
    for path in files():
        for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1):
            match = PATTERN.search(line)
            if match:
                found.append(f"{path.relative_to(ROOT)}:{number}: {match[0]}")
    assert found == []


def test_the_files_looked_at_are_the_repository() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in files()}
    assert {"pyproject.toml", "Makefile", "app/__init__.py", "tests/house/test_words.py"} <= names
    assert not any(name.startswith((".venv/", ".git/", "data/")) for name in names)
