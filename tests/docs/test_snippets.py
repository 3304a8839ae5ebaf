"""Every snippet of the documents runs, against a gateway started as they say."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from tests.docs.conftest import Served
from tests.docs.documents import DOCUMENTS, Block, blocks, blocks_in
from tests.house.repository import ROOT

CURTAIN = "~~~ block {} ~~~"
LANGUAGES = {"bash", "json", "python", "text", "yaml"}
ALL = {document: blocks(document) for document in DOCUMENTS}


def with_language(language: str) -> list[str]:
    return [d for d in DOCUMENTS if any(b.language == language and not b.not_run for b in ALL[d])]


def outputs(text: str, count: int) -> list[str]:
    """What was printed after each curtain; blocks that were not reached are missing."""
    parts = re.split(r"^~~~ block \d+ ~~~\n", text, flags=re.MULTILINE)[1:]
    assert len(parts) <= count
    return parts


@pytest.mark.parametrize("document", with_language("bash"))
def test_the_shell_snippets_of_a_document_run_in_one_terminal(
    document: str, served: Served
) -> None:
    run = [block for block in ALL[document] if block.language == "bash" and not block.not_run]
    script = "set -euo pipefail\n" + "".join(
        f"echo; echo '{CURTAIN.format(n)}'\n{served.as_here(block.text)}"
        for n, block in enumerate(run)
    )
    ended = served.run("bash", "-c", script)
    printed = outputs(ended.stdout, len(run))
    assert printed, ended.stderr
    assert ended.returncode == 0, f"{run[len(printed) - 1].place}\n{printed[-1]}{ended.stderr}"
    for block, output in zip(run, printed, strict=True):
        compare(block, output)


@pytest.mark.parametrize("document", with_language("python"))
def test_the_python_snippets_of_a_document_run_one_after_the_other(
    document: str, served: Served
) -> None:
    run = [block for block in ALL[document] if block.language == "python" and not block.not_run]
    script = "".join(
        f"print({CURTAIN.format(n)!r}, flush=True)\n{served.as_here(block.text)}print()\n"
        for n, block in enumerate(run)
    )
    ended = served.run("python", "-W", "error", "-c", script)
    printed = outputs(ended.stdout, len(run))
    assert printed, ended.stderr
    assert ended.returncode == 0, f"{run[len(printed) - 1].place}\n{ended.stderr}"
    assert [b.place for b, output in zip(run, printed, strict=True) if not output.strip()] == []


@pytest.mark.parametrize(
    "block",
    [b for d in DOCUMENTS for b in ALL[d] if b.language == "yaml" and not b.not_run],
    ids=lambda block: block.place,
)
def test_a_piece_of_config_is_accepted(
    block: Block, served: Served, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("config") / "config.yaml"
    file.write_text(block.text, "utf-8")
    ended = served.run("tollkeeper", "config", "check", "--config", str(file))
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize(
    "block",
    [b for d in DOCUMENTS for b in ALL[d] if b.language == "json"],
    ids=lambda block: block.place,
)
def test_json_snippets_are_json(block: Block) -> None:
    assert isinstance(json.loads(block.text), dict)


def test_the_python_snippets_of_the_readme_show_both_libraries() -> None:
    shown = "".join(block.text for block in ALL["README.md"] if block.language == "python")
    assert "from openai import OpenAI" in shown
    assert "from anthropic import Anthropic" in shown
    assert "stream=True" in shown
    assert "tools=[" in shown


def test_what_is_not_run_says_why_and_nothing_else_is_left_out() -> None:
    every = [block for found in ALL.values() for block in found]
    assert {block.language for block in every if block.not_run} == {"bash"}
    assert {block.language for block in every if not block.not_run} <= LANGUAGES
    assert sum(block.not_run for block in every) < sum(b.language == "bash" for b in every) / 2


def test_every_yaml_snippet_names_known_sections() -> None:
    known = set(yaml.safe_load((ROOT / "config.yaml").read_text("utf-8")))
    for found in ALL.values():
        for block in found:
            if block.language == "yaml":
                assert set(yaml.safe_load(block.text)) <= known, block.place


def test_a_block_knows_its_line_its_language_and_its_mark() -> None:
    text = "# T\n\n<!-- not run: why -->\n```bash\nls\n```\n\nand\n\n```json\n{}\n```\n"
    first, second = blocks_in(text, "t.md")
    assert (first.place, first.language, first.text, first.not_run) == (
        "t.md:4",
        "bash",
        "ls\n",
        True,
    )
    assert (second.place, second.language, second.not_run) == ("t.md:10", "json", False)


def compare(block: Block, output: str) -> None:
    """Hold what was printed against the output that the document shows; no error unless shown."""
    shown = shown_after(block)
    if shown is None:
        assert '"error":{' not in output, f"{block.place}\n{output}"
        return
    if shown.language == "json":
        unlike = list(differences(json.loads(shown.text), json.loads(output), "$"))
        assert unlike == [], f"{shown.place}\n{output}"
        return
    printed = [line.rstrip() for line in output.splitlines()]
    missing = [line for line in shown.text.splitlines() if line.rstrip() not in printed]
    assert missing == [], f"{shown.place}\n{output}"


def shown_after(block: Block) -> Block | None:
    """The output that follows a block: the next one, if it is no snippet of its own."""
    found = ALL[block.document]
    after = found[found.index(block) + 1 :]
    return after[0] if after and after[0].language in ("json", "text") else None


def differences(shown: Any, found: Any, path: str) -> list[str]:
    """Where the answer isn't what is shown; a text that ends in an ellipsis shows its beginning."""
    if isinstance(shown, dict) and isinstance(found, dict):
        pairs = ((name, value, found.get(name)) for name, value in shown.items())
        return [text for name, a, b in pairs for text in differences(a, b, f"{path}.{name}")]
    if isinstance(shown, str) and shown.endswith("…") and isinstance(found, str):
        return [] if found.startswith(shown[:-1]) else [f"{path}: {found!r}"]
    return [] if shown == found and type(shown) is type(found) else [f"{path}: {found!r}"]


def test_an_answer_that_differs_from_what_is_shown_is_found() -> None:
    shown = {"id": "req_…", "cost": "0.1", "rates": {"input": 1}, "why": None}
    same = {"id": "req_7", "cost": "0.1", "rates": {"input": 1, "output": 5}, "why": None}
    other = {"id": "msg_7", "cost": "0.10", "rates": {"input": True}}
    assert differences(shown, same, "$") == []
    assert differences(shown, other, "$") == [
        "$.id: 'msg_7'",
        "$.cost: '0.10'",
        "$.rates.input: True",
    ]
