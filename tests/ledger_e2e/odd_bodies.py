"""Requests whose size is hard to see: only what they count as matters, not who answers them."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.ledger_e2e.bodies import (
    Json,
    document,
    images,
    inputs,
    schemas,
    text_blocks,
    texts,
    words,
)

# What grows in its compatibility form, and what stands where nobody looks for text.
growing = st.text(st.sampled_from("\ufdfa\u3231\u2474\ufb03 a"), min_size=1, max_size=30)
odd_texts = st.one_of(texts, growing, st.sampled_from(["x", "a. b. c. ", '"\\"\n\t\x01']))
odd_blocks = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, odd_texts),
    st.builds(
        lambda text, cited: {
            "type": "text",
            "text": text,
            "citations": [{"type": "char_location", "cited_text": cited, "document_index": 0}],
        },
        odd_texts,
        odd_texts,
    ),
    st.builds(
        lambda text, title, more: (
            document({"type": "text", "media_type": "text/plain"} | text) | title | more
        ),
        st.builds(lambda text: {"data": text}, odd_texts),
        st.builds(lambda text: {"title": text, "context": text}, odd_texts),
        st.sampled_from([{}, {"citations": {"enabled": True}}]),
    ),
    st.builds(
        lambda text: {
            "type": "search_result",
            "source": text,
            "title": text,
            "content": [{"type": "text", "text": text}],
        },
        odd_texts,
    ),
    st.builds(
        lambda text, given: {
            "type": "tool_use",
            "id": "toolu_1",
            "name": "tool_0",
            "input": given,
            "toolset_name": text,
            "caller": {"type": "direct", "tool_id": text},
        },
        odd_texts,
        inputs,
    ),
    st.builds(
        lambda text, unknown: (
            {"type": "tool_result", "tool_use_id": "t", "content": text} | unknown
        ),
        st.one_of(odd_texts, st.lists(text_blocks, max_size=3)),
        st.dictionaries(words, odd_texts, max_size=2),
    ),
    st.builds(
        lambda text: {
            "type": "web_search_tool_result",
            "tool_use_id": "t",
            "content": [{"type": "web_search_result", "encrypted_content": text, "url": text}],
        },
        odd_texts,
    ),
    st.builds(
        lambda text: {"type": "thinking", "thinking": text, "signature": text},
        odd_texts,
    ),
    images,
)
built_in = st.sampled_from(
    [
        {"type": "bash_20250124", "name": "bash"},
        {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"},
        {"type": "computer_20251124", "name": "computer", "display_width_px": 1},
        {"type": "computer_toolset_20260801"},
        {"type": "browser_toolset_20260801", "configs": {"zoom": {"enabled": True}}},
        {"type": "memory_20250818", "name": "memory"},
    ]
)


def paper(text: str) -> Json:
    source = {"type": "text", "media_type": "text/plain", "data": text}
    return {"type": "document", "source": source}


own_tools = st.builds(
    lambda text, schema, more: (
        {"name": "tool_0", "description": text, "input_schema": schema} | more
    ),
    odd_texts,
    schemas(),
    st.dictionaries(words, odd_texts, max_size=2),
)


@st.composite
def odd_bodies(draw: st.DrawFn) -> Json:
    """For `/v1/messages`."""
    turn = st.builds(
        lambda content, more: {"role": "user", "content": content} | more,
        st.one_of(odd_texts, st.lists(odd_blocks, max_size=5)),
        st.sampled_from([{}, {"output_config": {"effort": "low"}}, {"unknown": "field"}]),
    )
    letter = draw(st.sampled_from([None, {"type": "text", "text": "x"}, paper("x")]))
    messages = draw(st.lists(turn, min_size=1, max_size=4))
    if letter:
        messages.append({"role": "user", "content": [letter] * draw(st.integers(1, 900))})
    tools = draw(st.lists(st.one_of(built_in, own_tools), max_size=4))
    body = {"model": "claude-sonnet-4-6", "max_tokens": 1, "messages": messages}
    if tools:
        body["tools"] = tools
    if draw(st.booleans()):
        body["system"] = draw(st.one_of(odd_texts, st.lists(text_blocks, min_size=1, max_size=2)))
    return body
