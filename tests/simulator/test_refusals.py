"""Every request that the vendor refuses is refused here, in its shape and words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.client import (
    HAIKU,
    NEW_SONNET,
    SONNET,
    WEATHER,
    Json,
    Simulated,
    question,
    text_block,
    tool,
)

MARK = {"type": "ephemeral"}
CLOSED: Json = {"type": "object", "properties": {}, "additionalProperties": False}
FORCED: Json = {"tools": [WEATHER], "tool_choice": {"type": "any"}}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "12 degrees"}


def user(*blocks: Json) -> Json:
    return {"role": "user", "content": list(blocks)}


def talk(*messages: Json, model: str = SONNET, **fields: Any) -> Json:
    return {"model": model, "max_tokens": 50, "messages": list(messages)} | fields


def image(**source: Any) -> Json:
    return {"type": "image", "source": source}


def told(*blocks: Json) -> Json:
    return {"role": "assistant", "content": list(blocks)}


def shaped(schema: Json, **more: Any) -> Json:
    """Asks for an answer of this shape."""
    return talk(HI, output_config={"format": {"type": "json_schema", "schema": schema | more}})


def closed(**properties: Json) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def strict(schema: Json, count: int = 1) -> Json:
    tools = [{"name": f"t{n}", "input_schema": schema, "strict": True} for n in range(count)]
    return talk(HI, tools=tools)


HI = user(text_block("Hi"))
NOT_JSON_SCHEMA = {"format": {"type": "json_object"}}

REFUSALS: list[tuple[str, Json]] = [
    ("messages: Field required", {"model": SONNET, "max_tokens": 5}),
    ("max_tokens: Field required", {"model": SONNET, "messages": [HI]}),
    ("model: Field required", {"max_tokens": 5, "messages": [HI]}),
    ("messages: at least one message is required", talk()),
    ("foo: Extra inputs are not permitted", talk(HI, foo=1)),
    ("messages.0.name: Extra inputs are not permitted", talk(HI | {"name": "a"})),
    ("messages.0.content.0.text.foo: Extra", talk(user(text_block("Hi") | {"foo": 1}))),
    ("max_tokens: 64001 > 64000, which is the maximum", talk(HI, model=HAIKU, max_tokens=64001)),
    ("max_tokens: Input should be a valid integer", talk(HI, max_tokens="5")),
    ("max_tokens: 0 cannot be combined with stream", talk(HI, max_tokens=0, stream=True)),
    ("messages: text content blocks must be non-empty", talk(user(text_block("")))),
    ("messages.0: all messages must have non-empty content", question("")),
    ("must contain non-whitespace text", question("  \n")),
    ("system: text content blocks must be non-empty", talk(HI, system=[text_block("")])),
    ("stop_sequences: each stop sequence must contain", talk(HI, stop_sequences=["\n"])),
    ("service_tier: Input should be", talk(HI, service_tier="flex")),
    ("metadata.name: Extra inputs are not permitted", talk(HI, metadata={"name": "x"})),
    # roles and prefill
    ('first message must use the "user" role', talk({"role": "assistant", "content": "Hi"}, HI)),
    (
        "messages.0.role: Input should be 'user' or 'assistant'",
        talk({"role": "tool"} | HI | {"role": "tool"}),
    ),
    ("messages.1.role: Input should be", talk(HI, {"role": "system", "content": "Be brief."})),
    ("does not support assistant message prefill", talk(HI, {"role": "assistant", "content": "A"})),
    (
        "cannot end with trailing whitespace",
        talk(HI, {"role": "assistant", "content": "A "}, model=HAIKU),
    ),
    # tools
    (
        "`tool_use` ids were found without `tool_result` blocks",
        talk(HI, {"role": "assistant", "content": [CALL]}, HI),
    ),
    ("unexpected `tool_use_id` found in `tool_result` blocks: toolu_1", talk(user(RESULT))),
    ("tools: Tool names must be unique.", talk(HI, tools=[WEATHER, WEATHER])),
    ("tools.0.custom.name: String should match", talk(HI, tools=[WEATHER | {"name": "a b"}])),
    ("tools.0.custom.input_schema: Field required", talk(HI, tools=[{"name": "a"}])),
    (
        "tools.0.custom.input_schema.properties.a: JSON schema is invalid.",
        talk(HI, tools=[tool("f", a={"type": "text"})]),
    ),
    ("Tool 'x' not found", talk(HI, tools=[WEATHER], tool_choice={"type": "tool", "name": "x"})),
    ("tool_choice: may only be specified while", talk(HI, tool_choice={"type": "auto"})),
    ('tool_choice: type "tool" and "any" are not supported', talk(HI, model=NEW_SONNET, **FORCED)),
    # sampling
    ("temperature: non-default values", talk(HI, model="claude-sonnet-5", temperature=0.5)),
    ("top_k: non-default values", talk(HI, model="claude-opus-4-7", top_k=5)),
    ("temperature: range: 0..1", talk(HI, temperature=1.5)),
    ("cannot both be specified", talk(HI, temperature=0.5, top_p=0.5)),
    # thinking and output
    (
        'thinking: type "disabled" is not',
        talk(HI, model="claude-opus-5-5", thinking={"type": "disabled"}),
    ),
    ('thinking: type "disabled" is not', talk(HI, model=NEW_SONNET, thinking={"type": "disabled"})),
    (
        'thinking: type "enabled" is not',
        talk(
            HI,
            model="claude-opus-4-7",
            max_tokens=5000,
            thinking={"type": "enabled", "budget_tokens": 1024},
        ),
    ),
    ('thinking: type "adaptive" is not', talk(HI, model=HAIKU, thinking={"type": "adaptive"})),
    (
        "greater than or equal to 1024",
        talk(HI, model=HAIKU, max_tokens=5000, thinking={"type": "enabled", "budget_tokens": 1023}),
    ),
    (
        "must be greater than `thinking.budget_tokens`",
        talk(HI, model=HAIKU, max_tokens=1024, thinking={"type": "enabled", "budget_tokens": 1024}),
    ),
    (
        "Thinking may not be enabled when tool_choice forces",
        talk(HI, thinking={"type": "adaptive"}, **FORCED),
    ),
    (
        "does not support the effort parameter",
        talk(HI, model=HAIKU, output_config={"effort": "low"}),
    ),
    (
        "not support effort level 'xhigh'. Supported levels: low, medium, high, max.",
        talk(HI, output_config={"effort": "xhigh"}),
    ),
    (
        "This model does not support effort level 'max'. Supported levels: low, medium, high.",
        talk(HI, model="claude-opus-4-5", output_config={"effort": "max"}),
    ),
    ("output_config.effort: Input should be one of", talk(HI, output_config={"effort": "huge"})),
    ("output_config.format.type: Input should be", talk(HI, output_config=NOT_JSON_SCHEMA)),
    (
        "'additionalProperties' must be explicitly set to false",
        talk(HI, output_config={"format": {"type": "json_schema", "schema": {"type": "object"}}}),
    ),
    ("speed: 'fast' is not supported", talk(HI, speed="fast")),
    ("inference_geo is not supported", talk(HI, model=HAIKU, inference_geo="us")),
    # cache
    (
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        talk(user(*[text_block("a", "5m")] * 5)),
    ),
    (
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        talk(user(*[text_block("a", "5m")] * 4, text_block("b")), cache_control=MARK),
    ),
    (
        "a ttl='1h' cache_control block must not come after a ttl='5m'",
        talk(user(text_block("a", "1h")), system=[text_block("s", "5m")]),
    ),
    (
        "the last block already has a cache_control with a different ttl",
        talk(user(text_block("a", "1h")), cache_control=MARK),
    ),
    ("cache_control.ephemeral.ttl: Input should be", talk(user(text_block("a", "2h")))),
    ("cache_control cannot be set for empty text blocks", talk(user(text_block("", "5m")))),
    (
        "content.0.thinking.cache_control: Extra inputs",
        talk(
            HI,
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "t", "signature": "s", "cache_control": MARK}
                ],
            },
            HI,
        ),
    ),
    # media
    (
        "image.source.base64.media_type: Input should be",
        talk(user(image(type="base64", media_type="image/bmp", data="aGk="))),
    ),
    (
        "image.source.base64.data: Invalid base64",
        talk(user(image(type="base64", media_type="image/png", data="%%"))),
    ),
    ("image.source.url.url: Only HTTPS", talk(user(image(type="url", url="ftp://a")))),
    ("does not match any of the expected tags", talk(user({"type": "video"}))),
    (
        "media_type: Input should be 'application/pdf'",
        talk(
            user(
                {
                    "type": "document",
                    "source": {"type": "base64", "media_type": "image/png", "data": "aGk="},
                }
            )
        ),
    ),
    ("prompt is too long: 200002 tokens > 200000 maximum", question("x" * 799_992, HAIKU)),
]


PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
PDF = "JVBERi0xLjcK"
TEXT: Json = {"type": "string"}
NODE = closed(next={"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]})
PING = {"$defs": {"a": closed(b={"$ref": "#/$defs/b"}), "b": closed(a={"$ref": "#/$defs/a"})}}

REFUSALS += [
    # the subset of JSON schema
    (
        "output_config.format.schema: For 'integer' type, property 'minimum' is not supported",
        shaped(closed(a={"type": "integer", "minimum": 1})),
    ),
    (
        "tools.0.custom: For 'integer' type, properties maximum, minimum are not supported",
        strict(closed(a={"type": "integer", "minimum": 1, "maximum": 9})),
    ),
    (
        "For 'number' type, property 'multipleOf' is not supported",
        shaped(closed(a={"type": ["number", "null"], "multipleOf": 2})),
    ),
    ("For 'string' type, property 'maxLength'", shaped(closed(a=TEXT | {"maxLength": 5}))),
    ("For 'string' type, format 'regex'", shaped(closed(a=TEXT | {"format": "regex"}))),
    (
        "For 'array' type, properties maxItems, uniqueItems are not supported",
        shaped(closed(a={"type": "array", "items": TEXT, "maxItems": 2, "uniqueItems": True})),
    ),
    (
        "'minItems' values other than 0 or 1 are not supported",
        strict(closed(a={"type": "array", "items": TEXT, "minItems": 2})),
    ),
    (
        "'additionalProperties: object' is not supported",
        shaped(closed(a={"type": "object", "additionalProperties": TEXT})),
    ),
    (
        "tools.0.custom: For 'object' type, 'additionalProperties' must be explicitly set to false",
        strict(closed(a={"type": "object", "properties": {}})),
    ),
    ("'minProperties' is not supported", shaped(closed(), minProperties=1)),
    ("'oneOf' is not supported", shaped(closed(a={"oneOf": [TEXT], "type": "string"}))),
    ("Schema must have a 'type'", shaped(closed(a={}))),
    ("Schema must have a 'type'", shaped({})),
    ("Enum values must be", shaped(closed(a={"enum": [{"x": 1}]}))),
    (
        "Circular reference detected in schema definitions: node -> node.",
        shaped(NODE, **{"$defs": {"node": NODE}}),
    ),
    (
        "Circular reference detected in schema definitions: a -> b -> a.",
        strict(closed(a={"$ref": "#/$defs/a"}) | PING),
    ),
    ("$ref '#/$defs/x' cannot be resolved", shaped(closed(a={"$ref": "#/$defs/x"}))),
    ("cannot be resolved", shaped(closed(a={"$ref": "https://example.com/schema.json"}))),
    (
        "'allOf' with '$ref' is not supported",
        shaped(closed(a={"allOf": [{"$ref": "#/$defs/s"}]}), **{"$defs": {"s": TEXT}}),
    ),
    # what holds for every tool
    (
        "tools.0.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf at the",
        talk(HI, tools=[{"name": "a", "input_schema": {"type": "object", "anyOf": [TEXT]}}]),
    ),
    (
        "tools.0.custom.input_schema.properties: Property keys should match pattern",
        talk(HI, tools=[tool("f", **{"filter[id]": TEXT})]),
    ),
    (
        "tools.0.custom.input_schema.properties.a.properties: Property keys should match pattern",
        talk(HI, tools=[tool("f", a=tool("g", **{"x y": TEXT})["input_schema"])]),
    ),
    ("format.schema.properties: Property keys should match", shaped(closed(**{"a b": TEXT}))),
    ("Too many strict tools (21).", strict(closed(), 21)),
    (
        "too many optional parameters (25)",
        strict(closed() | {"properties": {f"p{n}": TEXT for n in range(5)}}, 5),
    ),
    (
        "(17 parameters with type arrays or anyOf)",
        strict(closed(**{f"p{n}": {"type": ["string", "null"]} for n in range(17)})),
    ),
    # histories
    (
        "messages.3.content.0: `tool_use` ids must be unique",
        talk(HI, told(CALL), user(RESULT), told(CALL), user(RESULT)),
    ),
    (
        "messages.1.content.1: `tool_use` ids must be unique",
        talk(HI, told(CALL, CALL), user(RESULT)),
    ),
    (
        "tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'",
        talk(HI, told(CALL | {"id": "call:1"}), user(RESULT | {"tool_use_id": "call:1"})),
    ),
    (
        "tool_use.name: String should match pattern",
        talk(HI, told(CALL | {"name": "get weather"}), user(RESULT)),
    ),
    (
        "tool_use.input: Input should be an object",
        talk(HI, told(CALL | {"input": "{"}), user(RESULT)),
    ),
    ("must contain non-whitespace text", talk(HI, told(text_block("Yes")), user(text_block(" ")))),
    # labels and bytes
    (
        "specified using the image/jpeg media type, but the image appears to be a image/png image",
        talk(user(image(type="base64", media_type="image/jpeg", data=PNG))),
    ),
    (
        "tool_result.content.0.image.source.base64: The image was specified using the image/gif",
        talk(
            HI,
            told(CALL),
            user(RESULT | {"content": [image(type="base64", media_type="image/gif", data=PNG)]}),
        ),
    ),
    (
        "Could not process image",
        talk(user(image(type="base64", media_type="image/png", data=PDF))),
    ),
    (
        "The PDF specified was not valid.",
        talk(
            user(
                {
                    "type": "document",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": PNG},
                }
            )
        ),
    ),
    (
        "image.source.url.detail: Extra inputs are not permitted",
        talk(user(image(type="url", url="https://example.com/a.png", detail="low"))),
    ),
]


@pytest.mark.parametrize(("message", "body"), REFUSALS, ids=[m[:60] for m, _ in REFUSALS])
def test_a_bad_request_is_refused_in_the_vendors_words(
    sim: Simulated, message: str, body: Json
) -> None:
    answer = sim.send(body)
    assert answer.status_code == 400, answer.text
    found = answer.json()
    assert found["type"] == "error"
    assert found["error"]["type"] == "invalid_request_error"
    assert message in found["error"]["message"]
    assert found["request_id"] == answer.headers["request-id"]
    assert sim.last_entry()["billed_nano_usd"] == 0
    assert sim.last_entry()["status"] == 400


STRICT: list[tuple[str, Json]] = [
    ("temperature: Extra inputs are not permitted", talk(HI, temperature=1)),
    ("top_p: Extra inputs are not permitted", talk(HI, top_p=0.9)),
    ("top_k: Extra inputs are not permitted", talk(HI, top_k=5)),
    (
        "document blocks are not permitted in assistant messages",
        talk(
            HI,
            {
                "role": "assistant",
                "content": [
                    {
                        "type": "document",
                        "source": {"type": "text", "media_type": "text/plain", "data": "d"},
                    }
                ],
            },
            HI,
        ),
    ),
    ("citations: Extra inputs", talk(user(text_block("Hi") | {"citations": [{"type": "x"}]}))),
]


@pytest.mark.parametrize(("message", "body"), STRICT, ids=[m[:40] for m, _ in STRICT])
def test_the_newer_version_refuses_what_the_older_one_took(
    sim: Simulated, message: str, body: Json
) -> None:
    refused = sim.send(body, version="2026-10-21")
    assert (refused.status_code, sim.send(body).status_code) == (400, 200)
    assert message in refused.json()["error"]["message"]


ACCEPTED: list[Json] = [
    talk(HI, temperature=0.2),
    talk(HI, model="claude-sonnet-5", temperature=1),
    talk(HI, model=HAIKU, **FORCED),
    talk(HI, model="claude-haiku-5-5", **FORCED),
    talk(HI, {"role": "assistant", "content": "The answer is"}, model=HAIKU),
    talk(HI, {"role": "system", "content": "Be brief."}, model="claude-haiku-5-5"),
    talk(HI, model=NEW_SONNET, thinking={"type": "between_tools"}),
    talk(HI, model="claude-opus-5-5", speed="fast"),
    talk(HI, model="claude-opus-4-6", speed="fast"),
    talk(HI, {"role": "assistant", "content": [CALL]}, user(RESULT), tools=[WEATHER]),
    talk(HI, output_config={"effort": "high"}),
    talk(HI, output_config={"effort": "max"}),
    talk(HI, model="claude-sonnet-5", output_config={"effort": "xhigh"}),
    talk(HI, model="claude-opus-4-5", output_config={"effort": "medium"}),
    talk(user(*[text_block("a", "1h")] * 2, *[text_block("b", "5m")] * 2)),
    talk(user(text_block("a", "5m")), cache_control=MARK),
    talk(user(image(type="url", url="https://example.com/a.png"))),
    talk(HI, tools=[WEATHER | {"input_schema": CLOSED, "strict": True}]),
    strict(closed(), 20),
    strict(closed() | {"properties": {f"p{n}": TEXT for n in range(4)}}, 6),
    strict(closed(**{f"p{n}": {"type": ["string", "null"]} for n in range(16)})),
    shaped(closed(a=TEXT | {"format": "date", "pattern": "^a", "default": "a", "title": "A"})),
    shaped(
        closed(a={"type": "array", "items": {"$ref": "#/$defs/s"}, "minItems": 1}),
        **{"$defs": {"s": TEXT}},
    ),
    shaped({"anyOf": [closed(a=TEXT), closed(b=TEXT)]}),
    talk(HI, tools=[tool("f", n={"type": "integer", "minimum": 1}, o={"type": "object"})]),
    talk(HI, tools=[tool("f", a={"$ref": "#"})]),
    talk(user(image(type="base64", media_type="image/png", data=PNG))),
    talk(user(image(type="base64", media_type="image/png", data="aGk="))),
]


@pytest.mark.parametrize("body", ACCEPTED)
def test_a_good_request_is_answered(sim: Simulated, body: Json) -> None:
    assert sim.send(body).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        ({"anthropic-version": "2023-06-01"}, 401, "authentication_error"),
        (
            {"anthropic-version": "2023-06-01", "x-api-key": "invalid-1"},
            401,
            "authentication_error",
        ),
        ({"anthropic-version": "2023-06-01", "x-api-key": "forbidden-1"}, 403, "permission_error"),
        ({"x-api-key": "k"}, 400, "invalid_request_error"),
        ({"x-api-key": "k", "anthropic-version": "2024-01-01"}, 400, "invalid_request_error"),
        ({"authorization": "Bearer k", "anthropic-version": "2023-06-01"}, 200, None),
        ({"authorization": "Bearer k", "anthropic-version": "2026-10-21"}, 200, None),
    ],
)
def test_key_and_version_are_required(
    sim: Simulated, headers: dict[str, str], status: int, kind: str | None
) -> None:
    for path in ("/v1/messages", "/v1/messages/count_tokens"):
        body = talk(HI)
        if path.endswith("count_tokens"):
            del body["max_tokens"]
        answer = sim.http.post(path, json=body, headers=headers)
        assert answer.status_code == status
        assert answer.json().get("error", {}).get("type") == kind
        assert answer.headers["request-id"].startswith("req_")


@pytest.mark.parametrize("model", ["claude-9", "gpt-5", "claude-opus-4-1", "claude-3-5-haiku"])
def test_an_unknown_or_retired_model_is_not_found(sim: Simulated, model: str) -> None:
    answer = sim.send(talk(HI, model=model))
    assert answer.status_code == 404
    assert answer.json()["error"] == {"type": "not_found_error", "message": f"model: {model}"}


def test_a_body_over_32_mib_is_too_large(sim: Simulated) -> None:
    answer = sim.http.post(
        "/v1/messages", content=b"x" * (32 * 1024 * 1024 + 1), headers=sim.headers()
    )
    assert answer.status_code == 413
    assert answer.json()["error"]["type"] == "request_too_large"


def test_broken_json_is_a_bad_request(sim: Simulated) -> None:
    answer = sim.http.post("/v1/messages", content=b'{"model":', headers=sim.headers())
    assert answer.status_code == 400
    assert "not valid JSON" in answer.json()["error"]["message"]


def test_an_unknown_route_answers_in_the_vendors_shape(sim: Simulated) -> None:
    answer = sim.http.get("/v1/nothing")
    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "not_found_error"
    assert answer.json()["request_id"] == answer.headers["request-id"]


def test_beta_fields_need_a_beta_header(sim: Simulated) -> None:
    body = talk(HI, context_management={"edits": []})
    assert sim.send(body).status_code == 400
    headers = sim.headers() | {"anthropic-beta": "context-management-2025-06-27"}
    assert sim.http.post("/v1/messages", json=body, headers=headers).status_code == 200
    answer = sim.http.post("/v1/messages?beta=true", json=body, headers=sim.headers())
    assert answer.status_code == 200


def test_counting_takes_no_output_fields(sim: Simulated) -> None:
    body = {"model": SONNET, "messages": [HI], "max_tokens": 5}
    answer = sim.http.post("/v1/messages/count_tokens", json=body, headers=sim.headers())
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "max_tokens: Extra inputs are not permitted"
    body = {"model": NEW_SONNET, "messages": [HI], **FORCED}
    answer = sim.http.post("/v1/messages/count_tokens", json=body, headers=sim.headers())
    assert answer.status_code == 400
