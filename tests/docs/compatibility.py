"""Writes docs/compatibility.md: `python -m tests.docs.compatibility`.

The parameters come from the tables that the parsers obey, the clients from the list below.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.dialects.openai.parameters import Parameter
from app.dialects.openai_chat.parameters import PARAMETERS
from app.dialects.openai_responses.parameters import RESPONSES_PARAMETERS
from tests.house.repository import ROOT

DOCUMENT = "docs/compatibility.md"
CLIENTS_FOLDER = "tests/clients"


@dataclass(frozen=True, slots=True)
class Client:
    """`tests` are files of tests/clients that run the client itself."""

    name: str
    pointed: str
    works: str
    tests: tuple[str, ...]


_OPENAI_SAYS = (
    "chat and responses: whole, streamed, async; tools, structured output, models, errors"
)
_ANTHROPIC_SAYS = (
    "messages: whole, streamed; tools, structured output, token counts, models, errors; betas and "
    "unknown fields pass"
)
CLIENTS = (
    Client(
        "openai-python",
        '`OpenAI(base_url="http://127.0.0.1:4000/v1", api_key="tk-…")`, or `OPENAI_BASE_URL` and '
        "`OPENAI_API_KEY`",
        f"{_OPENAI_SAYS}; images on chat",
        ("test_openai_python.py", "test_openai_python_responses.py"),
    ),
    Client(
        "openai-node",
        '`new OpenAI({ baseURL: "http://127.0.0.1:4000/v1", apiKey: "tk-…" })`, or the same '
        "variables",
        "chat and responses: whole, streamed; tools and the tool runner, structured output, "
        "models, errors",
        ("test_node_clients.py", "node/openai.mjs"),
    ),
    Client(
        "anthropic-python",
        '`Anthropic(base_url="http://127.0.0.1:4000", api_key="tk-…")`, without `/v1`, or '
        "`ANTHROPIC_BASE_URL` and `ANTHROPIC_API_KEY` or `ANTHROPIC_AUTH_TOKEN`",
        f"{_ANTHROPIC_SAYS}; async; thinking; your own cache breakpoints",
        ("test_anthropic_python.py",),
    ),
    Client(
        "Anthropic SDK for Node",
        '`new Anthropic({ baseURL: "http://127.0.0.1:4000", apiKey: "tk-…" })`, or the same '
        "variables",
        "messages: whole, streamed; the tool runner, structured output, token counts, models, "
        "errors. On a key with a limit the runner goes on without threads, by itself",
        ("test_node_clients.py", "node/anthropic.mjs"),
    ),
    Client(
        "langchain-openai",
        '`ChatOpenAI(model="haiku", base_url="http://127.0.0.1:4000/v1", api_key="tk-…")`',
        "invoke, streams, tools, structured output, errors",
        ("test_langchain_openai.py", "test_langchain_standard.py"),
    ),
    Client(
        "langchain-anthropic",
        '`ChatAnthropic(model="claude-haiku-4-5", base_url="http://127.0.0.1:4000", '
        'api_key="tk-…")`',
        "invoke, streams, tools, errors",
        ("test_langchain_anthropic.py", "test_langchain_standard.py"),
    ),
    Client(
        "pydantic-ai",
        '`OpenAIChatModel` or `OpenAIResponsesModel` with `OpenAIProvider(base_url="…/v1", '
        'api_key="tk-…")`; `AnthropicModel` with `AnthropicProvider`',
        "runs, streams, tools, output types, errors, in all three dialects",
        ("test_pydantic_ai.py",),
    ),
    Client(
        "instructor",
        '`instructor.from_openai(OpenAI(base_url="…/v1", api_key="tk-…"))`',
        "models by a forced tool and by a schema, lists and partial models streamed, async, "
        "another try when the answer does not fit",
        ("test_instructor.py", "instructor/scenarios.py"),
    ),
    Client(
        "Vercel AI SDK",
        '`createOpenAI({ baseURL: "…/v1", apiKey })` with `.chat(model)`, or without it and '
        "`providerOptions: { openai: { store: false } }`; `createOpenAICompatible`; "
        '`createAnthropic({ baseURL: "…/v1", apiKey })`',
        "text, streams, tools, objects, errors. The default Responses model refers to stored items "
        "after a tool call, and nothing is stored here: hence `store: false`",
        ("test_node_clients.py", "node/vercel.mjs"),
    ),
    Client(
        "openai-agents",
        "`OpenAIChatCompletionsModel` or `OpenAIResponsesModel` with "
        '`AsyncOpenAI(base_url="…/v1", api_key="tk-…")`; tracing off',
        "runs, streams, tools, handoffs, output types, errors",
        ("test_openai_agents.py",),
    ),
    Client(
        "Claude Code",
        "`ANTHROPIC_BASE_URL=http://127.0.0.1:4000` and `ANTHROPIC_AUTH_TOKEN=tk-…` (or "
        "`ANTHROPIC_API_KEY`)",
        "runs with tools, prompt caching, structured output, `auto`, errors. It asks for long "
        "answers, up to 128,000 tokens: a key's budget must have room for one",
        ("test_claude_code.py",),
    ),
    Client(
        "Codex CLI",
        'in `config.toml` a provider with `base_url = "http://127.0.0.1:4000/v1"`, '
        '`wire_api = "responses"` and `env_key = "TOLLKEEPER_KEY"`; its name as `model_provider`',
        "runs with tools, thinking from turn to turn, prompt caching, errors",
        ("test_codex.py",),
    ),
)

HEAD = """\
# Compatibility

