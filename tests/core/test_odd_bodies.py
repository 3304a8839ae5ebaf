"""Whatever a body holds in place of what it should: refused in order or served, never a crash."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.caching import CacheRules
from app.core.errors import Refusal
from app.core.keys import Key
from app.core.known_features import BLOCKS, EDITS, FIELDS, TOOLS
from app.core.preparation import Policy, prepare
from app.core.routing import Rules
from app.dialects.anthropic.messages import parse
from app.dialects.anthropic.wire import encode
from tests.core.catalogs import CATALOG

NOW = datetime(2026, 11, 21, tzinfo=UTC)
KEY = Key("key_1", "k", "tk-abc", datetime(2026, 11, 1, tzinfo=UTC))
LIMITED = replace(KEY, max_budget_nano_usd=10**18)
LISTED = replace(LIMITED, models=("auto", "small"))
POLICY = Policy(CATALOG, Rules(), CacheRules())
MODELS = [*CATALOG.models, *CATALOG.tiers, *CATALOG.aliases, "auto"]

names = st.sampled_from(
    [
        *("type", "text", "content", "source", "data", "input", "edits", "name", "model", "role"),
        *("max_uses", "max_tokens", "tool", "tool_name", "definition", "tool_changes", "caching"),
        *("tool_references", "cache_control", "ttl", "citations", "title", "signature", "effort"),
        *("thinking", "speed", "budget_tokens", "url", "file_id", "id", "tool_use_id"),
    ]
)
words = st.sampled_from(
    [*BLOCKS, *TOOLS, *EDITS, *MODELS, "tool_definition", "url", "base64", "file", "1h", "fast"]
)
leaves = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | words
JSON = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner | words, max_size=5),
    max_leaves=15,
)
typed = st.builds(lambda kind, rest: {**rest, "type": kind}, words, st.dictionaries(names, JSON))
turns = st.builds(
    lambda role, content, rest: {**rest, "role": role, "content": content},
    st.sampled_from(["user", "assistant", "system"]),
    JSON | st.lists(typed, max_size=3),
    st.dictionaries(names, JSON, max_size=1),
)


@settings(deadline=None, max_examples=100)
@given(
    messages=st.lists(turns, min_size=1, max_size=4),
    fields=st.dictionaries(
        st.sampled_from([*FIELDS, "new_field"]), JSON | st.lists(typed, max_size=3), max_size=5
    ),
    model=st.sampled_from(MODELS),
)
def test_whatever_is_read_is_refused_in_order_or_bounded_and_sent(
    messages: list[Any], fields: dict[str, Any], model: str
) -> None:
    body = {"max_tokens": 10} | fields | {"messages": messages, "model": model}
    for key in (KEY, LIMITED, LISTED):
        try:
            prepared = prepare(parse(orjson.dumps(body)), key, POLICY, NOW, adapted=False)
        except Refusal:
            continue
        assert prepared.bound.nano_usd > 0
        assert prepared.least_nano_usd <= prepared.bound.nano_usd
        assert orjson.loads(encode(prepared.request, prepared.model.id))["messages"]
