"""Codex itself, run once for each question, with the gateway as its model provider."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.clients.node_tools import NodeClients, Tap, node_clients, tapped
from tests.running import Gateway, Simulated

# The first test to come may have to install the packages.
pytestmark = pytest.mark.timeout(600)

LAUNCHER = "@openai/codex/bin/codex.js"
CONFIG = """
model = "{model}"
model_provider = "tollkeeper"
model_reasoning_effort = "low"
check_for_update_on_startup = false

[model_providers.tollkeeper]
name = "Tollkeeper"
base_url = "{url}/v1"
env_key = "TOLLKEEPER_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0

[analytics]
enabled = false
"""
NOTE = "the password is swordfish"
QUESTION = "What does note.txt say?"
ANSWER = {"content": [{"type": "text", "text": "It says swordfish."}]}

Codex: TypeAlias = Callable[..., "Run"]


@dataclass(frozen=True, slots=True)
class Run:
    status: int
    events: list[dict[str, Any]]

    def items(self, kind: str) -> list[dict[str, Any]]:
        """The completed items of one type."""
        done = (event["item"] for event in self.events if event["type"] == "item.completed")
        return [item for item in done if item["type"] == kind]

    @property
    def last(self) -> dict[str, Any]:
        return self.events[-1]


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> NodeClients:
    return node_clients(tmp_path_factory.mktemp("node"))


@pytest.fixture
def tap(served: Gateway) -> Iterator[Tap]:
    with tapped(served.url) as running:
        yield running


@pytest.fixture
def codex(clients: NodeClients, tap: Tap, secret: str, tmp_path: Path) -> Codex:
    """Ask about the note in a folder of its own, by default with a key that has money."""
    home, folder = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    folder.mkdir()
    (folder / "note.txt").write_text(NOTE)

    def codex(
        *, key: str = secret, model: str = "claude-sonnet-5-5", question: str = QUESTION
    ) -> Run:
        (home / "config.toml").write_text(CONFIG.format(model=model, url=tap.url))
        done = clients.command(
            LAUNCHER,
            *("exec", "--json", "--skip-git-repo-check"),
            # The only command that it is told to run is `cat`; no sandbox is to be had everywhere.
            "--dangerously-bypass-approvals-and-sandbox",
            question,
            cwd=folder,
            environ={"HOME": str(home), "CODEX_HOME": str(home), "TOLLKEEPER_KEY": key},
        )
        events = [json.loads(line) for line in done.out.splitlines() if line.startswith("{")]
        assert events, done.said
        return Run(done.status, events)

    return codex


def test_it_answers_and_reads_its_usage(
    *, codex: Codex, served: Gateway, upstream: Simulated, secret: str
) -> None:
    # 50 x $2 + 1,000 x $0.10 + 9 x $10 per million tokens = 290,000 nano-USD
    usage = {
        "input_tokens": 50,
        "cache_creation_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "cache_read_input_tokens": 1_000,
        "output_tokens": 9,
    }
    upstream.replies({**ANSWER, "usage": usage})
    run = codex()
    assert run.status == 0
    assert [item["text"] for item in run.items("agent_message")] == ["It says swordfish."]
    assert run.last["type"] == "turn.completed"
    told = run.last["usage"]
    assert (told["input_tokens"], told["cached_input_tokens"]) == (1_050, 1_000)
    assert told["output_tokens"] == 9
    assert Decimal(served.own_key(secret)["spent_usd"]) == Decimal("0.00029")


def test_a_tool_run_reads_the_note_and_its_cache(
    *, codex: Codex, tap: Tap, served: Gateway, upstream: Simulated, secret: str
) -> None:
    use = {
        "type": "tool_use",
        "id": "toolu_01Cat",
        "name": "exec_command",
        "input": {"cmd": "cat note.txt"},
    }
    upstream.replies({"content": [{"type": "text", "text": "I will look."}, use]}, ANSWER)
    run = codex()
    assert run.status == 0
    [command] = run.items("command_execution")
    assert (command["exit_code"], command["aggregated_output"]) == (0, NOTE)
    messages = [item["text"] for item in run.items("agent_message")]
    assert messages == ["I will look.", "It says swordfish."]
    assert [heard.status for heard in tap.posts("/v1/responses")] == [200, 200]
    first, second = upstream.messages()
    [result] = second["body"]["messages"][-1]["content"]
    assert (result["type"], result["tool_use_id"]) == ("tool_result", "toolu_01Cat")
    assert NOTE in json.dumps(result["content"])
    wrote = first["usage"]["cache_creation_input_tokens"]
    assert wrote > 5_000
    assert second["usage"]["cache_read_input_tokens"] >= wrote - 100
    assert Decimal(served.own_key(secret)["spent_usd"]) * 10**9 == upstream.billed_nano_usd()


@pytest.mark.parametrize("model", ["auto", "claude-haiku-4-5", "claude-opus-5-5"])
def test_all_that_it_sends_by_itself_is_served_to_a_key_with_every_limit(
    *, codex: Codex, served: Gateway, upstream: Simulated, limited: str, model: str
) -> None:
    upstream.replies(ANSWER)
    run = codex(key=limited, model=model)
    assert run.status == 0
    assert [item["text"] for item in run.items("agent_message")] == ["It says swordfish."]
    assert Decimal(served.own_key(limited)["spent_usd"]) * 10**9 == upstream.billed_nano_usd() > 0


def test_thinking_comes_back_as_it_was(*, codex: Codex, upstream: Simulated) -> None:
    """The upstream refuses thoughts that were changed, or whose context was."""
    run = codex(model="claude-opus-5-5", question='Use exec_command for "cat note.txt".')
    assert run.status == 0, run.last
    assert len(run.items("command_execution")) == 1
    first, second = upstream.messages()
    assert (first["status"], second["status"]) == (200, 200)
    replayed = second["body"]["messages"][-2]["content"]
    assert [block["type"] for block in replayed] == ["thinking", "text", "tool_use"]
    assert replayed[0]["signature"]


@pytest.mark.parametrize(
    ("refused", "status", "said"),
    [
        ("key", 401, "the API key is not known here"),
        ("budget", 402, "the key budget of 0.001 USD has 0.001 USD left"),
        ("model", 404, "the model 'gpt-4o' does not exist here"),
    ],
)
def test_a_refusal_is_shown_in_the_gateways_words(
    *, codex: Codex, tap: Tap, upstream: Simulated, poor: str, refused: str, status: int, said: str
) -> None:
    asked = {"key": {"key": "tk-nobody"}, "budget": {"key": poor}, "model": {"model": "gpt-4o"}}
    run = codex(**asked[refused])
    assert run.status == 1
    assert run.last["type"] == "turn.failed"
    assert said in run.last["error"]["message"]
    assert [heard.status for heard in tap.posts("/v1/responses")] == [status]
    assert upstream.log() == []


def test_an_overload_is_shown_after_the_gateways_own_retries(
    *, codex: Codex, served: Gateway, upstream: Simulated, secret: str
) -> None:
    upstream.faults({"kind": "overloaded"}, repeat=True)
    run = codex()
    assert run.status == 1
    assert "503 Service Unavailable: Overloaded" in run.last["error"]["message"]
    assert [entry["status"] for entry in upstream.messages()] == [529, 529, 529]
    assert Decimal(served.own_key(secret)["spent_usd"]) == 0
