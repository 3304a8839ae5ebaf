"""`tollkeeper connect`: the lines to paste, so that a client calls the gateway."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

import typer

from app.commands.failure import WrongUsage
from app.commands.output import say, show_json

URL = "http://127.0.0.1:4000"
PLACEHOLDER = "tk-..."
MOST_KEY_CHARS = 200
OPENAI_LINES = 'export OPENAI_BASE_URL="{url}/v1"\nexport OPENAI_API_KEY="{key}"'
ANTHROPIC_LINES = 'export ANTHROPIC_BASE_URL="{url}"\nexport ANTHROPIC_API_KEY="{key}"'
CODEX_LINES = """\
# ~/.codex/config.toml
model = "sonnet"
model_provider = "tollkeeper"

[model_providers.tollkeeper]
name = "Tollkeeper"
base_url = "{url}/v1"
wire_api = "responses"
env_key = "TOLLKEEPER_KEY"

# in the shell
export TOLLKEEPER_KEY="{key}\""""
LANGCHAIN_OPENAI_LINES = """\
from langchain_openai import ChatOpenAI

model = ChatOpenAI(model="auto", base_url="{url}/v1", api_key="{key}")"""
LANGCHAIN_ANTHROPIC_LINES = """\
from langchain_anthropic import ChatAnthropic

model = ChatAnthropic(model="auto", base_url="{url}", api_key="{key}")"""
PYDANTIC_AI_LINES = """\
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

provider = OpenAIProvider(base_url="{url}/v1", api_key="{key}")
model = OpenAIChatModel("auto", provider=provider)"""
INSTRUCTOR_LINES = """\
import instructor
from openai import OpenAI

client = instructor.from_openai(OpenAI(base_url="{url}/v1", api_key="{key}"))"""
VERCEL_LINES = """\
import {{ createOpenAICompatible }} from "@ai-sdk/openai-compatible";

const tollkeeper = createOpenAICompatible({{
  name: "tollkeeper",
  baseURL: "{url}/v1",
  apiKey: "{key}",
}});
const model = tollkeeper("auto");"""
AGENTS_LINES = """\
from agents import OpenAIChatCompletionsModel, set_tracing_disabled
from openai import AsyncOpenAI

set_tracing_disabled(True)
client = AsyncOpenAI(base_url="{url}/v1", api_key="{key}")
model = OpenAIChatCompletionsModel(model="auto", openai_client=client)"""
CURL_LINES = """\
curl {url}/v1/chat/completions \\
  -H "authorization: Bearer {key}" -H "content-type: application/json" \\
  -d '{{"model": "auto", "messages": [{{"role": "user", "content": "Hello"}}]}}'"""
CLAUDE_CODE_LINES = 'export ANTHROPIC_BASE_URL="{url}"\nexport ANTHROPIC_AUTH_TOKEN="{key}"\nclaude'
CLIENTS: Mapping[str, tuple[str, str]] = {
    "claude-code": (
        CLAUDE_CODE_LINES,
        "It asks for long answers: the key's budget must have room for one.",
    ),
    "codex": (CODEX_LINES, ""),
    "openai": (OPENAI_LINES, "For the OpenAI libraries of Python and Node, without a change."),
    "anthropic": (ANTHROPIC_LINES, "For the Anthropic libraries of Python and Node; no /v1."),
    "langchain-openai": (LANGCHAIN_OPENAI_LINES, ""),
    "langchain-anthropic": (LANGCHAIN_ANTHROPIC_LINES, ""),
    "pydantic-ai": (PYDANTIC_AI_LINES, ""),
    "instructor": (INSTRUCTOR_LINES, ""),
    "vercel": (VERCEL_LINES, ""),
    "openai-agents": (AGENTS_LINES, ""),
    "curl": (CURL_LINES, ""),
}


def connect(
    client: Annotated[
        str | None, typer.Argument(metavar="CLIENT", help=f"one of {', '.join(CLIENTS)}")
    ] = None,
    *,
    url: Annotated[str, typer.Option(metavar="URL", help="where the gateway is")] = URL,
    key: Annotated[
        str, typer.Option(metavar="KEY", help="a virtual key's secret; else a placeholder")
    ] = PLACEHOLDER,
    as_json: Annotated[bool, typer.Option("--json", help="for scripts")] = False,
) -> None:
    """Print the lines to paste for a client. Without one, the clients."""
    if client is None:
        _list(as_json=as_json)
        return
    if client not in CLIENTS:
        near = get_close_matches(client, CLIENTS, n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise WrongUsage(f"CLIENT {client!r}{meant} (allowed: {', '.join(CLIENTS)})")
    lines, note = CLIENTS[client]
    text = lines.format(url=_root(url), key=_secret(key))
    if as_json:
        show_json({"client": client, "url": _root(url), "lines": text.split("\n"), "note": note})
        return
    say(text)
    if note:
        say(f"\n# {note}")
    if key == PLACEHOLDER:
        say("\n# Instead of tk-... goes the secret of: tollkeeper keys create --name NAME")


def _list(*, as_json: bool) -> None:
    if as_json:
        show_json({"clients": list(CLIENTS)})
        return
    say("The lines for a client are printed by: tollkeeper connect CLIENT\n")
    for name in CLIENTS:
        say(f"  {name}")


def _root(url: str) -> str:
    """The URL as every client takes it, without `/v1`.  Raises WrongUsage."""
    parts = _split(url)
    if parts is None or parts.scheme not in ("http", "https") or not parts.netloc:
        raise WrongUsage(f"--url {url!r}; allowed: such as {URL} or https://gateway.example.com")
    if parts.query or parts.fragment:
        raise WrongUsage(f"--url {url!r}; allowed: a URL without ? and #")
    return url.rstrip("/").removesuffix("/v1").rstrip("/")


def _split(url: str) -> SplitResult | None:
    """Its parts; None for what is no URL, or is not safe between quotes."""
    if not url.isascii() or not url.isprintable() or set(url) & set("\"'`$\\ "):
        return None
    try:
        parts = urlsplit(url)
        return parts if parts.port != 0 else None
    except ValueError:  # of the port too
        return None


def _secret(key: str) -> str:
    """Text that is safe between quotes in a shell and in code.  Raises WrongUsage."""
    if not key.isascii() or len(key) > MOST_KEY_CHARS or not set(key) <= _KEY_CHARS or not key:
        raise WrongUsage("--key is no key's secret; allowed: letters, digits, - _ and .")
    return key


_KEY_CHARS = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
