"""OpenAI's and Anthropic's SDKs for Node and Vercel's AI SDK, run by the scripts in `node/`."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias

import pytest

from tests.clients.node_tools import NodeClients, node_clients
from tests.running import Gateway, Simulated

# The first test to come may have to install the packages.
pytestmark = pytest.mark.timeout(600)

Run: TypeAlias = Callable[..., Any]

# 100 x $1 + 20 x $0.10 + 7 x $5 per million tokens = 137,000 nano-USD
PARIS = {
    "content": [{"type": "text", "text": "It is Paris."}],
    "usage": {
        "input_tokens": 100,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 20,
        "output_tokens": 7,
    },
}
COST_USD = "0.000137"
HAIKU = "claude-haiku-4-5-20251001"
MODELS = ["auto", "haiku", "sonnet", HAIKU]
WHOLE_STREAM = {
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
}
NO_THREADS = {
    "kind": "status",
    "status": 400,
    "body": {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "message": "thread: not supported with these tools",
            "details": {"error_code": "thread_unsupported_request", "unsupported": ["tools"]},
        },
    },
}


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> NodeClients:
    return node_clients(tmp_path_factory.mktemp("node"))


@pytest.fixture
def run(clients: NodeClients, served: Gateway, secret: str) -> Run:
    """Run a script's scenario against the gateway, by default with a key that has money."""

    def run(script: str, *arguments: str, **environ: str) -> Any:
        return clients.script(
            script, *arguments, **{"BASE_URL": served.url, "KEY": secret, **environ}
        )

    return run


@pytest.fixture
def refused(served: Gateway, poor: str) -> dict[str, dict[str, str]]:
    """What leads to each refusal."""
    return {
        "invalid_api_key": {"KEY": "tk-nobody"},
        "budget_exceeded": {"KEY": poor},
        "model_not_allowed": {"KEY": served.key(models=["sonnet"])},
        "model_not_found": {"MODEL": "gpt-4o"},
    }


def settled(served: Gateway, secret: str) -> Decimal:
    """What the key has paid, in USD."""
    return Decimal(served.own_key(secret)["spent_usd"])


def test_openai_reads_answer_usage_and_cost(
    run: Run, served: Gateway, upstream: Simulated, secret: str
) -> None:
    upstream.replies(PARIS)
    told = run("openai.mjs", "chat")
    assert (told["text"], told["finish"], told["model"]) == ("It is Paris.", "stop", HAIKU)
    usage = told["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (
        120,
        7,
        127,
    )
    assert usage["prompt_tokens_details"] == {"cached_tokens": 20, "cache_write_tokens": 0}
    assert usage["cost"] == 0.000137
    assert told["cost"] == COST_USD
    assert served.row(told["requestId"])["cost_usd"] == COST_USD
    assert settled(served, secret) == Decimal(COST_USD)


def test_openai_streams_the_same(
    run: Run, served: Gateway, upstream: Simulated, secret: str
) -> None:
    upstream.replies(PARIS)
    told = run("openai.mjs", "stream")
    assert (told["text"], told["whole"], told["finish"]) == ("It is Paris.", "It is Paris.", "stop")
    assert (told["usage"]["prompt_tokens"], told["usage"]["completion_tokens"]) == (120, 7)
    assert told["usage"]["prompt_tokens_details"]["cached_tokens"] == 20
    assert settled(served, secret) == Decimal(COST_USD)


@pytest.mark.parametrize("delivery", ["whole", "stream"])
def test_openais_tool_runner_goes_through_a_round(
    run: Run, upstream: Simulated, delivery: str
) -> None:
    told = run("openai.mjs", "tools", delivery)
    assert told["roles"] == ["user", "assistant", "tool", "assistant"]
    assert "18 degrees in Paris" in told["text"]
    assert len(upstream.messages()) == 2


def test_openai_parses_structured_output(run: Run, upstream: Simulated) -> None:
    assert run("openai.mjs", "structured") == {"city": "Paris", "degrees": 18}
    [asked] = upstream.messages()
    assert asked["body"]["output_config"]["format"]["type"] == "json_schema"


def test_openai_lists_models(run: Run) -> None:
    told = run("openai.mjs", "models")
    assert told["ids"][:4] == MODELS
    assert (told["one"]["id"], told["one"]["object"]) == ("sonnet", "model")


