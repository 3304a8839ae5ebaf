"""What the simulated model says: always the same for the same prompt."""

from __future__ import annotations

from app.simulator.answers.compose import Answer, compose

__all__ = ["Answer", "compose"]
