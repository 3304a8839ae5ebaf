from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from app.config.weights import read_weights
from app.core.routing import Reason, Route
from app.store.database.migrate import migrate
from tests.cli.processes import run
from tests.store.ledger.till import close_till, open_till, reservation

HARD = "Prove that there is no largest prime, and explain each step."
EASY = "Translate into French: good morning"


def line(content: str, **more: Any) -> str:
    return json.dumps({"request": {"messages": [{"role": "user", "content": content}]}, **more})


def write_labels(folder: Path, each: int) -> str:
    """Half of them say what the built-in weights say, and some of each kind do not."""
    lines = []
    for n in range(each):
        lines += [line(f"{HARD} ({n})", strong=n % 8 > 0), line(f"{EASY} {n}", strong=n % 8 == 0)]
    (folder / "labels.jsonl").write_text("\n".join([*lines, ""]))
    return "labels.jsonl"


def test_fitted_weights_are_written_with_their_score_and_can_be_put_to_use(tmp_path: Path) -> None:
    fitted = run(tmp_path, "routing", "fit", write_labels(tmp_path, 120), "--json")
    told = json.loads(fitted.out)
    assert (told["file"], told["labels"], told["strong"]) == ("routing.fitted.yaml", 240, 120)
    file = tmp_path / "routing.fitted.yaml"
    assert f"rank: {told['rank']}" in file.read_text()
    assert f"first_rank: {told['first_rank']}" in file.read_text()
    assert read_weights(file).name.startswith("fitted 20")

    (tmp_path / "config.yaml").write_text("routing: {weights: routing.fitted.yaml}\n")
    judged = run(tmp_path, "routing", "eval", "labels.jsonl", "--json")
    names = [row["weights"] for row in json.loads(judged.out)["data"]]
    assert names == ["built in", "in use"]
    assert run(tmp_path, "route", HARD).lines()[0] == "sonnet: claude-sonnet-4-6"

    again = run(tmp_path, "routing", "fit", "labels.jsonl")
    assert again.code == 1
    assert "is there already" in again.err


def test_too_few_labels_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    refused = run(tmp_path, "routing", "fit", write_labels(tmp_path, 99), "--output", "w.yaml")
    assert refused.code == 1
    assert "198 labels are too few: from 200 on" in refused.err
    assert not (tmp_path / "w.yaml").exists()


@pytest.mark.parametrize("columns", ["60", "200"])
def test_weights_are_judged_by_how_they_rank_and_what_they_send(
    tmp_path: Path, columns: str
) -> None:
    write_labels(tmp_path, 8)
    shown = run(tmp_path, "routing", "eval", "labels.jsonl", COLUMNS=columns).lines()
    # seven of eight on either side are right: 49 of 64 pairs, 14 of 64 even; half is sent
    assert ["built", "in", "87.5%", "50.0%", "87.5%"] in [each.split() for each in shown]
    assert max(map(len, shown)) <= 64


BAD = [
    ("[]", 'needs "strong"'),
    (line("x"), 'needs "strong"'),
    ('{"strong": true}', "the body"),
    ('{"strong": true, "features": {"words": -1}}', '"features" must be counts'),
    (line("x", strong=True)[:-5], "line 2"),
]


@pytest.mark.parametrize(("bad", "told"), BAD)
def test_a_label_that_cannot_be_read_is_named_by_its_line(
    tmp_path: Path, bad: str, told: str
) -> None:
    (tmp_path / "labels.jsonl").write_text(f"{line('x', strong=True)}\n{bad}\n")
    ended = run(tmp_path, "routing", "eval", "labels.jsonl")
    assert ended.code == 2
    assert "labels.jsonl, line 2: " in ended.err
    assert told in ended.err


async def test_what_was_said_of_calls_of_the_cheaper_tiers_is_taken_from_the_ledger(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    await asyncio.to_thread(migrate, url)
    till = await open_till(url)
    key = await till.key()
    said = [("haiku", 9, False), ("haiku", 2, True), ("haiku", 3, True), ("sonnet", 9, False)]
    for tier, words, ok in said:
        route = Route(tier, 0.4, Reason.DEFAULT, 0.5, {"words": words}, {"words": 0.1})
        asked = reservation(key, route=route)
        await till.call(asked, 5)
        await till.requests.note_outcome(asked.request_id, None, ok=ok)
    await close_till(till)
    judged = run(tmp_path, "routing", "eval", "--json", TOLLKEEPER_DATABASE_URL=url)
    (row,) = json.loads(judged.out)["data"]
    assert row == {"weights": "built in", "rank": 1.0, "sent": 0.0, "sent_rightly": 0.0}
    fitted = run(tmp_path, "routing", "fit", TOLLKEEPER_DATABASE_URL=url)
    assert "3 labels are too few" in fitted.err
