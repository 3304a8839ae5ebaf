from __future__ import annotations

from app.dialects.openai_chat.parameters import PARAMETERS
from app.dialects.openai_responses.parameters import RESPONSES_PARAMETERS
from tests.docs.compatibility import CLIENTS, CLIENTS_FOLDER, DOCUMENT, becomes, text
from tests.docs.documents import tables, text_of
from tests.house.repository import ROOT


def test_the_document_is_as_the_tables_of_the_code_write_it() -> None:
    assert text_of(DOCUMENT) == text(), "run: python -m tests.docs.compatibility"


def test_every_parameter_of_both_tables_has_its_row() -> None:
    rows = [cells for cells in tables(text_of(DOCUMENT)) if len(cells) == 3]
    assert len(rows) == len(PARAMETERS) + len(RESPONSES_PARAMETERS)
    assert ["`n`", "refused", "one choice an answer"] in rows
    assert ["`seed`", "dropped", "no equivalent"] in rows
    assert ["`max_completion_tokens`", "works", "the most output tokens, thinking included"] in rows
    assert [
        "`reasoning`",
        "adapted",
        "`effort` alone, the model's nearest; summaries are not written",
    ] in rows


def test_nothing_that_is_dropped_or_refused_counts_as_adapted() -> None:
    for parameter in (*PARAMETERS.values(), *RESPONSES_PARAMETERS.values()):
        assert not parameter.adapted or becomes(parameter) == "adapted"


def test_every_client_that_is_tested_is_listed_and_every_listed_test_exists() -> None:
    folder = ROOT / CLIENTS_FOLDER
    listed = {name for client in CLIENTS for name in client.tests}
    assert [name for name in sorted(listed) if not (folder / name).is_file()] == []
    assert {path.name for path in folder.glob("test_*.py")} <= listed
