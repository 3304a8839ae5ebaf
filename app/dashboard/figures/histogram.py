"""How often a figure from 0 to 1 had which value: stacked bars, and where the line was drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from app.dashboard.figures import formats
from app.dashboard.figures.charts import MOST_SERIES

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH: Final = 720
HEIGHT: Final = 190
LEFT: Final = 56
TOP: Final = 24
BOTTOM: Final = 24
TICKS: Final = ("0", "0.25", "0.5", "0.75", "1")


def histogram(
    buckets: Sequence[Sequence[int]], lines: Sequence[float], label: str, told: str
) -> Markup:
    """Buckets of equal width with a count for each series; `lines` at one or two values, named so.

    Between two lines the ground is shaded. Figures on hover, and in the table beside it.
    """
    most = max((sum(counts) for counts in buckets), default=0)
    step = (WIDTH - LEFT) / max(len(buckets), 1)
    drawn = [_axes(most), *_band(lines)]
    for place, counts in enumerate(buckets):
        edges = f"{place / len(buckets):g} to {(place + 1) / len(buckets):g}"
        title = f"{edges}: {formats.count(sum(counts))} calls"
        drawn.append(_bar(counts, LEFT + place * step, step, most, title))
    drawn += _lines(lines, told)
    return Markup(
        '<svg class="histogram" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(WIDTH, HEIGHT, label, Markup().join(drawn))


def _bar(counts: Sequence[int], x: float, step: float, most: int, title: str) -> Markup:
    y, parts = float(HEIGHT - BOTTOM), []
    for series, count in enumerate(counts):
        tall = count * (HEIGHT - TOP - BOTTOM) / max(most, 1)
        y -= tall
        css = f"s{series + 1}" if series < MOST_SERIES else "other"
        if count:
            parts.append(
                Markup(
                    '<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>'
                ).format(css, x + 1, y, step - 2, tall)
            )
    return Markup("<g><title>{}</title>{}</g>").format(title, Markup().join(parts))


def _axes(most: int) -> Markup:
    floor = HEIGHT - BOTTOM
    drawn = [
        Markup(
            '<line class="grid" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/>'
            '<text class="y" x="{3}" y="{4}">{5}</text>'
        ).format(LEFT, WIDTH, y, LEFT - 6, y + 4, formats.short_count(count))
        for y, count in ((floor, 0), (TOP, most))
    ]
    for place, text in enumerate(TICKS):
        x = LEFT + place * (WIDTH - LEFT) / (len(TICKS) - 1)
        css = "y" if place == len(TICKS) - 1 else "middle" if place else ""
        drawn.append(
            Markup('<text class="{}" x="{:.1f}" y="{}">{}</text>').format(css, x, HEIGHT - 6, text)
        )
    return Markup().join(drawn)


def _band(lines: Sequence[float]) -> list[Markup]:
    if len(lines) < 2:
        return []
    first, last = _x(min(lines)), _x(max(lines))
    return [
        Markup('<rect class="band" x="{:.1f}" y="{}" width="{:.1f}" height="{}"/>').format(
            first, TOP, last - first, HEIGHT - TOP - BOTTOM
        )
    ]


def _lines(lines: Sequence[float], told: str) -> list[Markup]:
    drawn = [
        Markup('<line class="mark" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>').format(
            _x(value), TOP - 6, HEIGHT - BOTTOM
        )
        for value in lines
    ]
    if lines:
        ends = max(lines) > 0.5
        x = _x(max(lines)) if ends else _x(min(lines))
        drawn.append(
            Markup('<text class="{}" x="{:.1f}" y="12">{}</text>').format(
                "y" if ends else "", x, told
            )
        )
    return drawn


def _x(value: float) -> float:
    return LEFT + min(max(value, 0), 1) * (WIDTH - LEFT)
