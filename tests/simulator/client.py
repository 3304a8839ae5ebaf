"""How these tests talk to a simulator: over a real socket."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import httpx2

HAIKU = "claude-haiku-4-5-20251001"  # a token is four bytes; caches from 4,096 tokens on
SONNET = "claude-sonnet-4-6"  # a token is four bytes; caches from 1,024 tokens on
NEW_SONNET = "claude-sonnet-5-5"  # 13 tokens are forty bytes; caches from 512 tokens on

Json = dict[str, Any]


class Simulated:
    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx2.Client(base_url=url, timeout=10)

    def headers(self, key: str = "key-1", version: str = "2023-06-01") -> dict[str, str]:
        return {"x-api-key": key, "anthropic-version": version}

    def send(self, body: Json, **options: str) -> httpx2.Response:
        return self.http.post("/v1/messages", json=body, headers=self.headers(**options))

    def ask(self, body: Json, **options: str) -> Json:
        answer = self.send(body, **options)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    def usage(self, body: Json, **options: str) -> tuple[int, int, int, int]:
        """Uncached, 5-minute writes, 1-hour writes, reads."""
        usage = self.ask(body, **options)["usage"]
        split = usage["cache_creation"]
        return (
            usage["input_tokens"],
            split["ephemeral_5m_input_tokens"],
            split["ephemeral_1h_input_tokens"],
            usage["cache_read_input_tokens"],
        )

    def stream(self, body: Json, **options: str) -> list[tuple[str, Json]]:
        answer = self.send(body | {"stream": True}, **options)
        assert answer.status_code == 200, answer.text
        return events_of(answer.text)

    def count(self, body: Json, **options: str) -> int:
        answer = self.http.post(
            "/v1/messages/count_tokens", json=body, headers=self.headers(**options)
        )
        assert answer.status_code == 200, answer.text
        return int(answer.json()["input_tokens"])

    def faults(self, *faults: Json, **order: Any) -> None:
        self.tell("faults", {"faults": list(faults)} | order)

    def reply(self, *replies: Json, **order: Any) -> None:
        self.tell("replies", {"replies": list(replies)} | order)

    def tell(self, what: str, order: Json) -> Json:
        answer = self.http.post(f"/_sim/{what}", json=order)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    def log(self) -> list[Json]:
        found: list[Json] = self.http.get("/_sim/log").json()["entries"]
        return found

    def summary(self) -> Json:
        found: Json = self.http.get("/_sim/log", params={"summary": "1"}).json()
        return found

    def last_entry(self) -> Json:
        """The last entry, once it is closed."""
        return wait_for(lambda: next((e for e in self.log()[-1:] if not e["open"]), None))


def events_of(text: str) -> list[tuple[str, Json]]:
    found = []
    for part in text.strip().split("\n\n"):
        name, data = part.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def wait_for(look: Callable[[], Json | None], seconds: float = 5.0) -> Json:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(0.01)
    raise AssertionError("it did not happen in time")


def question(text: str, model: str = SONNET, **fields: Any) -> Json:
    body = {"model": model, "max_tokens": 500, "messages": [{"role": "user", "content": text}]}
    return body | fields


def text_block(text: str, ttl: str | None = None) -> Json:
    """A text block; with a breakpoint when a lifetime is given."""
    block: Json = {"type": "text", "text": text}
    if ttl is not None:
        block["cache_control"] = {"type": "ephemeral", "ttl": ttl}
    return block


def tool(name: str, **properties: Json) -> Json:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"name": name, "description": f"Does {name}.", "input_schema": schema}


WEATHER = tool("get_weather", city={"type": "string"}, days={"type": "integer"})
