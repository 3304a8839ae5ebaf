"""How far a share that was counted among a few tells the true one.  Pure."""

from __future__ import annotations

from math import sqrt
from typing import Final

Z: Final = 1.96  # 19 times out of 20


def likely(part: int, whole: int) -> tuple[int, int]:
    """Between which percents the true share lies, 19 times out of 20: Wilson's interval."""
    if not whole:
        return 0, 100
    share, z2 = part / whole, Z * Z
    middle = share + z2 / (2 * whole)
    reach = Z * sqrt(share * (1 - share) / whole + z2 / (4 * whole * whole))
    scale = 1 + z2 / whole
    return round(100 * (middle - reach) / scale), round(100 * (middle + reach) / scale)
