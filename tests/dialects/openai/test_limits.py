"""As much is enforced as the vendor takes: tools in their order, then the form of the answer."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from app.core.request import Request
from app.dialects.openai_chat import request as chat
from app.dialects.openai_responses import request as responses


def tools(count: int, optional: int = 0, unions: int = 0) -> list[dict[str, Any]]:
    """Strict functions in the flat form."""
    kinds: Any = {"type": ["string", "null"]}
    needed = {f"u{n}": kinds for n in range(unions)}
    properties = {**needed, **{f"o{n}": {"type": "string"} for n in range(optional)}}
    parameters = {
        "type": "object",
        "properties": properties,
        "required": list(needed),
        "additionalProperties": False,
    }
    return [
        {"type": "function", "name": f"f{n}", "strict": True, "parameters": parameters}
        for n in range(count)
    ]


def form(optional: int) -> dict[str, Any]:
    properties = {f"o{n}": {"type": "string"} for n in range(optional)}
    return {"type": "json_schema", "name": "x", "schema": {"properties": properties}}


def read(path: str, **fields: Any) -> Request:
    if path == "responses":
        text = {"text": {"format": fields.pop("form")}} if "form" in fields else {}
        body = {"model": "auto", "input": "Hi", **text, **fields}
        return responses.parse(orjson.dumps(body)).request
    asked = {"response_format": fields.pop("form")} if "form" in fields else {}
    messages = [{"role": "user", "content": "Hi"}]
    body = {"model": "auto", "messages": messages, **asked, **fields}
    return chat.parse(orjson.dumps(body)).request


def strict(request: Request) -> list[str]:
    return [tool["name"] for tool in request.tools if tool.get("strict")]


LIMITS = [
    # tools, those that are enforced
    (tools(20), 20),
    (tools(21), 20),
    (tools(5, optional=6), 4),
    (tools(1, optional=25), 0),
    (tools(5, unions=5), 3),
    (tools(4, optional=6, unions=4), 4),
]


@pytest.mark.parametrize("path", ["chat", "responses"])
@pytest.mark.parametrize(("given", "enforced"), LIMITS)
def test_the_first_tools_are_enforced(path: str, given: list[Any], enforced: int) -> None:
    request = read(path, tools=given)
    assert strict(request) == [f"f{n}" for n in range(enforced)]
    assert len(request.tools) == len(given)
    assert request.dropped == (("tools.strict",) if enforced < len(given) else ())


@pytest.mark.parametrize("path", ["chat", "responses"])
def test_a_tool_too_large_makes_room_for_a_smaller_one(path: str) -> None:
    large, small = tools(1, optional=25)[0], {**tools(1)[0], "name": "small"}
    assert strict(read(path, tools=[large, small])) == ["small"]


@pytest.mark.parametrize("path", ["chat", "responses"])
def test_the_form_of_the_answer_never_changes_the_tools(path: str) -> None:
    given = tools(2, optional=10)
    alone = read(path, tools=given)
    small, large = (read(path, tools=given, form=form(optional)) for optional in (4, 5))
    assert alone.tools == small.tools == large.tools
    assert strict(alone) == ["f0", "f1"]
    assert small.options["output_config"]["format"]["type"] == "json_schema"
    assert (small.wishes, small.dropped) == ((), ())
    assert "output_config" not in large.options
    assert large.wishes[0].endswith(orjson.dumps(form(5)["schema"]).decode())
    assert large.dropped == ("text.format" if path == "responses" else "response_format",)
