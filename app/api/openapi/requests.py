"""JSON schemas of what callers of the client routes send.

Parameters are those of the dialects' own tables, with the same sentences.
"""

from __future__ import annotations

from collections.abc import Mapping

from app.api.openapi.schemas import (
    ANY_OBJECT,
    COUNT,
    FLAG,
    MAYBE_TEXT,
    TEXT,
    Schema,
    array,
    maybe,
    open_record,
    words,
)
from app.dialects.openai.options import EFFORTS
from app.dialects.openai.parameters import Parameter
from app.dialects.openai_chat.parameters import PARAMETERS
from app.dialects.openai_responses.parameters import RESPONSES_PARAMETERS

_NAME: Schema = {"type": "string", "minLength": 1}
_TOOL_NAME: Schema = {"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,128}$"}
_MODEL: Schema = {"type": "string", "minLength": 1, "maxLength": 256}
_AT_LEAST_ONE: Schema = {"type": "integer", "minimum": 1}
_METADATA: Schema = {"type": "object", "maxProperties": 16}
_LABEL: Schema = {"type": ["string", "null"], "maxLength": 512}
_TEXTS = array(TEXT)
_SERVICE_TIER = words("auto", "default", "fast")
_CACHING = open_record({}, {"mode": words("implicit", "explicit")})


def _part(kind: str, **fields: Schema) -> Schema:
    return open_record({"type": {"const": kind}, **fields})


def _content(*parts: Schema) -> Schema:
    return {"anyOf": [TEXT, array({"anyOf": list(parts)})]}


_TEXT_PART = _part("text", text=TEXT)
_IMAGE_URL = {"type": "string", "pattern": "^(https?://|data:image/)"}
_IMAGE_PART = _part("image_url", image_url=open_record({"url": _IMAGE_URL}))
_FILE_PART = _part("file", file=open_record({"file_data": _NAME}, {"filename": TEXT}))
_CALL = open_record(
    {
        "id": _NAME,
        "type": {"const": "function"},
        "function": open_record({"name": _NAME, "arguments": TEXT}),
    }
)
_FUNCTION = open_record(
    {"name": _TOOL_NAME},
    {
        "description": TEXT,
        "parameters": open_record({"type": {"const": "object"}}, {"properties": ANY_OBJECT}),
        "strict": FLAG,
    },
)
_CHAT_TURN: Schema = {
    "anyOf": [
        open_record(
            {
                "role": words("user"),
                "content": _content(_TEXT_PART, _IMAGE_PART, _FILE_PART),
            }
        ),
        open_record({"role": words("system", "developer"), "content": _content(_TEXT_PART)}),
        open_record(
            {"role": words("assistant")},
            {"content": maybe(_content(_TEXT_PART)), "tool_calls": array(_CALL)},
        ),
        open_record(
            {"role": words("tool"), "tool_call_id": _NAME, "content": _content(_TEXT_PART)}
        ),
        open_record({"role": words("function"), "name": _NAME, "content": MAYBE_TEXT}),
    ]
}
_CHAT_CHOICE: Schema = {
    "anyOf": [
        words("none", "auto", "required"),
        _part("function", function=open_record({"name": _NAME})),
        _part(
            "allowed_tools",
            allowed_tools=open_record(
                {"mode": words("auto", "required"), "tools": array(ANY_OBJECT)}
            ),
        ),
    ]
}
_CHAT_FORMAT: Schema = {
    "anyOf": [
        _part("text"),
        _part("json_object"),
        _part("json_schema", json_schema=open_record({"schema": ANY_OBJECT})),
    ]
}
_OF_BOTH: Mapping[str, Schema] = {
    "reasoning": open_record({}, {"effort": words(*EFFORTS)}),
    "service_tier": _SERVICE_TIER,
    "user": _LABEL,
    "safety_identifier": _LABEL,
    "metadata": _METADATA,
    "session_id": {"type": "string"},
    "prompt_cache_key": {"type": "string"},
    "prompt_cache_options": _CACHING,
}
_ASKED_CHAT: Mapping[str, Schema] = {
    "model": _MODEL,
    "messages": {**array(_CHAT_TURN), "minItems": 1},
    "stream": FLAG,
    "stream_options": open_record({}, {"include_usage": FLAG}),
    "max_completion_tokens": _AT_LEAST_ONE,
    "max_tokens": _AT_LEAST_ONE,
    "temperature": {"type": "number", "minimum": 0, "maximum": 2},
    "top_p": {"type": "number", "minimum": 0, "maximum": 1},
    "stop": {"anyOf": [TEXT, _TEXTS]},
    "tools": array({"anyOf": [_part("function", function=_FUNCTION), _FUNCTION]}),
    "tool_choice": _CHAT_CHOICE,
    "parallel_tool_calls": FLAG,
    "functions": array(_FUNCTION),
    "function_call": {"anyOf": [words("none", "auto"), open_record({"name": _NAME})]},
    "response_format": _CHAT_FORMAT,
    "reasoning_effort": words(*EFFORTS),
    **_OF_BOTH,
}
_FLAT_FUNCTION = open_record({"type": {"const": "function"}, **_FUNCTION["properties"]})
_FLAT_FUNCTION["required"] = ["type", "name"]
_ITEM = open_record(
    {},
    {
        "type": TEXT,
        "role": words("user", "assistant", "system", "developer"),
        "content": {"anyOf": [TEXT, array(ANY_OBJECT)]},
    },
)
_ASKED_RESPONSE: Mapping[str, Schema] = {
    "model": _MODEL,
    "input": {"anyOf": [TEXT, array(_ITEM)]},
    "instructions": MAYBE_TEXT,
    "stream": FLAG,
    "stream_options": ANY_OBJECT,
    "max_output_tokens": _AT_LEAST_ONE,
    "temperature": _ASKED_CHAT["temperature"],
    "top_p": _ASKED_CHAT["top_p"],
    "tools": array({"anyOf": [_FLAT_FUNCTION, open_record({"type": _NAME})]}),
    "tool_choice": {
        "anyOf": [words("none", "auto", "required"), open_record({"type": _NAME}, {"name": TEXT})]
    },
    "parallel_tool_calls": FLAG,
    "text": open_record({}, {"format": open_record({"type": _NAME}, {"schema": ANY_OBJECT})}),
    "include": _TEXTS,
    **_OF_BOTH,
}


