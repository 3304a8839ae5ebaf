"""One whole answer: thinking, searches, then text, JSON or tool calls, cut where it must be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import orjson

from app.simulator.answers.prose import prose, thoughts
from app.simulator.answers.question import Question, read_question
from app.simulator.answers.schema_values import SchemaValues
from app.simulator.answers.tool_calls import choose_calls, choose_searches
from app.simulator.facts import Model
from app.simulator.json_values import JsonObject, as_object, as_objects
from app.simulator.seals import seal
from app.simulator.tokens import SEARCH_RESULT_TOKENS, block_tokens, most_bytes

NewId = Callable[[str], str]
"""Makes an identifier with the given prefix."""

_THOUGHTS_PER_EFFORT: Final = MappingProxyType(
    {"low": 3, "medium": 6, "high": 12, "xhigh": 18, "max": 24}
)
_QUOTED_RESULT_CHARS: Final = 400
OPENING: Final = "This answer is simulated. "


@dataclass(slots=True)
class Answer:
    content: list[JsonObject] = field(default_factory=list)
    stop_reason: str = "end_turn"
    stop_sequence: str | None = None
    stop_details: JsonObject | None = None
    block_tokens: list[int] = field(default_factory=list)
    thinking_tokens: int = 0
    web_searches: int = 0
    cut_tokens: int = 0
    """Generated, but not shown: a tool call that did not fit."""

    @property
    def output_tokens(self) -> int:
        return sum(self.block_tokens) + self.cut_tokens

    @property
    def search_result_tokens(self) -> int:
        return self.web_searches * SEARCH_RESULT_TOKENS


class _Writer:
    """Appends blocks while there is room; after the first that does not fit, nothing more."""

    def __init__(self, model: Model, room_tokens: int) -> None:
        self.answer = Answer()
        self._model = model
        self._room_tokens = room_tokens
        self.full = room_tokens == 0

    def text(self, block: JsonObject, name: str = "text") -> int:
        """Add a block whose text may be cut; its tokens."""
        if self.full:
            return 0
        tokens = block_tokens(block, self._model)
        if tokens > self._room_tokens:
            self.full = True
            kept = str(block[name]).encode()[: most_bytes(self._room_tokens, self._model)]
            if not kept:
                return 0
            block = block | {name: kept.decode(errors="ignore")}
            tokens = self._room_tokens
        self._append(block, tokens)
        return tokens

    def whole(self, block: JsonObject) -> None:
        """Add a block that is left out when it does not fit."""
        if self.full:
            return
        tokens = block_tokens(block, self._model)
        if tokens > self._room_tokens:
            self.answer.cut_tokens, self._room_tokens, self.full = self._room_tokens, 0, True
            return
        self._append(block, tokens)

    def free(self, block: JsonObject) -> None:
        """Add a block that the model did not generate."""
        if not self.full:
            self._append(block, 0)

    def _append(self, block: JsonObject, tokens: int) -> None:
        self.answer.content.append(block)
        self.answer.block_tokens.append(tokens)
        self._room_tokens -= tokens


def compose(
    body: JsonObject, model: Model, prompt_tokens: int, new_id: NewId, *, opening: str = ""
) -> Answer:
    """The answer to a valid request, at most `max_tokens` long and within the context window.

    Prose begins with `opening`; JSON and tool calls are as they were asked for.
    """
    question = read_question(body)
    max_tokens = int(body["max_tokens"])
    room_tokens = min(max_tokens, model.context_tokens - prompt_tokens)
    writer = _Writer(model, room_tokens)
    _think(writer, body, model, question)
    _search(writer, body, question, new_id)
    calls = choose_calls(body, question)
    if calls:
        if as_object(body.get("tool_choice")).get("type", "auto") == "auto":
            text = f"{opening}I will use {calls[0].name} for this."
            writer.text({"type": "text", "text": text})
        for call in calls:
            writer.whole(
                {
                    "type": "tool_use",
                    "id": new_id("toolu_"),
                    "name": call.name,
                    "input": call.input,
                }
            )
        writer.answer.stop_reason = "tool_use"
    else:
        _say(writer, body, question, opening)
    answer = writer.answer
    if writer.full and answer.stop_sequence is None:
        within = room_tokens == max_tokens
        answer.stop_reason = "max_tokens" if within else "model_context_window_exceeded"
    return answer


def _think(writer: _Writer, body: JsonObject, model: Model, question: Question) -> None:
    thinking = as_object(body.get("thinking"))
    effort = as_object(body.get("output_config")).get("effort")
    asked = thinking.get("type") in {"enabled", "adaptive"}
    between = thinking.get("type") == "between_tools" and bool(question.tool_results)
    by_itself = model.always_thinks and effort is not None and "type" not in thinking
    if not (asked or between or by_itself):
        return
    text = thoughts(question, _THOUGHTS_PER_EFFORT.get(str(effort), 6))
    block = {"type": "thinking", "thinking": text, "signature": seal(body)}
    writer.answer.thinking_tokens = writer.text(block, "thinking")
    if thinking.get("display") == "omitted" and writer.answer.content:
        writer.answer.content[-1] = block | {"thinking": ""}


def _search(writer: _Writer, body: JsonObject, question: Question, new_id: NewId) -> None:
    for at in range(choose_searches(body, question)):
        call_id = new_id("srvtoolu_")
        topic = question.topics[at % len(question.topics)] if question.topics else "news"
        query = {"query": " ".join(question.topics[:3]) or topic}
        block = {"type": "server_tool_use", "id": call_id, "name": "web_search", "input": query}
        writer.whole(block)
        if writer.full:
            return
        result = {
            "type": "web_search_result",
            "url": f"https://example.com/{topic.lower()}",
            "title": f"About {topic}",
            "encrypted_content": question.seed.hex(),
            "page_age": None,
        }
        writer.free({"type": "web_search_tool_result", "tool_use_id": call_id, "content": [result]})
        writer.answer.web_searches += 1


def _say(writer: _Writer, body: JsonObject, question: Question, opening: str) -> None:
    said = _text(body, question, opening)
    text, stop_sequence = _stopped(said, body.get("stop_sequences") or [])
    room_before = writer.full
    if text:
        writer.text({"type": "text", "text": text})
    if stop_sequence is not None and not room_before and not writer.full:
        writer.answer.stop_reason, writer.answer.stop_sequence = "stop_sequence", stop_sequence


def _text(body: JsonObject, question: Question, opening: str) -> str:
    output_format = as_object(as_object(body.get("output_config")).get("format"))
    if output_format:
        schema = as_object(output_format.get("schema"))
        return orjson.dumps(SchemaValues(schema, question).value(schema)).decode()
    if question.tool_results:
        quoted = "; ".join(result[:_QUOTED_RESULT_CHARS] for result in question.tool_results)
        return f"{opening}The tool says: {quoted}. {prose(question)}"
    return opening + prose(question)


def _stopped(text: str, sequences: list[str]) -> tuple[str, str | None]:
    """The text up to the first stop sequence in it, and which one that was."""
    found = [(text.find(sequence), sequence) for sequence in sequences if sequence in text]
    if not found:
        return text, None
    at, sequence = min(found)
    return text[:at], sequence


def scripted_answer(content: list[JsonObject], model: Model) -> Answer:
    """An answer of exact blocks, with the stop reason that they suggest."""
    calls = any(block.get("type") == "tool_use" for block in as_objects(content))
    answer = Answer(content=content, stop_reason="tool_use" if calls else "end_turn")
    answer.block_tokens = [block_tokens(block, model) for block in content]
    thinking = [block for block in content if block.get("type") == "thinking"]
    answer.thinking_tokens = sum(block_tokens(block, model) for block in thinking)
    return answer
