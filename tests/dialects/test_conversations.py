"""One conversation is the same one in every dialect and form, and stays it as it goes on."""

from __future__ import annotations

import base64
from hashlib import blake2b
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.conversations import conversation_of
from app.core.request import Request
from app.dialects.anthropic.messages import parse as parse_messages
from app.dialects.openai_chat.request import parse as parse_chat
from app.dialects.openai_responses.request import parse as parse_responses
from tests.dialects.openai_chat.dialogues import OPENING

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n and more!!").decode()
PDF = base64.b64encode(b"%PDF-1.7 and more").decode()
PDF_URL = f"data:application/pdf;base64,{PDF}"
MARK: dict[str, Any] = {"cache_control": {"type": "ephemeral"}}


def chat(*messages: Any, **fields: Any) -> Request:
    return parse_chat(orjson.dumps({"model": "auto", "messages": messages, **fields})).request


def responses(*items: Any, **fields: Any) -> Request:
    given = items[0] if items and isinstance(items[0], str) else items
    return parse_responses(orjson.dumps({"model": "auto", "input": given, **fields})).request


def native(*messages: Any, **fields: Any) -> Request:
    body = {"model": "auto", "max_tokens": 9, "messages": messages, **fields}
    return parse_messages(orjson.dumps(body))


def user(content: Any, **fields: Any) -> dict[str, Any]:
    return {"role": "user", "content": content, **fields}


def assistant(content: Any, **fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **fields}


def text(words: str, kind: str = "text", **fields: object) -> dict[str, Any]:
    return {"type": kind, "text": words, **fields}


def ids(*requests: Request) -> set[str]:
    return {conversation_of(request, "key_1", None) for request in requests}


CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
TOOL_USE = {"type": "tool_use", "id": "toolu_9", "name": "look", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_9", "content": "Sunny"}

SAME: dict[str, tuple[Request, ...]] = {
    "a text, as such and in parts": (
        chat(user("Hello")),
        chat(user([text("Hello")])),
        responses("Hello"),
        responses(user("Hello")),
        responses({"type": "message", **user([text("Hello", "input_text")])}),
        native(user("Hello")),
        native(user([text("Hello")])),
    ),
    "with marks": (
        chat(user("Hello")),
        chat(user("Hello", **MARK)),
        chat(user([text("Hello", **MARK)])),
        chat(user([text("Hello", prompt_cache_breakpoint={"mode": "explicit"})])),
        responses(user([text("Hello", "input_text", **MARK)])),
        native(user([text("Hello", cache_control=None)])),
        native(user([text("Hello", **MARK)]), cache_control={"type": "ephemeral"}),
    ),
    "with another model, streamed, limited, with tools and a system prompt": (
        chat(user("Hello")),
        chat(user("Hello"), model="haiku", stream=True, max_tokens=5, temperature=0.5),
        chat({"role": "system", "content": "Be brief. It is 10:00."}, user("Hello")),
        chat({"role": "developer", "content": "It is 10:01."}, user("Hello")),
        chat(user("Hello"), tools=[{"type": "function", "function": {"name": "look"}}]),
        chat(user("Hello"), response_format={"type": "json_object"}),
        responses("Hello", instructions="Be brief.", stream=True),
        responses({"role": "system", "content": "Be brief."}, user("Hello")),
        native(user("Hello"), system="Be brief.", stream=True),
        native(user("Hello"), system=[text("Be brief.")], thinking={"type": "adaptive"}),
    ),
    "with turns that follow": (
        chat(user("Hello")),
        chat(user("Hello"), assistant("Hi!"), user("More")),
        chat(user("Hello"), assistant(""), user("More")),
        chat(
            user("Hello"),
            assistant(None, tool_calls=[CALL]),
            {"role": "tool", "tool_call_id": "call_1", "content": "Sunny"},
            user("More"),
        ),
        chat(user("Hello"), assistant("Hi!"), {"role": "system", "content": "Soon."}, user("M")),
        responses(user("Hello"), assistant("Hi!"), user("More")),
        native(user("Hello"), assistant("Hi!"), user("More")),
        native(user("Hello"), assistant([TOOL_USE]), user([RESULT, text("More")])),
    ),
    "of several messages, apart or as one": (
        chat(user("One"), user("Two")),
        chat(user([text("One"), text("Two")])),
        chat(user("One"), {"role": "system", "content": "Soon."}, user("Two"), assistant("Hi")),
        responses(user("One"), user("Two"), assistant("Hi"), user("Three")),
        native(user("One"), user("Two")),
        native(user([text("One"), text("Two")]), assistant("Hi"), user("Three")),
    ),
    "begun with a greeting": (
        chat(user("Hello")),
        chat(assistant("How can I help?"), user("Hello")),
        chat(assistant("How can I help?"), user("Hello"), assistant("Hi"), user("More")),
        responses(assistant("How can I help?"), user("Hello")),
        native(assistant("How can I help?"), user("Hello")),
    ),
    "begun with a call and its result": (
        chat(user("Hello")),
        chat(
            assistant(None, tool_calls=[CALL]),
            {"role": "tool", "tool_call_id": "call_1", "content": "Sunny"},
            user("Hello"),
        ),
        responses(
            {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "Sunny"},
            user("Hello"),
        ),
        native(assistant([TOOL_USE]), user([RESULT]), user("Hello")),
        native(assistant([TOOL_USE]), user([RESULT, text("Hello")])),
    ),
    "after blanks": (
        chat(user("Hello")),
        chat({"role": "system", "content": "Be brief."}, user(" "), user("Hello")),
        chat(user("\n"), user("Hello")),
        chat(user([text(" "), text("Hello")])),
        responses(user(""), user("Hello")),
        native(user("  "), user([text("\n"), text("Hello")])),
    ),
    "nobody said a word": (
        chat({"role": "system", "content": "Tell a joke."}),
        chat({"role": "system", "content": "Tell another."}, user(" ")),
        chat({"role": "system", "content": "Tell a joke."}, assistant("Knock")),
        responses({"role": "developer", "content": "Tell a joke."}),
        native(user([RESULT])),
    ),
    "a picture": (
        chat(
            user(
                [
                    text("What is it?"),
                    {
                        "type": "image_url",
                        "image_url": {"url": f"data:image/jpeg;base64,{PNG}", "detail": "low"},
                    },
                ]
            )
        ),
        responses(
            user(
                [
                    text("What is it?", "input_text"),
                    {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
                ]
            )
        ),
        native(
            user(
                [
                    text("What is it?"),
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": PNG},
                        **MARK,
                    },
                ]
            )
        ),
    ),
    "a picture by its URL": (
        chat(user([{"type": "image_url", "image_url": {"url": "https://e.com/a.png"}}])),
        responses(user([{"type": "input_image", "image_url": "https://e.com/a.png"}])),
        native(user([{"type": "image", "source": {"type": "url", "url": "https://e.com/a.png"}}])),
    ),
    "a document": (
        chat(user([{"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}}])),
        responses(user([{"type": "input_file", "file_data": PDF_URL}])),
        native(
            user(
                [
                    {
                        "type": "document",
                        "source": {"media_type": "application/pdf", "type": "base64", "data": PDF},
                        "citations": {"enabled": True},
                    }
                ]
            )
        ),
    ),
    "an end user and a cache key": (
        chat(user("Hello"), user="u1", prompt_cache_key="k"),
        responses("Hello", safety_identifier="u1", prompt_cache_key="k"),
        native(user("Hello"), metadata={"user_id": "u1"}, prompt_cache_key="k"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SAME)
def test_one_conversation_is_one_in_every_dialect_and_form(case: str) -> None:
    assert len(ids(*SAME[case])) == 1, [
        conversation_of(request, "key_1", None) for request in SAME[case]
    ]


def test_other_words_users_keys_and_pictures_are_other_conversations() -> None:
    png, other = PNG, base64.b64encode(b"\x89PNG\r\n\x1a\n and less!!").decode()
    apart = (
        chat(user("Hello")),
        chat(user("hello")),
        chat(user("Hello ")),
        chat(user("Go ahead.")),
        chat({"role": "system", "content": "Hello"}),
        chat(user([text("Hel"), text("lo")])),
        chat(user("Hello"), user="u1"),
        chat(user("Hello"), prompt_cache_key="u1"),
        *(
            native(user([{"type": kind, "source": {"type": source, name: data}}]))
            for kind, source, name, data in (
                ("image", "base64", "data", png),
                ("image", "base64", "data", other),
                ("image", "url", "url", "https://e.com/a.png"),
                ("document", "url", "url", "https://e.com/a.png"),
                ("image", "file", "file_id", "file_1"),
            )
        ),
    )
    assert len(ids(*apart)) == len(apart)
    long = [
        native(user([{"type": "image", "source": {"type": "base64", "data": data}}]))
        for data in (f"a{png * 2_000}", f"b{png * 2_000}", f"a{png * 2_000}b", f"a{png * 2_001}")
    ]
    assert len(ids(*long)) == len(long)
    assert conversation_of(apart[0], "key_1", None) != conversation_of(apart[0], "key_2", None)


def test_a_user_who_says_what_the_gateway_says_for_one_goes_on_in_one_conversation() -> None:
    begun = chat(user("Go ahead."))
    assert len(ids(begun, chat(user("Go ahead."), assistant("Hi"), user("More")))) == 1


def test_thinking_with_the_gateways_own_words_before_it_changes_nothing() -> None:
    call = parse_responses(
        orjson.dumps(
            {
                "model": "auto",
                "input": "Hello",
                "include": ["reasoning.encrypted_content"],
                "text": {"format": {"type": "json_object"}},
            }
        )
    )
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    reasoning: dict[str, Any] = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [],
        "encrypted_content": call.seal(thinking, OPENING),
    }
    later = responses(user("Hello"), reasoning, assistant("{}"), user("More"))
    assert any("JSON" in str(turn) for turn in later.messages)
    assert len(ids(call.request, later)) == 1


@pytest.mark.parametrize(
    ("request_", "digested"),
    [
        (
            chat(user("Hello")),
            (b"begun 5 key_1", b"begun 0 ", b"begun 0 ", b"text 5 Hello"),
        ),
        (
            native(user("Grüße"), metadata={"user_id": "u1"}, prompt_cache_key="k"),
            (b"begun 5 key_1", b"begun 2 u1", b"begun 1 k", b"text 7 Gr\xc3\xbc\xc3\x9fe"),
        ),
    ],
)  # fmt: skip
def test_every_replica_makes_the_same_of_a_request(
    request_: Request, digested: tuple[bytes, ...]
) -> None:
    expected = blake2b(b"".join(digested), digest_size=8).hexdigest()
    assert conversation_of(request_, "key_1", None) == expected


def test_a_name_is_all_that_counts_within_its_key() -> None:
    first, second = chat(user("Hello"), user="u1"), responses("Other")
    named = conversation_of(first, "key_1", "chat-7")
    assert named == blake2b(b"named 5 key_1named 6 chat-7", digest_size=8).hexdigest()
    assert conversation_of(second, "key_1", "chat-7") == named
    assert conversation_of(first, "key_2", "chat-7") != named
    assert conversation_of(first, "key_1", "chat-8") != named


def test_a_half_of_a_surrogate_pair_is_a_letter_like_others() -> None:
    torn = Request("auto", (), first_words=("\ud83d",))
    assert len(conversation_of(torn, "key_1", None)) == 16


WORDS = st.text(min_size=1, max_size=20).filter(lambda t: bool(t.strip()) and t.isprintable())


@given(first=st.lists(WORDS, min_size=1, max_size=3), later=st.lists(WORDS, max_size=4))
def test_whatever_is_said_later_the_dialects_agree(first: list[str], later: list[str]) -> None:
    begun = [user(words) for words in first]
    turns = [assistant("Yes."), *(user(words) for words in later)]
    as_blocks = [user([text(words) for words in first])]
    assert (
        len(
            ids(
                chat(*begun),
                chat(*begun, *turns),
                responses(*begun, *turns),
                native(*as_blocks),
                native(*as_blocks, *turns),
            )
        )
        == 1
    )
