"""Everything that a request can hold, and what bounds its cost: what isn't here has no bound.

The names are those of the beta parameter types of the vendor's SDK; a test walks the installed
ones and fails on a name that nobody has classed. What OpenRouter and older versions of the API
take besides is told apart.

bytes      it counts as no more tokens than its bytes allow
window     it brings in what the body doesn't hold, up to the context window of the model that reads
figure     it adds no more than a figure that is known (mostly none at all)
unbounded  nothing says how much
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from app.core.errors import UnboundedCost

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from app.core.request import Block

MOST_NAMES_TOLD = 5

Bounded = Literal["bytes", "window", "figure", "unbounded"]


@dataclass(frozen=True, slots=True)
class KnownTool:
    """What bounds a tool. `tokens` come on top of its own bytes; a searching one is paid by use."""

    bounded: Bounded
    tokens: int = 0
    searches: bool = False


def _all(bounded: Bounded, names: Iterable[str]) -> dict[str, Bounded]:
    return dict.fromkeys(names, bounded)


FIELDS: Final[Mapping[str, Bounded]] = {
    **_all("bytes", ("messages", "output_config", "stop_sequences", "system", "tool_choice")),
    "tools": "bytes",  # and by what each of them is: TOOLS
    **_all(
        "figure",
        (
            "billing_policy",  # who pays, not how much
            "cache_control",  # a mark: held at the rate of writes
            "context_management",  # by what each edit is: EDITS
            "diagnostics",
            "fallback_credit_token",  # can only make it cheaper
            "inference_geo",
            "max_tokens",
            "metadata",
            "model",
            "service_tier",
            "speed",
            "stream",
            "thinking",  # its tokens are part of max_tokens
        ),
    ),
    # Arguments of the SDK that it sends as headers.
    **_all("figure", ("betas", "user_profile_id", "workspace_id")),
    "fallbacks": "window",  # other models, each of which reads it all: OTHER_MODELS
    **_all("unbounded", ("compaction", "container", "mcp_servers", "thread")),
    # The API of 2023-06-01, and its structured output before it had its place in output_config.
    **_all("figure", ("temperature", "top_k", "top_p")),
    "output_format": "bytes",
    # OpenRouter's own.
    **_all("figure", ("provider", "route", "session_id", "trace", "transforms", "usage", "user")),
    "models": "window",
    "plugins": "unbounded",
}

OTHER_MODELS: Final = ("fallbacks", "models")  # fields that name other models

EDITS: Final[Mapping[str, Bounded]] = {
    **_all("figure", ("clear_thinking_20251015", "clear_tool_uses_20250919")),
    "compact_20260112": "unbounded",  # a model call of its own
}

# The vendor's pages say 346 tokens for the use of tools at all, 735 + 499 for `computer`, 700 for
# `text_editor` and 245 for `bash`, by the older tokenizer: the newer one makes a third more of the
# same text.  Memory and the toolsets are in no list; what they are held at here is a safe guess:
# two thousand for a tool with a protocol, some seven hundred for each member of a toolset.
TOOL_USE_TOKENS: Final = 1_000
_COMPUTER = KnownTool("figure", tokens=2_000)
_EDITOR = KnownTool("figure", tokens=1_200)
_BASH = KnownTool("figure", tokens=500)
_MEMORY = KnownTool("figure", tokens=2_000)
_COMPUTER_SET = KnownTool("figure", tokens=12_000)
_BROWSER_SET = KnownTool("figure", tokens=24_000)
_SEARCH = KnownTool("window", searches=True)
_WINDOW = KnownTool("window")
_UNBOUNDED = KnownTool("unbounded")

TOOLS: Final[Mapping[str, KnownTool]] = {
    "custom": KnownTool("bytes"),
    "advisor_20260301": _WINDOW,  # of the model that it asks, for each use
    "bash_20241022": _BASH,
    "bash_20250124": _BASH,
    "browser_toolset_20260801": _BROWSER_SET,
    "code_execution_20250522": _UNBOUNDED,
    "code_execution_20250825": _UNBOUNDED,
    "code_execution_20260120": _UNBOUNDED,
    "code_execution_20260521": _UNBOUNDED,
    "computer_20241022": _COMPUTER,
    "computer_20250124": _COMPUTER,
    "computer_20251124": _COMPUTER,
    "computer_toolset_20260801": _COMPUTER_SET,
    "mcp_toolset": _UNBOUNDED,
    "memory_20250818": _MEMORY,
    "text_editor_20241022": _EDITOR,
    "text_editor_20250124": _EDITOR,
    "text_editor_20250429": _EDITOR,
    "text_editor_20250728": _EDITOR,
    "tool_search_tool_bm25": _UNBOUNDED,
    "tool_search_tool_bm25_20251119": _UNBOUNDED,
    "tool_search_tool_regex": _UNBOUNDED,
    "tool_search_tool_regex_20251119": _UNBOUNDED,
    "web_fetch_20250910": _WINDOW,
    "web_fetch_20260209": _WINDOW,
    "web_fetch_20260309": _WINDOW,
    "web_fetch_20260318": _WINDOW,
    "web_search_20250305": _SEARCH,
    "web_search_20260209": _SEARCH,
    "web_search_20260318": _SEARCH,
}
MOST_USES: Final = 1_000  # of a tool in one call; more is as good as no bound
UNBOUNDED_USES: Final = 10  # what is held where nothing bounds them, on a key without a limit
ADVISOR: Final = "advisor_20260301"

BLOCKS: Final[Mapping[str, Bounded]] = {
    **_all("bytes", ("text", "thinking", "redacted_thinking", "search_result")),
    "image": "figure",  # the model's maximum
    "document": "window",  # unless it is text
    "container_upload": "window",
    **_all("bytes", ("tool_use", "server_tool_use", "mcp_tool_use")),
    **_all(
        "bytes",
        (
            "tool_result",
            "advisor_tool_result",
            "bash_code_execution_tool_result",
            "code_execution_tool_result",
            "mcp_tool_result",
            "text_editor_code_execution_tool_result",
            "tool_search_tool_result",
            "web_fetch_tool_result",
            "web_search_tool_result",
        ),
    ),
    # What stands inside results.
    **_all(
        "bytes",
        (
            "advisor_redacted_result",
            "advisor_result",
            "advisor_tool_result_error",
            "bash_code_execution_output",
            "bash_code_execution_result",
            "bash_code_execution_tool_result_error",
            "browser_state",
            "code_execution_output",
            "code_execution_result",
            "code_execution_tool_result_error",
            "encrypted_code_execution_result",
            "text_editor_code_execution_create_result",
            "text_editor_code_execution_str_replace_result",
            "text_editor_code_execution_tool_result_error",
            "text_editor_code_execution_view_result",
            "tool_reference",
            "tool_search_tool_result_error",
            "tool_search_tool_search_result",
            "web_fetch_result",
            "web_fetch_tool_result_error",
            "web_search_result",
            "web_search_tool_result_error",
        ),
    ),
    **_all("bytes", ("compaction", "fallback", "mcp_tool_listing", "tool_removal")),
    "tool_addition": "bytes",  # and by what the tool is that it defines: TOOLS
}

# How a `tool_addition` names its tool: only the last one brings it along.
TOOL_REFERENCES: Final = frozenset(
    {"tool_reference", "mcp_tool_reference", "mcp_toolset_reference"}
)
TOOL_DEFINITION: Final = "tool_definition"


def unbounded_fields(options: Mapping[str, object]) -> list[str]:
    """Those of the body that have no bound and that it does ask for: an empty object asks, too."""
    return [
        name
        for name, given in options.items()
        if FIELDS.get(name) == "unbounded" and given not in (None, False, [])
    ]


def known_tool(kind: object) -> KnownTool:
    """What bounds a tool of this `type`; a tool without one is the caller's own."""
    if kind is None:
        return TOOLS["custom"]
    return TOOLS.get(kind, _UNBOUNDED) if isinstance(kind, str) else _UNBOUNDED


def max_uses(tool: Block) -> int | None:
    """How often the caller lets it be used; None where that is no bound worth the name."""
    uses = tool.get("max_uses")
    return uses if type(uses) is int and 0 <= uses <= MOST_USES else None


def without_bound(names: Sequence[str]) -> UnboundedCost:
    """What to say of features, by the names that they have in the body, that have no bound."""
    tools = all(name.startswith("tools.") for name in names)
    remedy = "set max_uses (at most 1000) where the tool has it" if tools else "leave it out"
    told = ", ".join(names[:MOST_NAMES_TOLD])
    return UnboundedCost(
        f"no bound on the cost of {told}: {remedy}, or use a key without a limit", param=names[0]
    )
