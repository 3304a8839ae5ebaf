"""What the simulated model says, and when it stops."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.simulator.app import create_simulator
from app.simulator.server import running_simulator
from tests.simulator.client import (
    HAIKU,
    NEW_SONNET,
    WEATHER,
    Json,
    Simulated,
    question,
    text_block,
    tool,
)


def text_of(answer: Json) -> str:
    return "".join(block["text"] for block in answer["content"] if block["type"] == "text")


def calls_of(answer: Json) -> list[tuple[str, Json]]:
    return [(b["name"], b["input"]) for b in answer["content"] if b["type"] == "tool_use"]


def test_the_same_prompt_has_the_same_answer_about_its_own_words(sim: Simulated) -> None:
    body = question("Tell me about volcanoes and earthquakes.")
    first, again = sim.ask(body), sim.ask(body)
    assert text_of(first) == text_of(again)
    assert first["id"] != again["id"]
    assert "volcanoes" in text_of(first)
    assert 40 <= first["usage"]["output_tokens"] <= 130
    assert first["stop_reason"] == "end_turn"
    assert text_of(sim.ask(question("Tell me about gardens."))) != text_of(first)


def test_an_alias_is_answered_by_the_dated_model(sim: Simulated) -> None:
    assert sim.ask(question("Hi", "claude-haiku-4-5"))["model"] == HAIKU


@pytest.mark.parametrize("model", [HAIKU, NEW_SONNET])
def test_max_tokens_cuts_the_answer(sim: Simulated, model: str) -> None:
    whole = text_of(sim.ask(question("Tell me about rivers.", model)))
    cut = sim.ask(question("Tell me about rivers.", model, max_tokens=10))
    assert cut["stop_reason"] == "max_tokens"
    assert cut["usage"]["output_tokens"] == 10
    # ten tokens are 40 bytes, or 40 x 10 / 13 = 30 with the newer tokenizer
    assert text_of(cut) == whole[: 40 if model == HAIKU else 30]


def test_the_context_window_cuts_the_answer_too(sim: Simulated) -> None:
    # 799,944 bytes are 199,986 tokens, the message 4: ten are left of 200,000
    answer = sim.ask(question("x" * 799_944, HAIKU))
    assert answer["stop_reason"] == "model_context_window_exceeded"
    assert answer["usage"]["output_tokens"] == 10


def test_a_stop_sequence_ends_the_answer_before_it(sim: Simulated) -> None:
    body = question("Tell me about rivers.")
    whole = text_of(sim.ask(body))
    stopped = sim.ask(body | {"stop_sequences": ["rivers", "#"]})
    assert (stopped["stop_reason"], stopped["stop_sequence"]) == ("stop_sequence", "rivers")
    assert text_of(stopped) == whole.split("rivers")[0]


def test_a_length_asked_for_in_words_is_kept(sim: Simulated) -> None:
    answer = sim.ask(question("Write on rivers in 300 words.", max_tokens=5000))
    assert len(text_of(answer).split()) == 300


@pytest.mark.parametrize(
    ("prompt", "names"),
    [
        ("Use get_weather, please.", ["get_weather"]),
        ("What is the get weather result for today?", ["get_weather"]),
        ("Please use the tool.", ["get_weather"]),
        ("First get_time, then get_weather.", ["get_time", "get_weather"]),
        ("What is the meaning of life?", []),
        ("Is get_weather_now a thing?", []),
    ],
)
def test_tools_are_called_when_the_prompt_asks(
    sim: Simulated, prompt: str, names: list[str]
) -> None:
    tools = [WEATHER, tool("get_time", zone={"type": "string", "enum": ["utc", "local"]})]
    answer = sim.ask(question(prompt, tools=tools))
    assert [name for name, _ in calls_of(answer)] == names
    assert answer["stop_reason"] == ("tool_use" if names else "end_turn")
    ids = [block["id"] for block in answer["content"] if block["type"] == "tool_use"]
    assert all(call_id.startswith("toolu_") for call_id in ids)
    assert len(set(ids)) == len(names)


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ({"type": "any"}, ["get_weather"]),
        ({"type": "tool", "name": "get_time"}, ["get_time"]),
        ({"type": "none"}, []),
        ({"type": "auto"}, []),
    ],
)
def test_the_tool_choice_is_obeyed(sim: Simulated, choice: Json, names: list[str]) -> None:
    tools = [WEATHER, tool("get_time")]
    answer = sim.ask(question("Hello there", HAIKU, tools=tools, tool_choice=choice))
    assert [name for name, _ in calls_of(answer)] == names


def test_one_call_at_a_time_where_parallel_calls_are_off(sim: Simulated) -> None:
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    body = question("get_time and get_weather", tools=[WEATHER, tool("get_time")])
    assert len(calls_of(sim.ask(body))) == 2
    assert len(calls_of(sim.ask(body | {"tool_choice": choice}))) == 1


def test_the_input_takes_what_the_prompt_quotes(sim: Simulated) -> None:
    answer = sim.ask(question('Use get_weather for "Oslo", 3 days.', tools=[WEATHER]))
    assert calls_of(answer) == [("get_weather", {"city": "Oslo", "days": 3})]


def test_the_answer_after_a_tool_result_quotes_it(sim: Simulated) -> None:
    body = question("Use get_weather.", tools=[WEATHER])
    first = sim.ask(body)
    call_id = first["content"][-1]["id"]
    result = {"type": "tool_result", "tool_use_id": call_id, "content": "12 degrees and rain"}
    body["messages"] += [
        {"role": "assistant", "content": first["content"]},
        {"role": "user", "content": [result]},
    ]
    second = sim.ask(body)
    assert second["stop_reason"] == "end_turn"
    assert "12 degrees and rain" in text_of(second)


SCHEMA: Json = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "age", "kind", "tags", "home", "when", "score", "note", "fixed"],
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer"},
        "kind": {"enum": ["cat", "dog"]},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "home": {"$ref": "#/$defs/home"},
        "when": {"type": "string", "format": "date"},
        "score": {"type": "number"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "fixed": {"const": 5},
    },
    "$defs": {
        "home": {
            "type": "object",
            "additionalProperties": False,
            "required": ["street", "town"],
            "properties": {
                "street": {"type": "string"},
                "town": {"anyOf": [{"$ref": "#/$defs/town"}, {"type": "null"}]},
            },
        },
        "town": {
            "type": "object",
            "additionalProperties": False,
            "required": ["name"],
            "properties": {"name": {"type": "string"}},
        },
    },
}


def test_a_schema_is_answered_with_json_that_fits_it(sim: Simulated) -> None:
    output_config = {"format": {"type": "json_schema", "schema": SCHEMA}}
    body = question("Who is 'Ada', 36?", max_tokens=4000, output_config=output_config)
    found: dict[str, Any] = json.loads(text_of(sim.ask(body)))
    assert list(found) == list(SCHEMA["properties"])
    assert (found["name"], found["age"], found["kind"]) == ("Ada", 36, "cat")
    assert len(found["tags"]) == 1
    assert all(isinstance(tag, str) for tag in found["tags"])
    assert found["home"].keys() == {"street", "town"}
    assert found["when"] == "2026-11-21"
    assert isinstance(found["score"], int | float)
    assert isinstance(found["note"], str)
    assert found["fixed"] == 5


@pytest.mark.parametrize(
    ("model", "fields", "thinks"),
    [
        (HAIKU, {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000}, True),
        ("claude-sonnet-4-6", {"thinking": {"type": "adaptive"}}, True),
        ("claude-sonnet-4-6", {"output_config": {"effort": "high"}}, False),
        ("claude-opus-5-5", {"output_config": {"effort": "high"}}, True),
        ("claude-opus-5-5", {}, False),
        ("claude-sonnet-4-6", {}, False),
    ],
)
def test_thinking_comes_first_signed_and_counted(
    *, sim: Simulated, model: str, fields: Json, thinks: bool
) -> None:
    answer = sim.ask(question("Why is the sky blue?", model, **(fields | {"max_tokens": 2000})))
    kinds = [block["type"] for block in answer["content"]]
    assert kinds == (["thinking", "text"] if thinks else ["text"])
    details = answer["usage"].get("output_tokens_details")
    if not thinks:
        assert details is None
        return
    assert answer["content"][0]["signature"]
    assert 0 < details["thinking_tokens"] < answer["usage"]["output_tokens"]


def test_hidden_thinking_is_billed_all_the_same(sim: Simulated) -> None:
    body = question("Why?", thinking={"type": "adaptive"})
    shown = sim.ask(body)
    hidden = sim.ask(body | {"thinking": {"type": "adaptive", "display": "omitted"}})
    assert hidden["content"][0]["thinking"] == ""
    assert hidden["usage"] == shown["usage"]


def test_thinking_can_use_up_all_of_max_tokens(sim: Simulated) -> None:
    answer = sim.ask(question("Why?", thinking={"type": "adaptive"}, max_tokens=5))
    assert [block["type"] for block in answer["content"]] == ["thinking"]
    assert answer["stop_reason"] == "max_tokens"
    assert answer["usage"]["output_tokens"] == 5


@pytest.mark.parametrize(
    ("prompt", "max_uses", "searches"),
    [
        ("Search for rivers.", None, 1),
        ("Search for rivers 9 times.", None, 5),
        ("Search for rivers 9 times.", 2, 2),
        ("Tell me about rivers.", 3, 0),
    ],
)
def test_web_search_is_used_when_asked_for_and_counted(
    sim: Simulated, prompt: str, max_uses: int | None, searches: int
) -> None:
    search: Json = {"type": "web_search_20260318", "name": "web_search"}
    search |= {"max_uses": max_uses} if max_uses is not None else {}
    body = question(prompt, tools=[search])
    usage = sim.ask(body)["usage"]
    count = sim.count({k: v for k, v in body.items() if k != "max_tokens"})
    assert usage.get("server_tool_use", {}).get("web_search_requests", 0) == searches
    assert usage["input_tokens"] == count + 400 * searches


def test_the_last_question_decides_in_a_longer_talk(sim: Simulated) -> None:
    messages = [
        {"role": "user", "content": "Use get_weather."},
        {"role": "assistant", "content": "No."},
        {"role": "user", "content": [text_block("Then tell me about gardens.")]},
    ]
    answer = sim.ask(question("", messages=messages, tools=[WEATHER]))
    assert calls_of(answer) == []
    assert "gardens" in text_of(answer)


GET_WEATHER: Json = {
    "name": "get_weather",
    "description": "Get the current weather in a given location.",
    "input_schema": {
        "type": "object",
        "properties": {"location": {"type": "string"}},
        "required": ["location"],
    },
}


@pytest.mark.parametrize(
    ("prompt", "location"),
    [
        ("What is the weather in San Francisco, CA?", "San Francisco, CA"),
        ("What's the weather like in Oslo today?", "Oslo"),
        ('Weather for "the north pole", please', "the north pole"),
    ],
)
def test_a_question_that_a_tool_is_about_calls_it_and_then_answers(
    sim: Simulated, prompt: str, location: str
) -> None:
    body = question(prompt, tools=[tool("send_mail", to={"type": "string"}), GET_WEATHER])
    first = sim.ask(body)
    assert calls_of(first) == [("get_weather", {"location": location})]
    result = {
        "type": "tool_result",
        "tool_use_id": first["content"][-1]["id"],
        "content": "It's sunny.",
    }
    body["messages"] += [
        {"role": "assistant", "content": first["content"]},
        {"role": "user", "content": [result]},
    ]
    second = sim.ask(body)
    assert (second["stop_reason"], calls_of(second)) == ("end_turn", [])
    assert "It's sunny." in text_of(second)


@pytest.mark.parametrize(
    "prompt",
    [
        "Tell me about rivers.",
        "Whether or not",
        "What is the current state of the art?",
        "Give me a location.",
    ],
)
def test_a_question_about_something_else_calls_no_tool(sim: Simulated, prompt: str) -> None:
    assert calls_of(sim.ask(question(prompt, tools=[GET_WEATHER]))) == []


def test_what_an_agent_adds_to_a_question_is_not_asked(sim: Simulated) -> None:
    tools = [tool(name) for name in ("Read", "Bash", "Task")]
    told = "Use Read, Bash and Task whenever you can. " * 200
    parts = [
        text_block("<system-reminder>Use Read.</system-reminder>"),
        text_block("What does note.txt say about read access?"),
        text_block(told),
    ]
    answer = sim.ask(question("", messages=[{"role": "user", "content": parts}], tools=tools))
    assert calls_of(answer) == []
    assert "access" in text_of(answer)
    alone = question("", messages=[{"role": "user", "content": [text_block(told)]}], tools=tools)
    assert [name for name, _ in calls_of(sim.ask(alone))] == ["Read", "Bash", "Task"]


def loop(sim: Simulated, body: Json, turns: int) -> list[str]:
    """The tools called, one turn after the other, until the answer is text."""
    names: list[str] = []
    for _ in range(turns):
        answer = sim.ask(body)
        calls = [block for block in answer["content"] if block["type"] == "tool_use"]
        names += [block["name"] for block in calls]
        if not calls:
            break
        results = [
            {"type": "tool_result", "tool_use_id": block["id"], "content": "done"}
            for block in calls
        ]
        extra = [text_block("Use alpha and beta again, the agent says.")]
        body["messages"] += [
            {"role": "assistant", "content": answer["content"]},
            {"role": "user", "content": [*results, *extra]},
        ]
    return names


def test_a_loop_ends_after_one_round_whatever_stands_beside_the_results(sim: Simulated) -> None:
    body = question("Use alpha and beta.", tools=[tool("alpha"), tool("beta")])
    assert loop(sim, body, 9) == ["alpha", "beta"]


def test_a_loop_that_forces_calls_comes_to_the_last_tool(sim: Simulated) -> None:
    forced = {"tool_choice": {"type": "any"}}
    tools = [tool("alpha"), tool("beta"), tool("final_result")]
    body = question("Use alpha.", HAIKU, tools=tools, **forced)
    assert loop(sim, body, 5) == ["alpha", "beta", "final_result", "final_result", "final_result"]


def test_calls_have_an_end_in_one_answer_and_in_one_conversation(sim: Simulated) -> None:
    tools = [tool(f"tool_{n}") for n in range(9)]
    body = question("Use " + ", ".join(t["name"] for t in tools), tools=tools)
    assert len(calls_of(sim.ask(body))) == 4
    names: list[str] = []
    for _ in range(10):
        names += loop(sim, body, 3)
        body["messages"] += [
            {"role": "assistant", "content": "Done."},
            {"role": "user", "content": "Use tool_1, tool_2, tool_3 and tool_4."},
        ]
    assert len(names) == 32


LONG_NUMBERS = ["9" * 400, "1" + "0" * 30, "-" + "9" * 25, "9223372036854775808"]


@pytest.mark.parametrize("number", LONG_NUMBERS)
@pytest.mark.parametrize("kind", ["integer", "number"])
def test_a_long_number_in_a_prompt_is_no_trouble(sim: Simulated, number: str, kind: str) -> None:
    counter = tool("count_up", to={"type": kind})
    [(name, found)] = calls_of(sim.ask(question(f"Use count_up to {number} now.", tools=[counter])))
    assert (name, found) == ("count_up", {"to": 7})


@pytest.mark.parametrize("bound", ["1e400", "9" * 400, "1e30", "-1e400", "123456789012345678901"])
@pytest.mark.parametrize("name", ["minimum", "maximum", "exclusiveMinimum", "multipleOf"])
def test_numbers_of_any_size_in_a_schema_are_no_trouble(
    sim: Simulated, bound: str, name: str
) -> None:
    counter = tool("count_up", to={"type": "integer", name: 77777})
    body = json.dumps(question("Use count_up.", tools=[counter])).replace("77777", bound)
    answer = sim.http.post("/v1/messages", content=body, headers=sim.headers())
    assert answer.status_code == 200, answer.text
    assert isinstance(calls_of(answer.json())[0][1]["to"], int)
    [entry] = sim.http.get("/_sim/log", params={"raw": "1"}).json()["entries"]
    assert bound in entry["raw_body"]


def test_one_that_is_announced_says_so_in_words_and_leaves_json_and_calls_alone() -> None:
    asked = question("What is the weather in Berlin?", tools=[WEATHER])
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    as_json = {
        "format": {"type": "json_schema", "schema": {**schema, "additionalProperties": False}}
    }
    with running_simulator(create_simulator(announced=True)) as url:
        sim = Simulated(url)
        said = text_of(sim.ask(question("Tell me about rivers.")))
        called = sim.ask(asked)
        answer = text_of(sim.ask(question("How many rivers?", output_config=as_json)))
        sim.http.close()
    assert said.startswith("This answer is simulated. ")
    assert text_of(called) == "This answer is simulated. I will use get_weather for this."
    assert [name for name, _ in calls_of(called)] == ["get_weather"]
    assert set(json.loads(answer)) == {"n"}
