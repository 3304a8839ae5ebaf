"""What a page must show, and in what it differs.

Labels of WORDS stand over what is no figure: names, states, and how long ago something was.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.dashboard.shown import Row, Shown

WORDS = set(
    """Key Model State Route Team Tier Because Upstream Advice Prompts Since Retires Error Why To
    Process Who Did For Answer Scope Window Secret Models By×day 30×days What×helps That×is Time
    Starts×again Lasts Last×used Ends Began Started Lease×ends Rate×is×from Before×→×after
    Upstream’s×request×id""".replace("×", "\0").split()
)
WORDS = {""} | {word.replace("\0", " ") for word in WORDS}

Tables = dict[str, list[Row]]


@dataclass
class Page:
    """Everything with a figure in it."""

    tables: Tables = field(default_factory=dict)
    footers: dict[str, Row] = field(default_factory=dict)
    tiles: list[tuple[str, str, str]] = field(default_factory=list)
    facts: Row = field(default_factory=dict)
    sentences: list[str] = field(default_factory=list)
    inputs: Row = field(default_factory=dict)


def differences(page: Shown, expected: Page) -> list[str]:
    """Every figure that is not as expected, and every one that is not expected."""
    found = _unlike("tables", set(page.tables), set(expected.tables))
    for name in page.tables.keys() & expected.tables.keys():
        rows, wanted = page.tables[name], expected.tables[name]
        found += _unlike(f"rows of {name}", len(rows), len(wanted))
        for row, want in zip(rows, wanted, strict=False):
            found += _rows(name, row, want)
    found += _unlike("footers", set(page.footers), set(expected.footers))
    for name in page.footers.keys() & expected.footers.keys():
        shown = {label: text for label, text in page.footers[name].items() if text}
        found += _rows(f"total of {name}", shown, expected.footers[name])
    found += _unlike("tiles", page.tiles, expected.tiles)
    figures = {label: text for label, text in page.facts.items() if "$" in text}
    found += _unlike("facts", figures | _part(page.facts, expected.facts), expected.facts)
    found += _unlike("sentences", page.sentences, expected.sentences)
    found += _unlike("inputs", _part(page.inputs, expected.inputs), expected.inputs)
    return found


def _rows(name: str, row: Row, want: Row) -> list[str]:
    shown = {label: text for label, text in row.items() if label not in WORDS or label in want}
    return _unlike(name, shown, want)


def _part(shown: Row, wanted: Row) -> Row:
    return {name: shown.get(name, "") for name in wanted}


def _unlike(name: str, shown: object, wanted: object) -> list[str]:
    return [] if shown == wanted else [f"{name}:\n  shown  {shown}\n  wanted {wanted}"]
