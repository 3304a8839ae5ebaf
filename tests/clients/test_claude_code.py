"""Claude Code itself, in print mode, in front of the gateway."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.clients.node_tools import Finished, Heard, NodeClients, Tap, node_clients, tapped
from tests.running import Gateway, Simulated

# The first test to come may have to install the packages.
pytestmark = pytest.mark.timeout(600)

LAUNCHER = "@anthropic-ai/claude-code/cli-wrapper.cjs"
AT_HOME = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_TELEMETRY": "1",
}
NOTE = "the password is swordfish"
QUESTION = "What does note.txt say?"
OPUS = "claude-opus-5-5"
OVERLOADED = {"kind": "overloaded"}

Claude: TypeAlias = Callable[..., "Run"]


@dataclass(frozen=True, slots=True)
class Run:
    """How Claude Code ended, and what it says about itself."""

    finished: Finished
    told: dict[str, Any]


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> NodeClients:
    return node_clients(tmp_path_factory.mktemp("node"))


@pytest.fixture
def tap(served: Gateway) -> Iterator[Tap]:
    with tapped(served.url) as running:
        yield running


@pytest.fixture
def claude(clients: NodeClients, tap: Tap, secret: str, tmp_path: Path) -> Claude:
    """Ask about the note in a folder of its own, by default with a key that has money."""
    home, folder = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    folder.mkdir()
    (folder / "note.txt").write_text(NOTE)

    def claude(*arguments: str, key: str = secret, key_as: str = "AUTH_TOKEN", **more: str) -> Run:
        done = clients.command(
            LAUNCHER,
            *("--print", QUESTION, "--output-format", "json", *arguments),
            cwd=folder,
            environ={
                **AT_HOME,
                "HOME": str(home),
                "ANTHROPIC_BASE_URL": tap.url,
                f"ANTHROPIC_{key_as}": key,
                **more,
            },
        )
        return Run(done, json.loads(done.out))

    return claude


@pytest.fixture
def rich(served: Gateway) -> str:
    """A key whose budget holds what Claude Code asks for: 128,000 tokens of output."""
    return served.key(max_budget_usd="10.00")


def say(text: str, **more: Any) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}], **more}


def read_note() -> dict[str, Any]:
    use = {
        "type": "tool_use",
        "id": "toolu_01Read",
        "name": "Read",
        "input": {"file_path": "note.txt"},
    }
    return {"content": [{"type": "text", "text": "I will look."}, use]}


def marks(body: Any, path: str = "") -> dict[str, Any]:
    """Every `cache_control` of a body by the path of its block."""
    found: dict[str, Any] = {}
    if isinstance(body, dict):
        if "cache_control" in body:
            found[path] = body["cache_control"]
        parts = list(body.items())
    else:
        parts = list(enumerate(body)) if isinstance(body, list) else []
    for name, part in parts:
        found |= marks(part, f"{path}/{name}")
    return found


def without(body: Any, path: str) -> Any:
    """The body without the mark at `path`."""
    copied = deepcopy(body)
    block = copied
    for name in path.split("/")[1:]:
        block = block[int(name) if isinstance(block, list) else name]
    del block["cache_control"]
    return copied


def assert_passed_on(heard: Heard, arrived: dict[str, Any]) -> dict[str, Any]:
    """All that the client sent arrived as it was; what was added: marks by path."""
    sent, got = marks(heard.body), marks(arrived["body"])
    added = {path: mark for path, mark in got.items() if path not in sent}
    body = arrived["body"]
    for path in added:
        body = without(body, path)
    assert body == heard.body
    assert len(got) <= 4
    for name in ("anthropic-version", "anthropic-beta"):
        assert arrived["headers"][name] == heard.headers[name]
    return added


@pytest.mark.parametrize("key_as", ["AUTH_TOKEN", "API_KEY"])
def test_it_answers_with_either_kind_of_key(
    *, claude: Claude, served: Gateway, upstream: Simulated, rich: str, key_as: str
) -> None:
    # 10 x $4 + 15,000 x $0.20 + 7 x $20 per million tokens = 3,180,000 nano-USD
    upstream.replies(
        say(
            "Nothing.",
            usage={
                "input_tokens": 10,
                "cache_creation_input_tokens": 0,
                "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
                "cache_read_input_tokens": 15_000,
                "output_tokens": 7,
            },
        )
    )
    run = claude(key=rich, key_as=key_as)
    assert run.finished.status == 0, run.finished.said
    assert (run.told["result"], run.told["is_error"]) == ("Nothing.", False)
    usage = run.told["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"]) == (10, 15_000)
    assert usage["output_tokens"] == 7
    assert [entry["path"] for entry in upstream.log()] == ["/v1/messages"]
    assert Decimal(served.own_key(rich)["spent_usd"]) == Decimal("0.00318")
    # Claude Code knows the prices too.
    assert round(run.told["total_cost_usd"] * 10**9) == 3_180_000


def test_a_tool_run_passes_unchanged_and_reads_its_cache(
    *, claude: Claude, tap: Tap, served: Gateway, upstream: Simulated, rich: str
) -> None:
    upstream.replies(read_note(), say("It says swordfish."))
    run = claude(key=rich)
    assert run.finished.status == 0, run.finished.said
    assert (run.told["result"], run.told["num_turns"]) == ("It says swordfish.", 2)
    heard, arrived = tap.posts("/v1/messages"), upstream.messages()
    assert [h.status for h in heard] == [entry["status"] for entry in arrived] == [200, 200]
    for one, other in zip(heard, arrived, strict=True):
        assert one.headers["anthropic-version"] == "2023-06-01"
        assert "claude-code-20250219" in one.headers["anthropic-beta"].split(",")
        assert {"metadata", "context_management", "thinking", "output_config"} <= one.body.keys()
        assert len(marks(one.body)) == 3
        added = assert_passed_on(one, other)
        assert [path.split("/")[1] for path in added] == ["tools"]
        assert set(map(str, added.values())) == {"{'type': 'ephemeral'}"}
    [result] = arrived[1]["body"]["messages"][-1]["content"]
    assert result["type"] == "tool_result"
    assert NOTE in result["content"]
    # The second turn reads exactly what the first one wrote.
    wrote, read = (entry["usage"] for entry in arrived)
    assert wrote["cache_creation_input_tokens"] > 10_000
    assert read["cache_read_input_tokens"] == wrote["cache_creation_input_tokens"]
    assert Decimal(served.own_key(rich)["spent_usd"]) * 10**9 == upstream.billed_nano_usd()


def test_a_mark_that_is_added_lives_as_long_as_its_own_ones(
    *, claude: Claude, tap: Tap, upstream: Simulated, rich: str
) -> None:
    upstream.replies(say("Nothing."))
    run = claude(key=rich, ENABLE_PROMPT_CACHING_1H="1")
    assert run.finished.status == 0, run.finished.said
    [heard], [arrived] = tap.posts("/v1/messages"), upstream.messages()
    assert {str(mark["ttl"]) for mark in marks(heard.body).values()} == {"1h"}
    assert list(assert_passed_on(heard, arrived).values()) == [{"type": "ephemeral", "ttl": "1h"}]
    assert arrived["usage"]["cache_creation"]["ephemeral_5m_input_tokens"] == 0


def test_its_structured_output_comes_through(
    *, claude: Claude, upstream: Simulated, rich: str
) -> None:
    use = {
        "type": "tool_use",
        "id": "toolu_01Out",
        "name": "StructuredOutput",
        "input": {"password": "swordfish"},
    }
    upstream.replies({"content": [use]}, say("Done."))
    schema = {
        "type": "object",
        "properties": {"password": {"type": "string"}},
        "required": ["password"],
    }
    run = claude("--json-schema", json.dumps(schema), key=rich)
    assert run.finished.status == 0, run.finished.said
    assert run.told["structured_output"] == {"password": "swordfish"}


def test_auto_routes_it_and_keeps_every_word(
    *, claude: Claude, tap: Tap, served: Gateway, upstream: Simulated, rich: str
) -> None:
    upstream.replies(read_note(), say("It says swordfish."))
    run = claude("--model", "auto", key=rich)
    assert run.finished.status == 0, run.finished.said
    assert run.told["result"] == "It says swordfish."
    assert {entry["model"] for entry in upstream.messages()} == {"claude-sonnet-4-6"}
    assert {row["requested_model"] for row in served.rows()[:2]} == {"auto"}
    # This model knows no system messages among the turns: their text goes to the user's.
    [_, late] = tap.posts("/v1/messages")[0].body["messages"]
    [user] = upstream.messages()[0]["body"]["messages"]
    assert (late["role"], user["role"]) == ("system", "user")
    text = late["content"] if isinstance(late["content"], str) else late["content"][0]["text"]
    assert text in [block["text"] for block in user["content"]]


def test_a_folded_system_message_stays_where_it_was(
    *, claude: Claude, upstream: Simulated, rich: str
) -> None:
    upstream.replies(read_note(), say("It says swordfish."))
    assert claude("--model", "auto", key=rich).finished.status == 0
    first, second = (entry["body"]["messages"] for entry in upstream.messages())
    texts = [[block["text"] for block in messages[0]["content"]] for messages in (first, second)]
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    "model",
    [None, "haiku", "fable", "claude-haiku-4-5", "claude-opus-4-6", "auto"],
)
def test_all_that_it_sends_by_itself_is_served_to_a_key_with_every_limit(
    *, claude: Claude, served: Gateway, upstream: Simulated, limited: str, model: str | None
) -> None:
    upstream.replies(read_note(), say("It says swordfish."))
    run = claude(*(("--model", model) if model else ()), key=limited)
    assert run.finished.status == 0, run.finished.said
    assert run.told["result"] == "It says swordfish."
    assert Decimal(served.own_key(limited)["spent_usd"]) * 10**9 == upstream.billed_nano_usd() > 0


def test_it_finds_the_gateways_models(*, claude: Claude, tap: Tap, rich: str) -> None:
    run = claude(key=rich, CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY="1")
    assert run.finished.status == 0, run.finished.said
    assert [h.status for h in tap.heard if h.path.startswith("/v1/models")] == [200]


def test_an_overload_reaches_it_as_529(
    *, claude: Claude, tap: Tap, served: Gateway, upstream: Simulated, rich: str
) -> None:
    upstream.faults(OVERLOADED, repeat=True)
    run = claude(key=rich)
    assert run.finished.status == 1
    assert (run.told["is_error"], run.told["api_error_status"]) == (True, 529)
    assert "Repeated 529 Overloaded errors" in run.told["result"]
    assert [heard.status for heard in tap.posts("/v1/messages")] == [529, 529, 529]
    assert len(upstream.messages()) == 9
    assert Decimal(served.own_key(rich)["spent_usd"]) == 0


def test_an_overload_that_passes_is_not_noticed(
    *, claude: Claude, tap: Tap, upstream: Simulated, rich: str
) -> None:
    upstream.faults(OVERLOADED, OVERLOADED)
    upstream.replies(say("Nothing."))
    run = claude(key=rich)
    assert (run.finished.status, run.told["result"]) == (0, "Nothing.")
    assert [heard.status for heard in tap.posts("/v1/messages")] == [200]
    assert [entry["status"] for entry in upstream.messages()] == [529, 529, 200]


def test_an_empty_budget_ends_the_run_at_once(
    *, claude: Claude, tap: Tap, upstream: Simulated, poor: str
) -> None:
    run = claude(key=poor)
    assert (run.finished.status, run.told["api_error_status"]) == (1, 402)
    assert "the key budget of 0.001 USD has 0.001 USD left" in run.told["result"]
    assert [heard.status for heard in tap.posts("/v1/messages")] == [402]
    assert upstream.log() == []


def test_an_unknown_model_ends_the_run(*, claude: Claude, tap: Tap, rich: str) -> None:
    run = claude("--model", "gpt-4o", key=rich)
    assert (run.finished.status, run.told["api_error_status"]) == (1, 404)
    assert "There's an issue with the selected model (gpt-4o)" in run.told["result"]
    # Its own second try is without streaming.
    asked = [(heard.status, heard.body["stream"]) for heard in tap.posts("/v1/messages")]
    assert asked in ([(404, True)], [(404, True), (404, False)])


def test_a_forbidden_model_ends_the_run_at_once(
    *, claude: Claude, tap: Tap, served: Gateway
) -> None:
    run = claude(key=served.key(models=["haiku"]))
    assert (run.finished.status, run.told["api_error_status"]) == (1, 403)
    assert [heard.status for heard in tap.posts("/v1/messages")] == [403]


def test_a_wrong_key_ends_the_run_at_once(*, claude: Claude, tap: Tap) -> None:
    run = claude(key="tk-nobody")
    assert (run.finished.status, run.told["api_error_status"]) == (1, 401)
    assert [heard.status for heard in tap.posts("/v1/messages")] == [401]