@pytest.mark.parametrize("scenario", ["failure", "failingStream", "failingResponses"])
@pytest.mark.parametrize(
    ("code", "status", "name"),
    [
        ("invalid_api_key", 401, "AuthenticationError"),
        ("budget_exceeded", 402, "APIError"),
        ("model_not_allowed", 403, "PermissionDeniedError"),
        ("model_not_found", 404, "NotFoundError"),
    ],
)
def test_openai_raises_its_own_error_and_asks_once(
    *,
    run: Run,
    upstream: Simulated,
    refused: dict[str, dict[str, str]],
    scenario: str,
    code: str,
    status: int,
    name: str,
) -> None:
    told = run("openai.mjs", scenario, **refused[code])
    assert told["isApiError"] is True
    assert (told["class"], told["status"], told["code"]) == (name, status, code)
    assert told["requestID"].startswith("req_")
    assert told["requests"] == 1
    assert told.get("scope") == ("key" if code == "budget_exceeded" else None)
    assert upstream.log() == []


def test_openai_reads_a_response(
    run: Run, served: Gateway, upstream: Simulated, secret: str
) -> None:
    upstream.replies(PARIS)
    told = run("openai.mjs", "responses")
    assert (told["text"], told["status"]) == ("It is Paris.", "completed")
    assert (told["usage"]["input_tokens"], told["usage"]["output_tokens"]) == (120, 7)
    assert told["usage"]["input_tokens_details"]["cached_tokens"] == 20
    assert settled(served, secret) == Decimal(COST_USD)


def test_openai_streams_a_response_with_every_event(run: Run, upstream: Simulated) -> None:
    upstream.replies(PARIS)
    told = run("openai.mjs", "responsesStream")
    assert (told["text"], told["whole"]) == ("It is Paris.", "It is Paris.")
    assert (told["usage"]["input_tokens"], told["usage"]["output_tokens"]) == (120, 7)
    assert set(told["types"]) == WHOLE_STREAM


def test_openai_calls_a_tool_through_responses(run: Run, upstream: Simulated) -> None:
    told = run("openai.mjs", "responsesTools")
    assert told["called"] == ["get_weather"]
    assert "18 degrees in Paris" in told["text"]
    assert len(upstream.messages()) == 2


def test_openai_parses_a_structured_response(run: Run) -> None:
    assert run("openai.mjs", "responsesStructured") == {"city": "Paris", "degrees": 18}