<!-- Written by `python -m tests.docs.compatibility`; a test compares. -->

## Clients

Each of these runs in the tests as it is published, against a real gateway and the simulated
upstream. Any other client of the OpenAI or Anthropic API is pointed in the same manner: `/v1`
belongs to the URL of the first kind, not of the second. Set the client's own retries low: the
gateway retries already.
"""
PARAMETERS_HEAD = """\
## Parameters

*works*: as in OpenAI's own API. *adapted*: honoured as far as Claude has an equivalent.
*dropped*: left out, and named in `x-tollkeeper-dropped-params`. *refused*: 400
`unsupported_parameter`, unless the value asks for nothing. `null` asks for nothing. What a model
refuses is adapted or dropped for that model, too. A parameter that is not in the table is
dropped.
"""
FITTINGS = (
    ("a tool-call id that was there before, or that the vendor refuses", "an id made from it"),
    ("a tool name in the history that the vendor refuses", "`_` for each unfit character"),
    (
        "arguments that were cut, or are no JSON object",
        "an object with what was said as `arguments`",
    ),
    (
        ("a conversation that the assistant begins, a system prompt alone, a blank user message"),
        'the user says "Go ahead."',
    ),
    ("an assistant's message without a word or a call (`content` null or blank)", "left out"),
    ("blanks at the end of an assistant's text", "left out"),
    (
        "an answer that is begun (an assistant's message at the end) on a model that takes none",
        "a request to continue it, behind it; reported as `prefill`",
    ),
    ("a picture, PDF or text under another label", "what its first bytes say it is"),
    ("numbers beyond 64 bits or finer than a double", "sent and told with all their digits"),
    (
        (
            "keywords of a schema that the vendor does not enforce (`minimum`, `pattern`, "
            "`default` …)"
        ),
        "told in the description, as the vendor's own SDK does it",
    ),
    (
        (
            "a schema with an open object, a recursion, names like `filter[id]` or a choice "
            "at its root"
        ),
        "not enforced: a tool loses `strict`, a format is asked for in words; reported",
    ),
    (
        "such names, or such a choice, in a tool's parameters",
        "told in the description beside the rest",
    ),
    (
        "more than 20 strict tools, 24 optional properties or 16 unions",
        "the first ones stay strict; reported as `tools.strict`",
    ),
    ("an effort that the model lacks", "the nearest one; reported"),
    ("the same tool twice", "once"),
)
MADE_FIT = """\
### Made fit rather than refused

On the two routes above, what real clients send is changed where the vendor would refuse it and
its meaning can be kept. The same input is always changed in the same way, whatever follows it in
later turns, so that caches hold and thinking stays valid.
"""
IN_WORDS = """\
What the gateway asks the model in words (a forced tool on a model that refuses force, a format,
to go on) stands at the end of the last turn, behind every cache breakpoint: the next request finds
the conversation as it was. On `/v1/responses` it comes back within `reasoning.encrypted_content`.
"""
MESSAGES = """\
### Models on OpenRouter

They are called by OpenRouter's own `/messages`, on every route: streams, tools, pictures, thinking
with its signatures and cache breakpoints of either lifetime work as they do at Anthropic.
`session_id` goes along, and OpenRouter's own `provider` on `/v1/messages`. A history with thinking
is sent to `provider: {only: [anthropic]}` unless you or the [settings](configuration.md#models) say
otherwise. Dated names (`anthropic/claude-4.6-sonnet-20260217`) stand for their models. There is no
token count: `count_tokens` answers 404.

### `/v1/messages` and `/v1/messages/count_tokens`

Everything passes unchanged, unknown fields included. What the gateway adds: cache breakpoints,
beside yours and never in their place; the model that `auto` or a tier stands for; and
`max_tokens`, shortened only where the settings say so. A body that says a name twice is sent as
the gateway read it. On a key with a limit, a feature whose cost has no known bound is refused
(400, `unbounded_cost`): top-level fields, tools and blocks that the gateway doesn't know count as
such, unknown fields inside known ones do not. Other models that a body names (`fallbacks`, an
advisor tool) must be allowed to the key. [Budgets](budgets.md#what-has-no-bound) tells it all.
"""


def text() -> str:
    """The whole document."""
    return "\n".join(
        [
            HEAD,
            *_table(("client", "pointed by", "works", "tested in"), map(_client_cells, CLIENTS)),
            "",
            PARAMETERS_HEAD,
            "### `/v1/chat/completions`",
            "",
            *_parameters(PARAMETERS),
            "",
            "### `/v1/responses`",
            "",
            *_parameters(RESPONSES_PARAMETERS),
            "",
            MADE_FIT,
            *_table(("what is sent", "what becomes of it"), iter(FITTINGS)),
            "",
            IN_WORDS,
            MESSAGES,
        ]
    )


def becomes(parameter: Parameter) -> str:
    """One word for it."""
    if parameter.treatment != "mapped":
        return parameter.treatment
    return "adapted" if parameter.adapted else "works"


def _client_cells(client: Client) -> tuple[str, ...]:
    tests = (f"[{name}](../{CLIENTS_FOLDER}/{name})" for name in client.tests)
    return client.name, client.pointed, client.works, ", ".join(tests)


def _parameters(table: Mapping[str, Parameter]) -> Iterator[str]:
    rows = ((f"`{name}`", becomes(p), p.says) for name, p in table.items())
    return _table(("parameter", "", "how"), rows)


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for cells in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    (ROOT / DOCUMENT).write_text(text(), "utf-8")
