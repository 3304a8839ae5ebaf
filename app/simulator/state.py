"""All that one simulator remembers."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b

from app.simulator.cache import PromptCache
from app.simulator.clock import Clock
from app.simulator.diagnosis import Diagnoses
from app.simulator.journal import Journal
from app.simulator.openrouter.generations import Generations
from app.simulator.scripts import Fault, ScriptedReply, Scripts, read_fault, read_reply


def _fault_scripts() -> Scripts[Fault]:
    return Scripts("faults", read_fault)


def _reply_scripts() -> Scripts[ScriptedReply]:
    return Scripts("replies", read_reply)


@dataclass(slots=True)
class Simulator:
    latency_s: float = 0.0
    """Before the first byte of an answer."""
    delta_interval_s: float = 0.0
    """Between the deltas of a stream."""
    announced: bool = False
    """Whether its prose begins by saying what it is."""
    seed: bytes = field(default_factory=lambda: os.urandom(16))
    """Makes identifiers differ between simulators; answers do not depend on it."""
    clock: Clock = field(default_factory=Clock)
    cache: PromptCache = field(default_factory=PromptCache)
    journal: Journal = field(default_factory=Journal)
    faults: Scripts[Fault] = field(default_factory=_fault_scripts)
    replies: Scripts[ScriptedReply] = field(default_factory=_reply_scripts)
    generations: Generations = field(default_factory=Generations)
    diagnoses: Diagnoses = field(default_factory=Diagnoses)
    requests: int = 0
    ids: int = 0

    def new_id(self, prefix: str) -> str:
        self.ids += 1
        digest = blake2b(self.seed + self.ids.to_bytes(8, "big"), digest_size=12)
        return f"{prefix}01{digest.hexdigest()}"

    def next_request(self) -> int:
        self.requests += 1
        return self.requests

    def reset(self) -> None:
        """Forget everything but the pace; identifiers go on, so that none comes twice."""
        fresh: dict[str, Callable[[], object]] = {
            "clock": Clock,
            "cache": PromptCache,
            "journal": Journal,
            "faults": _fault_scripts,
            "replies": _reply_scripts,
            "generations": Generations,
            "diagnoses": Diagnoses,
        }
        for name, make in fresh.items():
            setattr(self, name, make())
