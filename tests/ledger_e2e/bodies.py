"""Requests of every shape that a caller may send, for both dialects, as hypothesis draws them."""

from __future__ import annotations

import base64
from typing import Any

from hypothesis import strategies as st

from app.simulator.facts import CATALOGUE
from tests.ledger_e2e.calls import png

Json = dict[str, Any]

MODELS = [model.id for model in CATALOGUE if not model.id.startswith("claude-mythos-5")]
TIERS = ["auto", "haiku", "sonnet"]

words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40).map(
    lambda drawn: f"{drawn}."  # never blank
)
times = st.sampled_from([1, 1, 1, 1, 3, 40, 700, 6_000])
texts = st.builds(lambda word, n: word * n, words, times)
marks = st.sampled_from([{"type": "ephemeral"}, {"type": "ephemeral", "ttl": "5m"}])
one_hour = st.just({"type": "ephemeral", "ttl": "1h"})
no_mark = st.none()

pictures = st.one_of(
    st.builds(
        lambda width, height: {
            "type": "base64",
            "media_type": "image/png",
            "data": png(width, height),
        },
        st.integers(1, 8_000),
        st.integers(1, 8_000),
    ),
    st.just({"type": "url", "url": "https://pictures.example/bridge.png"}),
)
images = st.builds(lambda source: {"type": "image", "source": source}, pictures)


def pdf(pages: int) -> str:
    return base64.b64encode(b"%PDF-1.7\n" + b"<< /Type /Page >>\n" * pages).decode()


def document(source: Json) -> Json:
    return {"type": "document", "source": source, "title": "A bridge", "context": "Tolls"}


text_blocks = st.builds(lambda text: {"type": "text", "text": text}, texts)
documents = st.one_of(
    st.builds(lambda data: {"type": "text", "media_type": "text/plain", "data": data}, texts),
    st.builds(
        lambda pages: {"type": "base64", "media_type": "application/pdf", "data": pdf(pages)},
        st.integers(0, 30),
    ),
    st.builds(
        lambda content: {"type": "content", "content": content},
        st.lists(st.one_of(text_blocks, images), min_size=1, max_size=3),
    ),
    st.just({"type": "url", "url": "https://papers.example/bridge.pdf"}),
    st.just({"type": "file", "file_id": "file_01"}),
).map(document)
search_results = st.builds(
    lambda text: {
        "type": "search_result",
        "source": "https://example.com",
        "title": "t",
        "content": [{"type": "text", "text": text}],
    },
    texts,
)
results = st.one_of(
    st.none(),
    texts,
    st.lists(st.one_of(text_blocks, images, documents, search_results), min_size=1, max_size=3),
)
plain_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), words),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(words, inner, max_size=4)),
    max_leaves=12,
)
inputs = st.dictionaries(words, plain_values, max_size=4)
asked_blocks = st.lists(
    st.one_of(text_blocks, text_blocks, images, documents, search_results), min_size=1, max_size=4
)
thoughts = st.one_of(
    st.builds(lambda t: {"type": "thinking", "thinking": t, "signature": "seen elsewhere"}, texts),
    st.builds(lambda t: {"type": "redacted_thinking", "data": t}, words),
)
searched = [
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
    {
        "type": "web_search_tool_result",
        "tool_use_id": "srvtoolu_1",
        "content": [{"type": "web_search_result", "url": "https://example.com", "title": "t"}],
    },
]


@st.composite
def schemas(draw: st.DrawFn) -> Json:
    names = draw(st.lists(st.from_regex(r"[a-z]{1,12}", fullmatch=True), unique=True, max_size=6))
    kinds = st.sampled_from(["string", "integer", "boolean", "number"])
    properties = {name: {"type": draw(kinds), "description": draw(words)} for name in names}
    return {
        "type": "object",
        "properties": properties,
        "required": names,
        "additionalProperties": False,
    }


@st.composite
def tool_lists(draw: st.DrawFn) -> list[Json]:
    tools: list[Json] = [
        {"name": f"tool_{at}", "description": draw(texts), "input_schema": draw(schemas())}
        for at in range(draw(st.integers(0, 5)))
    ]
    if draw(st.booleans()):
        tools.append({"type": "bash_20250124", "name": "bash"})
    if draw(st.integers(0, 3)) == 0:
        uses = draw(st.integers(0, 4))
        tools.append({"type": "web_search_20250305", "name": "web_search", "max_uses": uses})
    return tools


