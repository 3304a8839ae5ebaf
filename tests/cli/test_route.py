from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.cli.processes import run


def body(content: str, **more: Any) -> str:
    return json.dumps({"messages": [{"role": "user", "content": content}], **more})


def decisions(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_a_prompt_s_decision_is_explained(tmp_path: Path) -> None:
    lines = run(tmp_path, "route", "Hello!").lines()
    assert lines[0] == "haiku: claude-haiku-4-5-20251001"
    assert lines[1].startswith("because ")
    assert ["base", "+0.080"] in [line.split() for line in lines]
    assert ["words", "1", "+0.032"] in [line.split() for line in lines]


def test_each_line_of_stdin_gets_its_decision_in_order(tmp_path: Path) -> None:
    lines = [
        body("Hello!", model="sonnet"),
        body("Hello!", model="auto"),
        body("Hello!", model="claude-opus-4-8"),
        body("Hello!"),
    ]
    ended = run(tmp_path, "route", "--json", "-", stdin="\n".join(lines))
    assert ended.code == 0
    found = decisions(ended.out)
    assert all(
        list(decision) == ["tier", "model", "score", "reason", "features"] for decision in found
    )
    assert [(decision["tier"], decision["model"]) for decision in found] == [
        ("sonnet", "claude-sonnet-4-6"),
        ("haiku", "claude-haiku-4-5-20251001"),
        ("-", "claude-opus-4-8"),
        ("haiku", "claude-haiku-4-5-20251001"),
    ]
    assert [decision["reason"] for decision in found[:3:2]] == ["forced_tier", "forced_model"]
    assert [decision["score"] for decision in found] == [0.0, 0.1124, 0.0, 0.1124]
    assert found[0]["features"] == {}
    assert found[1]["features"] == {"words": {"count": 1, "adds": 0.0324}}


def test_the_threshold_of_the_configuration_decides(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("routing: {threshold: 0}\n")
    assert run(tmp_path, "route", "Hello!").lines()[0] == "sonnet: claude-sonnet-4-6"


def test_a_line_that_is_no_request_keeps_its_place_and_fails_the_command(tmp_path: Path) -> None:
    lines = [
        *(body("Hello!"), "nonsense", body("Hello!", model="gpt-4")),
        *("", " \t\r", "[]", "null", body("Hello!")),
    ]
    ended = run(tmp_path, "route", "--json", "-", stdin="\n".join(lines) + "\n")
    assert ended.code == 1
    found = decisions(ended.out)
    assert ["error" in decision for decision in found] == [False, *[True] * 6, False]
    assert "6 lines are no requests that can be routed" in ended.err
    assert "line 5: the body is not valid JSON" in ended.err
    assert found[2]["error"]["param"] == "model"
    assert "line 2: the body is not valid JSON" in ended.err
    assert "line 3: the model 'gpt-4' does not exist here" in ended.err


def test_one_prompt_for_scripts_is_one_line(tmp_path: Path) -> None:
    (decision,) = decisions(run(tmp_path, "route", "Hello!", "--json").out)
    assert decision["tier"] == "haiku"


def test_a_prompt_may_come_from_stdin(tmp_path: Path) -> None:
    lines = run(tmp_path, "route", "-", stdin="Hello!").lines()
    assert ["words", "1", "+0.032"] in [line.split() for line in lines]


def test_a_hard_prompt_goes_to_the_strongest_tier_and_is_explained(tmp_path: Path) -> None:
    prompt = "Prove that there are infinitely many primes congruent to 3 modulo 4."
    for columns in ("60", "200"):
        shown = run(tmp_path, "route", prompt, COLUMNS=columns).lines()
        assert shown[:3] == [
            "sonnet: claude-sonnet-4-6",
            "because the score reaches the threshold (score)",
            "score 0.520; the strongest tier from 0.5 on",
        ]
        cells = [line.split() for line in shown]
        assert ["proof", "1", "+0.200"] in cells
        assert max(map(len, shown)) <= 60


def test_a_line_is_decided_on_though_its_tools_would_be_refused(tmp_path: Path) -> None:
    def tool(name: str, kind: str) -> dict[str, Any]:
        parameters = {"type": kind, "properties": {"city": {"type": "string"}}}
        return {"type": "function", "function": {"name": name, "parameters": parameters}}

    prompt = "Book a table, call a taxi and then send the bill to Ann, Ben and Carla."
    lines = [body(prompt, tools=[tool("f", "object")]), body(prompt, tools=[tool("a.b", "dict")])]
    lines.append(body(prompt, tools=[{"type": "nonsense"}]))
    ended = run(tmp_path, "route", "--json", "-", stdin="\n".join(lines))
    fit, unfit, nonsense = decisions(ended.out)
    assert (fit["tier"], unfit["tier"]) == ("sonnet", "sonnet")
    assert abs(fit["score"] - unfit["score"]) < 0.01  # the name is another
    assert "line 2 would be refused: tools[0].function" in ended.err
    assert nonsense["error"]["param"] == "tools[0]"
    assert ended.code == 1
