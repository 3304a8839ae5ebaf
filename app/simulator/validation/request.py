"""The whole of a request: its fields, then each part, then the parts together."""

from __future__ import annotations

from typing import Final

from app.simulator.errors import invalid
from app.simulator.json_values import as_object
from app.simulator.seals import check_seals
from app.simulator.validation.asked import (
    Asked,
    refuse_extra,
    require_list,
    require_object,
    require_text,
    require_whole,
)
from app.simulator.validation.blocks import check_block
from app.simulator.validation.marks import check_marks
from app.simulator.validation.modes import check_output_config, check_sampling, check_thinking
from app.simulator.validation.strict_schemas import check_together
from app.simulator.validation.tools import check_tools
from app.simulator.validation.turns import check_messages

_COUNTED: Final = frozenset(
    {
        "model",
        "messages",
        "system",
        "tools",
        "tool_choice",
        "thinking",
        "output_config",
        "cache_control",
        "speed",
    }
)
_SAMPLING: Final = frozenset({"temperature", "top_p", "top_k"})
_KNOWN: Final = _COUNTED | {
    "max_tokens",
    "stop_sequences",
    "stream",
    "metadata",
    "service_tier",
    "inference_geo",
    "container",
    "diagnostics",
}
_BETA: Final = frozenset(
    {
        "billing_policy",
        "compaction",
        "context_management",
        "fallback_credit_token",
        "fallbacks",
        "mcp_servers",
        "thread",
        "user_profile_id",
        "workspace_id",
    }
)


def check(asked: Asked) -> None:
    """Raises ApiError with what the vendor would say; silent when it would answer."""
    _check_fields(asked)
    check_sampling(asked)
    if not asked.counting:
        _check_max_tokens(asked)
        _check_options(asked)
    check_tools(asked)
    check_thinking(asked)
    check_output_config(asked)
    check_together(asked.body)
    _check_system(asked)
    check_messages(asked)
    check_marks(asked)
    check_seals(asked.body)
    _check_prewarming(asked)


def _check_fields(asked: Asked) -> None:
    known = _COUNTED if asked.counting else _KNOWN
    known |= _BETA if asked.beta else frozenset()
    known |= frozenset() if asked.strict else _SAMPLING
    refuse_extra(asked.body, known, "")
    if "messages" not in asked.body:
        raise invalid("messages: Field required")
    if not asked.counting and "max_tokens" not in asked.body:
        raise invalid("max_tokens: Field required")


def _check_max_tokens(asked: Asked) -> None:
    max_tokens = require_whole(asked.body["max_tokens"], "max_tokens")
    if max_tokens < 0:
        raise invalid("max_tokens: Input should be greater than or equal to 0")
    most = asked.model.max_output_tokens
    if max_tokens > most:
        raise invalid(
            f"max_tokens: {max_tokens} > {most}, which is the maximum allowed number of output "
            f"tokens for {asked.model.id}"
        )


def _check_options(asked: Asked) -> None:
    body, model = asked.body, asked.model
    if not isinstance(body.get("stream") or False, bool):
        raise invalid("stream: Input should be a valid boolean")
    if body.get("service_tier", "auto") not in ("auto", "standard_only", None):
        raise invalid("service_tier: Input should be 'auto' or 'standard_only'")
    _check_stop_sequences(body.get("stop_sequences"))
    if body.get("metadata") is not None:
        metadata = require_object(body["metadata"], "metadata")
        refuse_extra(metadata, frozenset({"user_id"}), "metadata.")
        if metadata.get("user_id") is not None:
            require_text(metadata["user_id"], "metadata.user_id")
    _check_diagnostics(body.get("diagnostics"))
    speed = body.get("speed")
    if speed not in (None, "standard", "fast"):
        raise invalid("speed: Input should be 'standard' or 'fast'")
    if speed == "fast" and model.fast == "refused":
        raise invalid(f"speed: 'fast' is not supported for {model.id}")
    geo = body.get("inference_geo")
    if geo not in (None, "us", "global"):
        raise invalid("inference_geo: Input should be 'global' or 'us'")
    if geo is not None and not model.us:
        raise invalid(f"inference_geo is not supported for {model.id}")


def _check_diagnostics(given: object) -> None:
    if given is None:
        return
    diagnostics = require_object(given, "diagnostics")
    refuse_extra(diagnostics, frozenset({"previous_message_id"}), "diagnostics.")
    if diagnostics.get("previous_message_id") is not None:
        require_text(diagnostics["previous_message_id"], "diagnostics.previous_message_id")


def _check_stop_sequences(sequences: object) -> None:
    if sequences is None:
        return
    if not isinstance(sequences, list):
        raise invalid("stop_sequences: Input should be a valid list")
    for at, sequence in enumerate(sequences):
        if not require_text(sequence, f"stop_sequences.{at}").strip():
            raise invalid("stop_sequences: each stop sequence must contain non-whitespace")


def _check_system(asked: Asked) -> None:
    system = asked.body.get("system")
    if system is None or isinstance(system, str):
        return
    for at, block in enumerate(require_list(system, "system")):
        if block.get("type") != "text":
            raise invalid(f"system.{at}.type: Input should be 'text'")
        check_block(asked, "system", block, f"system.{at}")


def _check_prewarming(asked: Asked) -> None:
    """`max_tokens: 0` fills the cache and answers nothing; it goes with little else."""
    body = asked.body
    if asked.counting or body["max_tokens"] != 0:
        return
    clashes = {
        "stream": body.get("stream") is True,
        "thinking": as_object(body.get("thinking")).get("type") in {"enabled", "adaptive"},
        "output_config.format": as_object(body.get("output_config")).get("format") is not None,
        "tool_choice": as_object(body.get("tool_choice")).get("type") in {"any", "tool"},
    }
    for name, clash in clashes.items():
        if clash:
            raise invalid(f"max_tokens: 0 cannot be combined with {name}")
