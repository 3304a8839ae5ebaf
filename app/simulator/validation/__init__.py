"""What the vendor refuses, in the order in which it looks."""

from __future__ import annotations

from app.simulator.validation.asked import Asked
from app.simulator.validation.request import check

__all__ = ["Asked", "check"]
