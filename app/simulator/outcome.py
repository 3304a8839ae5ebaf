"""From a valid request to the answer that it will get, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app.simulator.answers import Answer, compose
from app.simulator.answers.compose import scripted_answer
from app.simulator.bill import merged_usage, usage_body
from app.simulator.cache import CachePlan
from app.simulator.call import Call, asked
from app.simulator.errors import invalid
from app.simulator.facts import Model
from app.simulator.json_values import JsonObject
from app.simulator.prompt import read_prompt
from app.simulator.scripts import ScriptedReply
from app.simulator.validation import check

_AT_THE_END: Final = frozenset({"output_tokens", "output_tokens_details", "server_tool_use"})


@dataclass(frozen=True, slots=True)
class Outcome:
    model: Model
    plan: CachePlan
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
    model = request.model
    check(request)
    prompt = read_prompt(body, model)
    if prompt.total_tokens > model.context_tokens:
        raise invalid(
            f"prompt is too long: {prompt.total_tokens} tokens > {model.context_tokens} maximum"
        )
    plan = simulator.cache.plan(prompt, call.account, model, simulator.clock.now_s())
    reply = simulator.replies.take(body["model"], call.entry.raw_body)
    call.entry.scripted = reply is not None
    if reply is not None and reply.content is not None:
        answer = scripted_answer(reply.content, model)
    else:
        answer = compose(body, model, prompt.total_tokens, simulator.new_id)
    scripted = (reply.usage or {}) if reply is not None else {}
    start, final = _usages(plan, body, model, answer)
    late = {name: value for name, value in scripted.items() if name not in _AT_THE_END}
    message = _message(call, model, answer, reply) | {"usage": merged_usage(final, scripted)}
    call.entry.message_id = message["id"]
    return Outcome(model, plan, answer, message, merged_usage(start, late), reply)


def _usages(
    plan: CachePlan, body: JsonObject, model: Model, answer: Answer
) -> tuple[JsonObject, JsonObject]:
    """As known when the answer starts, and when it is complete."""
    start = usage_body(plan, body, model, min(1, answer.output_tokens))
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


def _message(call: Call, model: Model, answer: Answer, reply: ScriptedReply | None) -> JsonObject:
    message: JsonObject = {
        "id": call.simulator.new_id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": model.id,
        "content": answer.content,
        "stop_reason": answer.stop_reason,
        "stop_sequence": answer.stop_sequence,
        "stop_details": None,
    }
    if reply is not None:
        if reply.stop_reason is not None:
            message["stop_reason"] = reply.stop_reason
        if reply.stop_sequence is not None:
            message["stop_sequence"] = reply.stop_sequence
        message["stop_details"] = reply.stop_details
    return message
