"""From a valid request to the answer that it will get, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app.simulator.answers import Answer, compose
from app.simulator.answers.compose import OPENING, scripted_answer
from app.simulator.answers.question import read_question
from app.simulator.bill import merged_usage, usage_body
from app.simulator.cache import CachePlan
from app.simulator.call import Call, asked
from app.simulator.consultations import consult
from app.simulator.diagnosis import record_of
from app.simulator.errors import invalid
from app.simulator.facts import TTL_S, Model
from app.simulator.handovers import handover, read_chain
from app.simulator.json_values import JsonObject
from app.simulator.prompt import read_prompt
from app.simulator.scripts import ScriptedReply
from app.simulator.tokens import block_tokens
from app.simulator.validation import Asked, check

_AT_THE_END: Final = frozenset(
    {"output_tokens", "output_tokens_details", "server_tool_use", "iterations"}
)
_COUNTS: Final = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "cache_creation",
    "output_tokens",
)
_NOTHING: Final = ScriptedReply()


@dataclass(frozen=True, slots=True)
class Attempt:
    """The request as one model takes it up."""

    model: Model
    body: JsonObject
    prompt_tokens: int
    plan: CachePlan
    hour_marks: bool
    """Whether anything is to be cached for an hour."""


@dataclass(frozen=True, slots=True)
class Outcome:
    attempt: Attempt
    """The one that answers."""
    answer: Answer
    message: JsonObject
    """The whole answer, as it is sent when not streamed."""
    start_usage: JsonObject
    reply: ScriptedReply | None

    @property
    def usage(self) -> JsonObject:
        usage: JsonObject = self.message["usage"]
        return usage


def decide(call: Call) -> Outcome:
    """Validate, look into the cache and compose.  Raises ApiError; nothing is billed yet."""
    simulator, body = call.simulator, call.body
    request = asked(call, counting=False)
    check(request)
    chain = [request, *read_chain(request, simulator.clock.now_s())]
    first = _attempt(call, request)
    reply = simulator.replies.take(call.entry.model, call.entry.raw_body)
    call.entry.scripted = reply is not None
    script = reply or _NOTHING
    hops = script.declines[: len(chain) - 1]
    attempts = [first, *(_attempt(call, request) for request in chain[1 : len(hops) + 1])]
    serving = attempts[-1]
    answer, consultations = _answer(call, serving, script, refused=len(script.declines) > len(hops))
    names = [str(body["model"]), *(attempt.model.id for attempt in attempts[1:])]
    blocks = [handover(names[n], names[n + 1], hop) for n, hop in enumerate(hops)]
    answer.content[:0] = blocks
    answer.block_tokens[:0] = [0] * len(blocks)
    start, final = _usages(serving, answer)
    entries = [_entry("message", hop, _declined(hop)) for hop in attempts[:-1]] + consultations
    usage = merged_usage(final, script.usage)
    if entries and "iterations" not in script.usage:
        kind = "fallback_message" if hops and answer.stop_reason != "refusal" else "message"
        usage["iterations"] = [*entries, _entry(kind, serving, usage)]
    late = {name: value for name, value in script.usage.items() if name not in _AT_THE_END}
    message = _message(call, serving.model, answer, script) | {"usage": usage}
    call.entry.message_id = message["id"]
    record = record_of(body, first.model.id, first.prompt_tokens)
    if body.get("diagnostics") is not None:
        message["diagnostics"] = simulator.diagnoses.of(body, call.account, record)
    simulator.diagnoses.keep(call.account, message["id"], record)
    return Outcome(serving, answer, message, merged_usage(start, late), reply)


def _attempt(call: Call, request: Asked) -> Attempt:
    """Raises ApiError when the prompt does not fit the model's window."""
    model, simulator = request.model, call.simulator
    prompt = read_prompt(request.body, model)
    if prompt.total_tokens > model.context_tokens:
        raise invalid(
            f"prompt is too long: {prompt.total_tokens} tokens > {model.context_tokens} maximum"
        )
    plan = simulator.cache.plan(prompt, call.account, model, simulator.clock.now_s())
    hour_marks = any(position.ttl_s == TTL_S["1h"] for position in prompt.positions)
    return Attempt(model, request.body, prompt.total_tokens, plan, hour_marks)


def _answer(
    call: Call, serving: Attempt, script: ScriptedReply, *, refused: bool
) -> tuple[Answer, list[JsonObject]]:
    """What is said, and the advisor's entries for `usage.iterations`."""
    if refused:
        details = {"type": "refusal", "category": script.declines[-1], "explanation": None}
        return Answer(stop_reason="refusal", stop_details=details), []
    simulator, body = call.simulator, serving.body
    if script.content is not None:
        answer = scripted_answer(list(script.content), serving.model)
    else:
        answer = compose(
            body,
            serving.model,
            serving.prompt_tokens,
            simulator.new_id,
            opening=OPENING if simulator.announced else "",
        )
    now_s = simulator.clock.now_s()
    text = read_question(body).text if script.content is None else ""
    blocks, entries = consult(body, text, script.advises, now_s, simulator.new_id)
    answer.content[:0] = blocks
    answer.block_tokens[:0] = [
        block_tokens(block, serving.model) if block["type"] == "server_tool_use" else 0
        for block in blocks
    ]
    return answer, entries


def _usages(attempt: Attempt, answer: Answer) -> tuple[JsonObject, JsonObject]:
    """As known when the answer starts, and when it is complete."""
    plan = attempt.plan
    start = usage_body(plan, attempt.body, attempt.model, min(1, answer.output_tokens))
    final = start | {
        "input_tokens": plan.input_tokens + answer.search_result_tokens,
        "output_tokens": answer.output_tokens,
    }
    if answer.web_searches:
        final["server_tool_use"] = {
            "web_search_requests": answer.web_searches,
            "web_fetch_requests": 0,
        }
    if answer.thinking_tokens:
        final["output_tokens_details"] = {"thinking_tokens": answer.thinking_tokens}
    return start, final


def _declined(attempt: Attempt) -> JsonObject:
    return usage_body(attempt.plan, attempt.body, attempt.model, 0)


def _entry(kind: str, attempt: Attempt, usage: JsonObject) -> JsonObject:
    counts = {name: usage[name] for name in _COUNTS}
    return {"type": kind, "model": attempt.model.id} | counts


def _message(call: Call, model: Model, answer: Answer, script: ScriptedReply) -> JsonObject:
    message: JsonObject = {
        "id": call.simulator.new_id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": script.model or model.id,
        "content": answer.content,
        "stop_reason": script.stop_reason or answer.stop_reason,
        "stop_sequence": script.stop_sequence or answer.stop_sequence,
        "stop_details": script.stop_details or answer.stop_details,
    }
    return message
