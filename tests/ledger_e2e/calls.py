"""Calls of every kind that is billed differently, each with a text of its own."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
HAIKU = "claude-haiku-4-5-20251001"
NEW_HAIKU = "claude-haiku-5-5"  # five times dearer above 100,000 prompt tokens
OPUS = "claude-opus-5"  # can be fast, and stay in the US
SENTENCE = "The toll is due before the bridge is crossed, and not after it. "  # 64 bytes
OVER_TIER = SENTENCE * 4_900  # 313,600 bytes: 101,920 tokens
UNDER_TIER = SENTENCE * 4_700  # 300,800 bytes: 97,760 tokens, held as if it were over
FAST = {"anthropic-beta": "fast-mode-2026-02-01"}


@dataclass(frozen=True)
class Sent:
    path: str
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


def text(at: int) -> str:
    return f"Say something about bridge {at}."


def user(content: object) -> list[dict[str, Any]]:
    return [{"role": "user", "content": content}]


def png(width: int, height: int) -> str:
    """As much of a picture as tells its size."""
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height)
    return base64.b64encode(head + b"\x08\x06\0\0\0").decode()


def whole(at: int) -> Sent:
    return Sent(CHAT, {"model": "haiku", "max_tokens": 60, "messages": user(text(at))})


def streamed(at: int) -> Sent:
    body = {**whole(at).body, "stream": True, "stream_options": {"include_usage": True}}
    return Sent(CHAT, body)


def written_5m(at: int) -> Sent:
    """A prompt that the gateway itself marks: every third writes one, the others may read it."""
    messages = [{"role": "system", "content": f"Bridge {at // 3}. {SENTENCE * 60}"}]
    body = {"model": NEW_HAIKU, "max_tokens": 60, "messages": [*messages, *user(text(at))]}
    return Sent(CHAT, body)


def written_1h(at: int) -> Sent:
    mark = {"type": "ephemeral", "ttl": "1h"}
    system = [{"type": "text", "text": f"{at}. {SENTENCE * 60}", "cache_control": mark}]
    body = {"model": NEW_HAIKU, "max_tokens": 60, "system": system, "messages": user(text(at))}
    return Sent(MESSAGES, {**body, "stream": at % 2 == 1})


def over_tier(at: int) -> Sent:
    prompt = (OVER_TIER if at % 2 else UNDER_TIER) + text(at)
    return Sent(CHAT, {"model": NEW_HAIKU, "max_tokens": 60, "messages": user(prompt)})


def tools(at: int) -> Sent:
    schema = {"type": "object", "properties": {"span": {"type": "integer"}}, "required": ["span"]}
    tool = {"type": "function", "function": {"name": "toll", "parameters": schema}}
    messages = user(f"Use the toll tool for bridge {at}.")
    body = {"model": "haiku", "max_tokens": 80, "messages": messages, "tools": [tool]}
    return Sent(CHAT, {**body, "stream": at % 2 == 1})


def images(at: int) -> Sent:
    url = f"data:image/png;base64,{png(900 + at, 800)}"
    parts = [{"type": "text", "text": text(at)}, {"type": "image_url", "image_url": {"url": url}}]
    return Sent(CHAT, {"model": NEW_HAIKU, "max_tokens": 60, "messages": user(parts)})


def searches(at: int) -> Sent:
    tool = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}
    messages = user(f"Search the web 3 times for news of bridge {at}.")
    body = {"model": NEW_HAIKU, "max_tokens": 300, "messages": messages, "tools": [tool]}
    return Sent(MESSAGES, {**body, "stream": at % 2 == 1})


def fast_in_the_us(at: int) -> Sent:
    body = {"model": OPUS, "max_tokens": 60, "messages": user(text(at)), "inference_geo": "us"}
    return Sent(MESSAGES, {**body, "speed": "fast", "stream": at % 2 == 1}, FAST)


KINDS: dict[str, Callable[[int], Sent]] = {
    made.__name__: made
    for made in (
        whole,
        streamed,
        written_5m,
        written_1h,
        over_tier,
        tools,
        images,
        searches,
        fast_in_the_us,
    )
}


def mixed(count: int) -> list[Sent]:
    """Of every kind about as many as of any other, the dear and large ones a little rarer."""
    makers = [*KINDS.values(), whole, streamed, written_5m, tools, images, whole, streamed]
    return [makers[at % len(makers)](at) for at in range(count)]