@st.composite
def turns(draw: st.DrawFn) -> list[Json]:
    """Turns that alternate, in which every tool call finds its result."""
    messages: list[Json] = [{"role": "user", "content": draw(st.one_of(texts, asked_blocks))}]
    for at in range(draw(st.integers(0, 4))):
        content: list[Json] = draw(st.lists(thoughts, max_size=1))
        content += draw(st.sampled_from([[], [], searched]))
        content.append(draw(text_blocks))
        asked: list[Json] = []
        if draw(st.booleans()):
            call = {
                "type": "tool_use",
                "id": f"toolu_{at}",
                "name": "tool_0",
                "input": draw(inputs),
            }
            content.append(call)
            result = draw(results)
            asked.append({"type": "tool_result", "tool_use_id": f"toolu_{at}", "content": result})
        messages.append({"role": "assistant", "content": content})
        messages.append({"role": "user", "content": asked + draw(asked_blocks)})
    return messages


def marked(draw: st.DrawFn, body: Json) -> None:
    """At most four marks, the lifetimes in the order that the vendor wants."""
    places: list[Json] = [
        *body.get("tools", []),
        *(body["system"] if isinstance(body.get("system"), list) else []),
        *(
            block
            for message in body["messages"]
            if isinstance(message["content"], list)
            for block in message["content"]
            if block["type"] in ("text", "image", "document", "tool_use", "tool_result")
        ),
    ]
    if not places:
        return
    chosen = sorted(draw(st.sets(st.integers(0, len(places) - 1), max_size=4)))
    hours = draw(st.integers(0, 4))
    for at, place in enumerate(chosen):
        places[place]["cache_control"] = draw(one_hour if at < hours else marks)


@st.composite
def message_bodies(draw: st.DrawFn) -> Json:
    """For `/v1/messages`."""
    body: Json = {
        "model": draw(st.sampled_from([*MODELS, *TIERS])),
        "max_tokens": draw(st.one_of(st.integers(1, 64_000), st.integers(1, 50))),
        "messages": draw(turns()),
    }
    tools = draw(tool_lists())
    options = {
        "tools": tools or None,
        "system": draw(st.one_of(no_mark, texts, st.lists(text_blocks, min_size=1, max_size=3))),
        "speed": draw(st.sampled_from([None, None, None, "fast"])),
        "inference_geo": draw(st.sampled_from([None, None, "us", "global"])),
        "stop_sequences": draw(st.sampled_from([None, ["STOP"]])),
        "stream": draw(st.sampled_from([None, True])),
    }
    if draw(st.integers(0, 4)) == 0:
        output_format = {"type": "json_schema", "schema": draw(schemas())}
        options["output_config"] = {"format": output_format}
    body |= {name: value for name, value in options.items() if value is not None}
    if draw(st.booleans()):
        marked(draw, body)
    elif draw(st.integers(0, 3)) == 0:
        body["cache_control"] = draw(st.one_of(marks, one_hour))
    return body


chat_parts = st.one_of(
    text_blocks,
    st.builds(
        lambda source: {
            "type": "image_url",
            "image_url": {
                "url": source.get("url") or f"data:image/png;base64,{source['data']}",
            },
        },
        pictures,
    ),
)


@st.composite
def chat_bodies(draw: st.DrawFn) -> Json:
    """For `/v1/chat/completions`."""
    messages: list[Json] = []
    if draw(st.booleans()):
        messages.append({"role": "system", "content": draw(texts)})
    messages.append(
        {
            "role": "user",
            "content": draw(st.one_of(texts, st.lists(chat_parts, min_size=1, max_size=4))),
        }
    )
    for at in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(["tool_0", "other"]))
        call = {"name": name, "arguments": '{"span": ' + str(draw(st.integers())) + "}"}
        calls = [{"id": f"call_{at}", "type": "function", "function": call}]
        messages.append({"role": "assistant", "content": draw(texts), "tool_calls": calls})
        messages.append({"role": "tool", "tool_call_id": f"call_{at}", "content": draw(texts)})
        if draw(st.booleans()):
            messages.append({"role": "system", "content": draw(words)})
        messages.append({"role": "user", "content": draw(texts)})
    options: Json = {
        "max_tokens": draw(st.one_of(st.none(), st.integers(1, 64_000))),
        "stop": draw(st.sampled_from([None, "STOP"])),
        "reasoning_effort": draw(st.sampled_from([None, None, "none", "low", "high"])),
        "temperature": draw(st.sampled_from([None, None, 0.5])),
    }
    functions = [
        {"name": f"tool_{at}", "description": draw(texts), "parameters": draw(schemas())}
        for at in range(draw(st.integers(0, 3)))
    ]
    if functions:
        options["tools"] = [{"type": "function", "function": each} for each in functions]
        options["tool_choice"] = draw(st.sampled_from([None, "auto", "required", "none"]))
    if draw(st.integers(0, 4)) == 0:
        shape = {"name": "answer", "schema": draw(schemas()), "strict": True}
        options["response_format"] = {"type": "json_schema", "json_schema": shape}
    given = {name: value for name, value in options.items() if value is not None}
    return {"model": draw(st.sampled_from([*MODELS, *TIERS])), "messages": messages} | given
