"""What the next requests are to meet: faults and exact answers, taken one per request."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from app.simulator.errors import invalid
from app.simulator.json_values import JsonObject, as_object, as_objects

UNBILLED: Final = frozenset(
    {
        "status",
        "overloaded",
        "error500",
        "html_error",
        "echo_key",
        "error_in_200",
        "error_first",
        "reset",
        "reset_kept_alive",
        "hang",
    }
)
"""Cost nothing unless the script says `"billed": true`."""
KINDS: Final = UNBILLED | {
    "ok",
    "slow",
    "drop_after_generation",
    "garbage",
    "truncated_body",
    "reset_mid_stream",
    "hang_mid_stream",
    "sse_error",
    "cut_in_event",
    "endless_pings",
    "second_start",
    "falling_counts",
    "early_delta",
    "unsplit_writes",
    "after_stop",
}
ENDINGS: Final = frozenset({"end", "close", "reset", "hang"})
TRAILERS: Final = ENDINGS | {"no_blank_line", "done", "error", "garbage", "pings", "no_stop"}


@dataclass(frozen=True, slots=True)
class Fault:
    """What a request meets; `control` tells what each kind does and which fields it looks at."""

    kind: str
    status: int = 429
    retry_after: str | None = None
    body: Any = None
    """Sent instead of the usual error body; text goes out as it is."""
    headers: dict[str, str] = field(default_factory=dict)
    after_deltas: int = 3
    first_byte_s: float | None = None
    delta_interval_s: float | None = None
    billed: bool = True
    error_type: str = "overloaded_error"
    pieces: int = 1
    """Each event, or a whole body, goes out in that many parts, `delta_interval_s` apart."""
    pings: int = 0
    comments: int = 0
    then: str = "end"
    line_end: str = "\n"


@dataclass(frozen=True, slots=True)
class ScriptedReply:
    """An exact answer.  `body`, `sse` and `sse_chunks` are sent to the byte."""

    content: list[JsonObject] | None = None
    usage: JsonObject = field(default_factory=dict)
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: JsonObject | None = None
    model: str | None = None
    """The name that the answer bears."""
    declines: tuple[str | None, ...] = ()
    """In which category each model of the request declines before any output, in turn."""
    advises: int | None = None
    """How often the advisor is asked; its `max_uses` holds all the same."""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    sse_chunks: tuple[bytes, ...] = ()

    @property
    def verbatim(self) -> bool:
        return self.body is not None or bool(self.sse_chunks)


Item = TypeVar("Item")


@dataclass(slots=True)
class _Script(Generic[Item]):
    items: list[Item]
    repeat: bool
    model: str | None
    contains: bytes
    at: int = 0

    def fits(self, model: object, raw_body: bytes) -> bool:
        if self.model is not None and self.model != model:
            return False
        return self.at < len(self.items) and self.contains in raw_body

    def take(self) -> Item:
        item = self.items[self.at]
        self.at += 1
        if self.repeat:
            self.at %= len(self.items)
        return item


class Scripts(Generic[Item]):
    """Scripts in the order they came; a request takes from the first that fits it."""

    def __init__(self, name: str, read_item: Callable[[JsonObject], Item]) -> None:
        self._name = name
        self._read_item = read_item
        self._scripts: list[_Script[Item]] = []

    def add(self, order: JsonObject) -> int:
        """Read `{name: [...], "repeat"?, "match"?}`.  Raises ApiError when it makes no sense."""
        items = order.get(self._name)
        if not isinstance(items, list):
            raise invalid(f"{self._name}: a list is required")
        match = as_object(order.get("match"))
        script = _Script(
            items=[self._read_item(item) for item in as_objects(items)],
            repeat=order.get("repeat") is True,
            model=match.get("model"),
            contains=str(match.get("contains", "")).encode(),
        )
        self._scripts.append(script)
        return len(script.items)

    def take(
        self, model: object, raw_body: bytes, suits: Callable[[Item], bool] = lambda _: True
    ) -> Item | None:
        """The next item for such a request; one that does not suit it goes on waiting."""
        for script in self._scripts:
            if script.fits(model, raw_body) and suits(script.items[script.at]):
                item = script.take()
                self._scripts = [kept for kept in self._scripts if kept.at < len(kept.items)]
                return item
        return None

    def clear(self) -> None:
        self._scripts = []

    @property
    def waiting(self) -> int:
        return sum(len(script.items) - script.at for script in self._scripts)


_WHOLE_NUMBERS: Final = (
    ("status", 0, 599),
    ("after_deltas", 0, 1_000_000),
    ("pieces", 1, 10_000),
    ("pings", 0, 10_000),
    ("comments", 0, 10_000),
)


def read_fault(order: JsonObject) -> Fault:
    kind = order.get("kind")
    if kind not in KINDS:
        raise invalid(f"kind: {kind!r} is not one of {', '.join(sorted(KINDS))}")
    for name, least, most in _WHOLE_NUMBERS:
        value = order.get(name, most)
        if not isinstance(value, int) or not least <= value <= most:
            raise invalid(f"{name}: a whole number from {least} to {most}, not {value!r}")
    allowed = TRAILERS if kind == "after_stop" else ENDINGS
    if order.get("then", "end") not in allowed:
        raise invalid(f"then: {order['then']!r} is not one of {', '.join(sorted(allowed))}")
    if order.get("line_end", "\n") not in {"\n", "\r", "\r\n"}:
        raise invalid(f"line_end: {order['line_end']!r} ends no line")
    fields: JsonObject = {"billed": kind not in UNBILLED} | _known_fields(order, Fault)
    return Fault(**fields)


def read_reply(order: JsonObject) -> ScriptedReply:
    fields = _known_fields({k: v for k, v in order.items() if k != "sse"}, ScriptedReply)
    fields["usage"] = fields.get("usage") or {}
    fields["declines"] = tuple(fields.get("declines") or ())
    if "sse" in order:
        fields["sse_chunks"] = (str(order["sse"]).encode(),)
    elif "sse_chunks" in order:
        fields["sse_chunks"] = tuple(_decoded(chunk) for chunk in order["sse_chunks"])
    return ScriptedReply(**fields)


def _decoded(chunk: object) -> bytes:
    try:
        return base64.b64decode(str(chunk), validate=True)
    except binascii.Error as error:
        raise invalid(f"sse_chunks: not base64: {chunk!r}") from error


def _known_fields(order: JsonObject, kind: type[Fault | ScriptedReply]) -> JsonObject:
    unknown = order.keys() - set(kind.__slots__)
    if unknown:
        raise invalid(f"{kind.__name__}: unknown {', '.join(sorted(unknown))}")
    return dict(order)
