"""Sizes worked out by hand; `json_bytes` is counted twice later, `text_bytes` once."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.measure import Measure, measure
from app.core.request import Request

ARABIC = "\ufdfa"  # one character of 3 bytes; in its compatibility form 18 of 33


def sized(*blocks: Any, **options: Any) -> Measure:
    message = {"role": "user", "content": list(blocks)}
    return measure(Request("m", (message,), options=options))


def test_text_counts_as_its_bytes_or_those_of_its_compatibility_form() -> None:
    assert sized({"type": "text", "text": "a" * 7}).text_bytes == 7
    assert sized({"type": "text", "text": "é"}).text_bytes == 2
    assert sized({"type": "text", "text": ARABIC}).text_bytes == 33
    assert sized({"type": "text", "text": "e\u0301"}).text_bytes == 3  # composed it has 2
    assert sized({"type": "text", "text": "\ud800"}).text_bytes == 3  # half a pair
    called = {"type": "tool_use", "id": "i", "name": "n", "input": {"a": ARABIC}}
    assert sized(called).json_bytes == 33 + len(
        '{"type":"tool_use","id":"i","name":"n","input":{"a":""}}'
    )


def test_every_block_and_every_document_is_counted() -> None:
    letter = {"type": "text", "text": "x"}
    assert sized(*[letter] * 9_000).blocks == 9_000
    paper = {"type": "document", "source": {"type": "text", "data": "x"}}
    found = sized(*[paper] * 500)
    assert (found.blocks, found.documents, found.text_bytes) == (500, 500, 500)
    result = {"type": "search_result", "source": "s", "title": "t", "content": [letter]}
    found = sized(result)
    assert (found.blocks, found.documents, found.text_bytes) == (2, 1, 0)
    # the text in it, and {"type":"search_result","source":"s","title":"t"}
    assert found.json_bytes == 1 + 49


FORTY = "x" * 40_000
LARGE = [
    # whatever is large somewhere is measured there
    {"type": "text", "text": "t", "unknown": FORTY},
    {"type": "text", "text": "t", "cache_control": {"type": "ephemeral", "unknown": FORTY}},
    {"type": "text", "text": "t", "citations": [{"type": "char_location", "cited_text": FORTY}]},
    {"type": "image", "source": {"type": "base64", "data": "", "unknown": FORTY}},
    {"type": "image", "source": {"type": "base64", "data": ""}, "unknown": FORTY},
    {"type": "document", "source": {"type": "text", "data": "d"}, "title": FORTY},
    {"type": "document", "source": {"type": "text", "data": "d"}, "context": FORTY},
    {"type": "document", "source": {"type": "text", "data": "d"}, "unknown": FORTY},
    {"type": "thinking", "thinking": "t", "signature": FORTY},
    {"type": "thinking", "thinking": "t", "signature": "s", "unknown": FORTY},
    {"type": "redacted_thinking", "data": FORTY},
    {"type": "tool_use", "id": "i", "name": "n", "input": {}, "toolset_name": FORTY},
    {"type": "tool_use", "id": FORTY, "name": "n", "input": {}},
    {"type": "tool_use", "id": "i", "name": "n", "input": {}, "caller": {"tool_id": FORTY}},
    {"type": "tool_result", "tool_use_id": "i", "toolset_name": FORTY},
    {"type": "tool_result", "tool_use_id": "i", "content": FORTY},
    {"type": "tool_result", "tool_use_id": "i", "content": [{"type": "text", "text": FORTY}]},
    {"type": "web_search_tool_result", "content": [{"encrypted_content": FORTY}]},
    {"type": "web_search_tool_result", "content": {"error_code": FORTY}},
    {"type": "mcp_tool_use", "id": "i", "name": "n", "server_name": FORTY, "input": {}},
    {"type": "compaction", "content": None, "encrypted_content": FORTY},
    {"type": "fallback", "from": {"model": FORTY}, "to": {}},
    {"type": "mcp_tool_listing", "mcp_server_name": "s", "tools": [{"name": FORTY}]},
]


@pytest.mark.parametrize("block", LARGE)
def test_nothing_in_a_block_goes_unmeasured(block: dict[str, Any]) -> None:
    found = sized(block)
    assert found.text_bytes + found.json_bytes >= 40_000


def test_a_tool_call_and_its_result_count_with_all_they_hold_as_structure() -> None:
    call = {"type": "tool_use", "id": "i", "name": "n", "input": {"a": 1}}
    assert (sized(call).text_bytes, sized(call).json_bytes) == (0, 55)
    result = {"type": "tool_result", "tool_use_id": "i", "content": "abc"}
    # the text, and {"type":"tool_result","tool_use_id":"i"}
    assert (sized(result).text_bytes, sized(result).json_bytes) == (0, 3 + 40)
    assert sized(result).text_chars == 3


def test_a_reference_to_a_tool_counts_as_the_tool_each_time() -> None:
    tool = {"name": "f", "description": "d" * 1_000, "defer_loading": True}
    size = len('{"name":"f","description":"","defer_loading":true}') + 1_000
    reference = {"type": "tool_reference", "tool_name": "f"}
    own = len('{"type":"tool_reference","tool_name":"f"}')
    result = {"type": "tool_result", "content": [reference] * 3}
    found = {
        "type": "tool_search_tool_result",
        "content": {"type": "tool_search_tool_search_result", "tool_references": [reference] * 2},
    }
    message = {"role": "user", "content": [result, found, reference]}
    sizes = measure(Request("m", (message,), tools=(tool,)))
    frames = len('{"type":"tool_result"}{"type":"tool_search_tool_result"}')
    frames += len('{"type":"tool_search_tool_search_result"}')
    assert sizes.json_bytes == size + frames + 6 * (own + size)
    strange = [{**reference, "tool_name": name} for name in ("g", None, ["f"])]
    assert measure(Request("m", ({"role": "user", "content": strange},))).blocks == 3


def test_a_tool_that_is_added_by_reference_or_brings_its_own_protocol_counts_so() -> None:
    computer = {"type": "computer_20251124", "name": "computer"}
    added = {"type": "tool_addition", "tool": {"type": "tool_reference", "name": "computer"}}
    message = {"role": "system", "content": [added]}
    once = measure(Request("m", (message,)))
    sizes = measure(Request("m", (message,), tools=(computer,)))
    assert sizes.json_bytes - once.json_bytes == 2 * 46 + 2_000


def test_a_text_that_is_cut_to_be_cited_has_a_piece_for_each_sentence() -> None:
    letters = {"type": "document", "source": {"type": "text", "data": "a. " * 500}}
    assert sized(letters).blocks == 1
    assert sized({**letters, "citations": {"enabled": True}}).blocks == 501


def test_a_document_that_is_cut_to_be_cited_counts_as_structure() -> None:
    paper = {"type": "document", "source": {"type": "text", "data": "a. b."}}
    assert (sized(paper).text_bytes, sized(paper).json_bytes) == (5, 0)
    cited = {**paper, "citations": {"enabled": True}}
    # the text, and {"citations":{"enabled":true}}
    assert (sized(cited).text_bytes, sized(cited).json_bytes) == (0, 5 + 30)


REFERENCES = [
    # block, by reference, unsized
    ({"type": "image", "source": {"type": "base64", "data": ""}}, 0, 0),
    ({"type": "image", "source": {"type": "url", "url": "https://x.example"}}, 1, 0),
    ({"type": "image", "source": {"type": "file", "file_id": "f"}}, 1, 0),
    ({"type": "document", "source": {"type": "url", "url": "https://x.example"}}, 1, 1),
    ({"type": "document", "source": {"type": "file", "file_id": "f"}}, 1, 1),
    ({"type": "document", "source": {"type": "base64", "data": "AAAA"}}, 0, 0),
    ({"type": "document", "source": {"type": "later"}}, 1, 1),
    ({"type": "container_upload", "file_id": "f"}, 1, 1),
    ({"type": "later"}, 1, 1),
]


@pytest.mark.parametrize(("block", "by_reference", "unsized"), REFERENCES)
def test_what_stands_elsewhere_is_told_wherever_it_is_named(
    block: dict[str, Any], by_reference: int, unsized: int
) -> None:
    fetched = {"type": "web_fetch_result", "url": "u", "content": block}
    for placed in (
        block,
        {"type": "tool_result", "tool_use_id": "i", "content": [block]},
        {"type": "document", "source": {"type": "content", "content": [block]}},
        {"type": "web_fetch_tool_result", "tool_use_id": "i", "content": fetched},
    ):
        found = sized(placed)
        assert (found.by_reference, found.unsized) == (by_reference, unsized)


def test_unknown_blocks_fields_and_edits_are_named() -> None:
    edits = [{"type": "clear_thinking_20251015"}, {"type": "later"}, {"type": "compact_20260112"}]
    found = sized(
        {"type": "text", "text": "t"},
        {"type": "tool_result", "tool_use_id": "i", "content": [{"type": "later"}]},
        {"type": ["text"]},
        speed="fast",
        new_field=0,
        absent=None,
        context_management={"edits": edits},
    )
    assert found.unknown == (
        "content.later",
        "content.['text']",
        "new_field",
        "context_management.later",
        "context_management.compact_20260112",
    )


def addition(tool: Any) -> dict[str, Any]:
    return {"type": "tool_addition", "tool": tool}


def test_tools_that_messages_bring_along_are_found() -> None:
    search = {"type": "web_search_20260318", "name": "web_search"}
    defined = {"type": "tool_definition", "definition": search}
    found = sized(addition(defined), {"type": "compaction", "tool_changes": [addition(defined)]})
    assert found.defined == (search, search)
    assert (found.tools, found.unknown) == (2, ())
    known = sized(addition({"type": "tool_reference", "name": "n"}))
    assert (known.defined, known.unknown) == ((), ())
    for odd in ({"type": "later"}, {"type": "tool_definition"}, None, "f", search):
        [name] = sized(addition(odd)).unknown
        assert name.startswith("content.tool_addition.")


def test_a_mark_of_null_is_none() -> None:
    marked = {"type": "text", "text": "t", "cache_control": {"type": "ephemeral"}}
    assert sized(marked).marks == 1
    assert sized({**marked, "cache_control": None}, cache_control=None).marks == 0


def test_fields_that_reach_the_model_are_measured_and_others_are_not() -> None:
    found = sized(metadata={"user_id": FORTY}, stop_sequences=["abc"])
    assert found.json_bytes == len('["abc"]')


def test_a_body_as_deep_as_bodies_can_be_is_measured() -> None:
    block: dict[str, Any] = {"type": "text", "text": "x"}
    for _ in range(250):
        block = {"type": "web_fetch_result", "content": block}
    assert sized(block).blocks == 251


HOUR = {"type": "ephemeral", "ttl": "1h"}
LIFETIMES = [
    # a block, the longest lifetime in it
    ({"type": "text", "text": "t"}, None),
    ({"type": "text", "text": '"cache_control":{"ttl":"1h"}'}, None),
    ({"type": "tool_use", "id": "i", "name": "n", "input": '"cache_control":{"ttl":"1h"}'}, None),
    ({"type": "text", "text": "t", "cache_control": None}, None),
    ({"type": "text", "text": "t", "cache_control": {"type": "ephemeral"}}, "5m"),
    ({"type": "text", "text": "t", "cache_control": {"type": "ephemeral", "ttl": "5m"}}, "5m"),
    ({"type": "text", "text": "t", "cache_control": {"type": "ephemeral", "ttl": None}}, "5m"),
    ({"type": "text", "text": "t", "cache_control": HOUR}, "1h"),
    ({"type": "text", "text": "t", "cache_control": {"type": "ephemeral", "ttl": "24h"}}, "1h"),
    ({"type": "text", "text": "t", "cache_control": "odd"}, "1h"),
    ({"type": "text", "text": "t", "cache_control": {"odd": {}}}, "1h"),
    ({"type": "image", "source": {}, "cache_control": HOUR}, "1h"),
    (
        {"type": "tool_result", "content": [{"type": "text", "text": "t", "cache_control": HOUR}]},
        "1h",
    ),
    ({"type": "tool_addition", "tool": {"definition": {"cache_control": HOUR}}}, "1h"),
    (
        {"type": "compaction", "tool_changes": [{"type": "tool_removal", "cache_control": HOUR}]},
        "1h",
    ),
    ({"type": "text", "text": "t", "citations": [{"cache_control": HOUR}]}, "1h"),
    ({"type": "web_search_tool_result", "content": {"cache_control": HOUR}}, "1h"),
]


@pytest.mark.parametrize(("block", "ttl"), LIFETIMES)
def test_the_longest_lifetime_is_found_wherever_a_mark_stands(
    block: dict[str, Any], ttl: str | None
) -> None:
    assert sized(block).ttl == ttl
    short = {"type": "text", "text": "t", "cache_control": {"type": "ephemeral"}}
    assert sized(short, block, short).ttl == ("1h" if ttl == "1h" else "5m")
    assert sized(block, cache_control=HOUR).ttl == "1h"


def test_a_tools_mark_is_told_from_what_its_schema_calls_so() -> None:
    schema = {"properties": {"ttl": {"type": "string"}, "cache_control": {"type": "string"}}}
    tool = {"name": "f", "input_schema": schema, "cache_control": {"type": "ephemeral"}}
    assert measure(Request("m", (), tools=(tool,))).ttl == "5m"
    assert measure(Request("m", (), tools=({**tool, "cache_control": HOUR},))).ttl == "1h"