def test_anthropic_reads_answer_usage_and_the_upstreams_request_id(
    run: Run, served: Gateway, upstream: Simulated, secret: str
) -> None:
    upstream.replies(PARIS)
    told = run("anthropic.mjs", "message")
    assert (told["text"], told["stop"], told["model"]) == ("It is Paris.", "end_turn", HAIKU)
    usage = told["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (100, 7)
    assert usage["cache_read_input_tokens"] == 20
    assert told["cost"] == COST_USD
    [row] = [row for row in served.rows() if row["upstream_request_id"] == told["requestId"]]
    assert row["cost_usd"] == COST_USD
    assert settled(served, secret) == Decimal(COST_USD)


def test_anthropic_streams_the_same(
    run: Run, served: Gateway, upstream: Simulated, secret: str
) -> None:
    upstream.replies(PARIS)
    told = run("anthropic.mjs", "stream")
    assert (told["text"], told["whole"]) == ("It is Paris.", "It is Paris.")
    assert (told["stop"], told["usage"]["output_tokens"]) == ("end_turn", 7)
    assert settled(served, secret) == Decimal(COST_USD)


@pytest.mark.parametrize("delivery", ["whole", "stream"])
def test_anthropics_tool_runner_goes_through_a_round(
    run: Run, upstream: Simulated, delivery: str
) -> None:
    told = run("anthropic.mjs", "tools", delivery)
    assert told["roles"] == ["user", "assistant", "user", "assistant"]
    assert "18 degrees in Paris" in told["text"]
    assert len(upstream.messages()) == 2


def test_on_a_limited_key_the_tool_runner_goes_on_without_threads(
    run: Run, upstream: Simulated
) -> None:
    """What a server keeps of a conversation has no bound: the gateway says so in its terms."""
    told = run("anthropic.mjs", "threadedTools")
    assert "18 degrees in Paris" in told["text"]
    assert told["requests"] == 3
    assert ["thread" in entry["body"] for entry in upstream.messages()] == [False, False]


def test_the_tool_runner_understands_the_upstream_on_threads(
    run: Run, served: Gateway, upstream: Simulated
) -> None:
    upstream.faults(NO_THREADS)
    told = run("anthropic.mjs", "threadedTools", KEY=served.key())
    assert "18 degrees in Paris" in told["text"]
    assert told["requests"] == 3
    threads = ["thread" in entry["body"] for entry in upstream.messages()]
    assert threads == [True, False, False]


def test_anthropic_parses_structured_output(run: Run) -> None:
    assert run("anthropic.mjs", "structured") == {"city": "Paris", "degrees": 18}


def test_anthropic_counts_tokens_for_nothing(
    run: Run, served: Gateway, upstream: Simulated, poor: str
) -> None:
    assert run("anthropic.mjs", "countTokens", KEY=poor) == {"input_tokens": 12}
    assert settled(served, poor) == 0
    assert upstream.billed_nano_usd() == 0


def test_anthropic_lists_models(run: Run) -> None:
    told = run("anthropic.mjs", "models")
    assert told["ids"][:4] == MODELS
    assert (told["one"]["type"], told["one"]["id"]) == ("model", "claude-sonnet-4-6")


@pytest.mark.parametrize(
    ("code", "status", "name", "kind"),
    [
        ("invalid_api_key", 401, "AuthenticationError", "authentication_error"),
        ("budget_exceeded", 402, "PaymentRequiredError", "billing_error"),
        ("model_not_allowed", 403, "PermissionDeniedError", "permission_error"),
        ("model_not_found", 404, "NotFoundError", "not_found_error"),
    ],
)
def test_anthropic_raises_its_own_error_and_asks_once(
    *,
    run: Run,
    upstream: Simulated,
    refused: dict[str, dict[str, str]],
    code: str,
    status: int,
    name: str,
    kind: str,
) -> None:
    told = run("anthropic.mjs", "failure", **refused[code])
    assert told["isApiError"] is True
    assert (told["class"], told["status"], told["type"]) == (name, status, kind)
    assert told["requestID"].startswith("req_")
    assert told["requests"] == 1
    assert told.get("scope") == ("key" if code == "budget_exceeded" else None)
    assert upstream.log() == []


PROVIDERS = pytest.mark.parametrize(
    "provider", ["openai", "openai-chat", "compatible", "anthropic"]
)


@PROVIDERS
@pytest.mark.parametrize("scenario", ["text", "stream"])
def test_vercels_sdk_reads_text_and_usage(
    *, run: Run, served: Gateway, upstream: Simulated, secret: str, provider: str, scenario: str
) -> None:
    upstream.replies(PARIS)
    told = run("vercel.mjs", scenario, provider)
    assert told == {
        "text": "It is Paris.",
        "finishReason": "stop",
        "usage": {"input": 120, "output": 7, "cached": 20},
    }
    assert settled(served, secret) == Decimal(COST_USD)


@PROVIDERS
@pytest.mark.parametrize("scenario", ["text", "stream", "tools"])
def test_all_that_vercels_sdk_sends_by_itself_is_served_to_a_key_with_every_limit(
    *, run: Run, served: Gateway, upstream: Simulated, limited: str, provider: str, scenario: str
) -> None:
    run("vercel.mjs", scenario, provider, KEY=limited)
    assert settled(served, limited) * 10**9 == upstream.billed_nano_usd() > 0


@PROVIDERS
def test_vercels_sdk_goes_through_a_tool_round(
    run: Run, upstream: Simulated, provider: str
) -> None:
    told = run("vercel.mjs", "tools", provider)
    assert told["steps"] == ["tool-calls", "stop"]
    assert "18 degrees in Paris" in told["text"]
    assert len(upstream.messages()) == 2


@PROVIDERS
@pytest.mark.parametrize("scenario", ["object", "output"])
def test_vercels_sdk_makes_an_object(
    run: Run, upstream: Simulated, provider: str, scenario: str
) -> None:
    assert run("vercel.mjs", scenario, provider) == {"city": "Paris", "degrees": 18}
    assert len(upstream.messages()) == 1


@PROVIDERS
@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("invalid_api_key", 401, "the API key is not known here"),
        ("budget_exceeded", 402, "the key budget of 0.001 USD has 0.001 USD left"),
        ("model_not_allowed", 403, "may not use"),
        ("model_not_found", 404, "the model 'gpt-4o' does not exist here"),
    ],
)
def test_vercels_sdk_raises_its_own_error_and_asks_once(
    *,
    run: Run,
    upstream: Simulated,
    refused: dict[str, dict[str, str]],
    provider: str,
    code: str,
    status: int,
    said: str,
) -> None:
    told = run("vercel.mjs", "failure", provider, **refused[code])
    assert told["isApiError"] is True
    assert (told["status"], told["isRetryable"], told["requests"]) == (status, False, 1)
    assert said in told["message"]
    assert upstream.log() == []


def test_the_responses_provider_is_told_to_send_items_itself(run: Run, upstream: Simulated) -> None:
    """Its default refers to texts that a stateless gateway has not kept."""
    told = run("vercel.mjs", "storedTools", "openai")
    assert (told["status"], told["requests"]) == (400, 2)
    assert "items are not stored; send the item itself" in told["message"]
    assert len(upstream.messages()) == 1
