"""`scenarios.py BASE_URL KEY POOR_KEY NAME [...]`: one use of the client, told as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

import instructor  # type: ignore[import-not-found]
import openai
from instructor.exceptions import (  # type: ignore[import-not-found]
    InstructorRetryException,
)
from pydantic import BaseModel, Field

ADA = 'This is "Ada", aged 36.'
MOST_TOKENS = 1_000


class Person(BaseModel):
    name: str
    age: int = Field(ge=0)


def asked(model: str = "haiku") -> dict[str, Any]:
    return {
        "model": model,
        "messages": [{"role": "user", "content": ADA}],
        "max_tokens": MOST_TOKENS,
        "response_model": Person,
    }


class Scenarios:
    def __init__(self, base_url: str, key: str, poor_key: str) -> None:
        self.base_url, self.key, self.poor_key = base_url, key, poor_key

    def client(self, mode: Any = instructor.Mode.TOOLS, key: str | None = None) -> Any:
        plain = openai.OpenAI(base_url=self.base_url, api_key=key or self.key)
        return instructor.from_openai(plain, mode=mode)

    def tools(self, model: str) -> object:
        person, answer = self.client().chat.completions.create_with_completion(**asked(model))
        return {"person": person.model_dump(), "usage": answer.usage.model_dump()}

    def json_schema(self, model: str) -> object:
        mode = instructor.Mode.JSON_SCHEMA
        return self.client(mode).chat.completions.create(**asked(model)).model_dump()

    def several(self) -> object:
        people = self.client().chat.completions.create_iterable(**asked())
        return [person.model_dump() for person in people]

    def partial(self) -> object:
        states = list(self.client().chat.completions.create_partial(**asked()))
        return {"states": len(states), "last": states[-1].model_dump()}

    def asynchronous(self) -> object:
        async def one() -> object:
            async with openai.AsyncOpenAI(base_url=self.base_url, api_key=self.key) as plain:
                client = instructor.from_openai(plain)
                return (await client.chat.completions.create(**asked())).model_dump()

        return asyncio.run(one())

    def asked_again(self) -> object:
        return self.client().chat.completions.create(**asked(), max_retries=2).model_dump()

    def wrong_key(self) -> object:
        client = self.client(key="tk-wrong")
        return self.refusal(lambda: client.chat.completions.create(**asked()))

    def no_money(self) -> object:
        client = self.client(key=self.poor_key)
        return self.refusal(lambda: client.chat.completions.create(**asked()))

    def no_model(self) -> object:
        return self.refusal(lambda: self.client().chat.completions.create(**asked("gpt-5")))

    @staticmethod
    def refusal(call: Callable[[], object]) -> object:
        """Which vendor's error is behind the client's own."""
        try:
            call()
        except InstructorRetryException as error:
            behind: Any = error.__cause__
            while not isinstance(behind, openai.APIStatusError):
                behind = behind.last_attempt.exception()
            attempts = error.n_attempts
            name = type(behind).__name__
            return {"is": name, "code": behind.code, "attempts": attempts}
        return None


def main(base_url: str, key: str, poor_key: str, name: str, *arguments: str) -> None:
    given = getattr(Scenarios(base_url, key, poor_key), name)(*arguments)
    sys.stdout.write(json.dumps(given))


if __name__ == "__main__":
    main(*sys.argv[1:])
