"""The simulated prompt cache: who wrote which prefix, for how long, and what a request reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from app.simulator.facts import LOOK_BACK_POSITIONS, TTL_S, Model
from app.simulator.prompt import Position, Prompt

_MOST_ENTRIES: Final = 200_000

_Key = tuple[str, str, bytes]


@dataclass(slots=True)
class _Entry:
    ttl_s: int
    expires_at_s: float


@dataclass(frozen=True, slots=True)
class CachePlan:
    """How the prompt's tokens are billed (the four counts add up), and what is to be written."""

    input_tokens: int
    write_5m_tokens: int = 0
    write_1h_tokens: int = 0
    read_tokens: int = 0
    writes: tuple[tuple[_Key, int], ...] = ()


@dataclass(slots=True)
class PromptCache:
    _entries: dict[_Key, _Entry] = field(default_factory=dict)

    def plan(self, prompt: Prompt, account: str, model: Model, now_s: float) -> CachePlan:
        """What this request reads and writes.  Reading refreshes; nothing is written yet."""
        positions = prompt.positions
        marks = [at for at, position in enumerate(positions) if position.ttl_s is not None]
        scope = (account, model.id)
        hit = max((self._look_back(positions, at, scope, now_s) for at in marks), default=-1)
        read_tokens = positions[hit].tokens if hit >= 0 else 0
        written = {300: 0, 3600: 0}
        writes: list[tuple[_Key, int]] = []
        seen_tokens = read_tokens
        for at in marks:
            tokens, ttl_s = positions[at].tokens, positions[at].ttl_s
            if at <= hit or ttl_s is None or tokens < model.min_cacheable_tokens:
                continue
            written[ttl_s] += tokens - seen_tokens
            seen_tokens = tokens
            writes.append(((*scope, positions[at].digest), ttl_s))
        return CachePlan(
            input_tokens=prompt.total_tokens - seen_tokens,
            write_5m_tokens=written[TTL_S["5m"]],
            write_1h_tokens=written[TTL_S["1h"]],
            read_tokens=read_tokens,
            writes=tuple(writes),
        )

    def write(self, plan: CachePlan, now_s: float) -> None:
        """Make the plan's entries readable: the response has begun."""
        for key, ttl_s in plan.writes:
            self._entries[key] = _Entry(ttl_s, now_s + ttl_s)
        if len(self._entries) > _MOST_ENTRIES:
            self._drop_expired(now_s)

    def _look_back(
        self, positions: tuple[Position, ...], mark: int, scope: tuple[str, str], now_s: float
    ) -> int:
        """The last position with a live entry in the mark's window, the mark included; else -1."""
        for at in range(mark, max(-1, mark - LOOK_BACK_POSITIONS), -1):
            entry = self._entries.get((*scope, positions[at].digest))
            if entry is not None and now_s < entry.expires_at_s:
                entry.expires_at_s = now_s + entry.ttl_s
                return at
        return -1

    def _drop_expired(self, now_s: float) -> None:
        live = [(key, entry) for key, entry in self._entries.items() if now_s < entry.expires_at_s]
        self._entries = dict(live[-_MOST_ENTRIES // 2 :])
