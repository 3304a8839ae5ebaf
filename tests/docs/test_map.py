"""What the map for developers names is there."""

from __future__ import annotations

import re

from tests.house.repository import ROOT

MAP = ROOT / "docs" / "development.md"
# A file or a folder: `store/ledger/`, `ports.py`, `core/adaptation.py`; a rule's name may follow.
PATH = re.compile(r"`((?:[a-z_0-9]+/)*[a-z_0-9]+(?:/|\.py|\.yaml|\.md|\.toml))`")
PLACES = ("", "app", "app/store/ledger", "app/dialects/openai_chat")


def found(name: str) -> bool:
    return any((ROOT / place / name).exists() for place in PLACES)


def test_every_file_and_folder_that_the_map_names_is_there() -> None:
    names = set(PATH.findall(MAP.read_text("utf-8")))
    assert len(names) > 30
    assert sorted(name for name in names if not found(name)) == []


def test_the_way_of_a_request_names_modules_that_are_there() -> None:
    way = MAP.read_text("utf-8").split("```text\n")[1].split("```")[0]
    stages = set(
        re.findall(r"(?:^|\s)((?:api|calls|core|dialects|store|upstream|web)/[\w/]+)", way)
    )
    assert len(stages) >= 15
    gone = [s for s in stages if not (ROOT / "app" / s).is_dir() and not found(f"{s}.py")]
    assert sorted(gone) == []