def _asked(table: Mapping[str, Parameter], known: Mapping[str, Schema], *needed: str) -> Schema:
    """A request's schema: every parameter of the table with its sentence, others allowed."""
    fields = {name: _field(name, parameter, known) for name, parameter in table.items()}
    return open_record({name: fields[name] for name in needed}, fields)


def _field(name: str, parameter: Parameter, known: Mapping[str, Schema]) -> Schema:
    """Refused: none but the values that ask for nothing. Dropped: whatever it is."""
    if parameter.treatment == "mapped":
        schema = known[name] if name in ("messages", "input") else maybe(known[name])
        return {**schema, "description": parameter.says}
    if parameter.treatment == "refused":
        return {"enum": list(parameter.neutral), "description": f"Refused: {parameter.says}."}
    return {"description": f"Left out: {parameter.says}."}


_BLOCK = open_record({"type": _NAME})
_TURN = open_record(
    {
        "role": words("user", "assistant", "system"),
        "content": {"anyOf": [TEXT, array(_BLOCK)]},
    }
)
_NATIVE = {
    "messages": {**array(_TURN), "minItems": 1},
}
_NATIVE_OPTIONS = {
    "model": maybe(_NAME),
    "system": {"anyOf": [TEXT, array(_part("text", text=TEXT)), {"type": "null"}]},
    "tools": maybe(array(ANY_OBJECT)),
    "tool_choice": maybe(ANY_OBJECT),
    "thinking": maybe(ANY_OBJECT),
    "metadata": maybe(ANY_OBJECT),
    "session_id": maybe({"type": "string"}),
}

REQUEST_SCHEMAS: Mapping[str, Schema] = {
    "ChatRequest": _asked(PARAMETERS, _ASKED_CHAT, "messages"),
    "ResponsesRequest": _asked(RESPONSES_PARAMETERS, _ASKED_RESPONSE, "input"),
    "MessagesRequest": open_record(
        {**_NATIVE, "max_tokens": COUNT}, {**_NATIVE_OPTIONS, "stream": FLAG}
    ),
    "CountTokensRequest": open_record(_NATIVE, _NATIVE_OPTIONS),
}
