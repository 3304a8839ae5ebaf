"""Small charts as inline SVG: geometry in attributes, colours in classes, no style and no script.

Each is hidden from screen readers where the figures stand beside it, or names itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from markupsafe import Markup, escape

from app.dashboard.figures import formats

if TYPE_CHECKING:
    from collections.abc import Sequence

SPARK_WIDTH: Final = 96
SPARK_HEIGHT: Final = 20
BAR_WIDTH: Final = 120
BAR_HEIGHT: Final = 10
MOST_SERIES: Final = 6
HEADROOM: Final = 20


def sparkline(values: Sequence[int]) -> Markup:
    """One line from 0; the figures stand elsewhere."""
    if len(values) < 2 or not any(values):
        return Markup(
            '<svg class="spark" width="{w}" height="{h}" viewBox="0 0 {w} {h}" aria-hidden="true">'
            '<line x1="0" y1="{y}" x2="{w}" y2="{y}" class="flat"/></svg>'
        ).format(w=SPARK_WIDTH, h=SPARK_HEIGHT, y=SPARK_HEIGHT - 2)
    top = max(*values, 1)
    step = (SPARK_WIDTH - 4) / (len(values) - 1)
    points = " ".join(
        f"{2 + place * step:.1f},{SPARK_HEIGHT - 2 - max(value, 0) * (SPARK_HEIGHT - 4) / top:.1f}"
        for place, value in enumerate(values)
    )
    end = points.rpartition(" ")[2].split(",")
    return Markup(
        '<svg class="spark" width="{w}" height="{h}" viewBox="0 0 {w} {h}" aria-hidden="true">'
        '<polyline points="{points}"/><circle cx="{x}" cy="{y}" r="2"/></svg>'
    ).format(w=SPARK_WIDTH, h=SPARK_HEIGHT, points=points, x=end[0], y=end[1])


def budget_bar(spent: int, held: int, limit: int | None) -> Markup:
    """Spent, held and left of a limit; with none, nothing is drawn."""
    if limit is None:
        return Markup('<span class="quiet">no limit</span>')
    whole = max(limit, spent + held, 1)
    width_spent = _part(spent, whole, BAR_WIDTH)
    width_held = _part(held, whole, BAR_WIDTH)
    tone = "bad" if spent + held >= limit else "warn" if (spent + held) * 5 >= limit * 4 else "ok"
    label = (
        f"{formats.exact(spent)} spent, {formats.exact(held)} held, "
        f"{formats.exact(max(limit - spent - held, 0))} left of {formats.exact(limit)}"
    )
    return Markup(
        '<svg class="budget {tone}" width="{w}" height="{h}" viewBox="0 0 {w} {h}" '
        'preserveAspectRatio="none" role="img" '
        'aria-label="{label}"><title>{label}</title>'
        '<rect class="left" width="{w}" height="{h}"/>'
        '<rect class="spent" width="{spent}" height="{h}"/>'
        '<rect class="held" x="{spent}" width="{held}" height="{h}"/></svg>'
    ).format(tone=tone, w=BAR_WIDTH, h=BAR_HEIGHT, label=label, spent=width_spent, held=width_held)


def share_bar(part: int, largest: int, width: int = 80) -> Markup:
    """How great beside the greatest of the column."""
    return Markup(
        '<svg class="share" width="{w}" height="8" viewBox="0 0 {w} 8" aria-hidden="true">'
        '<rect width="{part}" height="8"/></svg>'
    ).format(w=width, part=_part(max(part, 0), max(largest, 1), width))


def stacked_bar(parts: Sequence[tuple[str, int]], label: str, width: int = 640) -> Markup:
    """Named parts of one whole, side by side; six have a colour, the rest is grey."""
    whole = max(sum(max(amount, 0) for _, amount in parts), 1)
    drawn, left = [], 0
    for place, (name, amount) in enumerate(parts):
        part = _part(max(amount, 0), whole, width)
        css = f"s{place + 1}" if place < MOST_SERIES else "other"
        drawn.append(
            Markup(
                '<rect class="{}" x="{}" width="{}" height="16"><title>{}</title></rect>'
            ).format(css, left, part, name)
        )
        left += part
    return Markup(
        '<svg class="stack" viewBox="0 0 {w} 16" preserveAspectRatio="none" role="img" '
        'aria-label="{label}">{drawn}</svg>'
    ).format(w=width, label=label, drawn=Markup().join(drawn))


def stacked_days(
    days: Sequence[tuple[str, Sequence[int]]], names: Sequence[str], *, so_far: bool
) -> Markup:
    """Bars of days, each stacked by series in the order of `names`; the last is `so_far`.

    Figures on hover, and in the table that stands with the chart.
    """
    width, height, bottom, left = 720, 210, 28, 100
    top = max((sum(values) for _, values in days), default=0)
    ceiling = _round_ceiling(top)
    step = (width - left) / max(len(days), 1)
    drawn = [_axis(ceiling, width, height, bottom, left)]
    for place, (label, values) in enumerate(days):
        y = float(height - bottom)
        x = left + place * step
        is_last = so_far and place + 1 == len(days)
        told = f"{label}{', so far' if is_last else ''}: {formats.total(sum(values))}"
        bars = []
        for series, value in enumerate(values):
            tall = max(value, 0) * (height - bottom - HEADROOM) / ceiling
            y -= tall
            css = f"s{series + 1}" if series < MOST_SERIES else "other"
            bars.append(
                Markup(
                    '<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>'
                ).format(css, x + 1, y, max(step - 2, 1), tall)
            )
        css = "day so-far" if is_last else "day"
        drawn.append(
            Markup('<g class="{}"><title>{}</title>{}</g>').format(css, told, Markup().join(bars))
        )
        if place % max(len(days) // 6, 1) == 0:
            drawn.append(
                Markup('<text x="{:.1f}" y="{}">{}</text>').format(x + 1, height - 5, label)
            )
    return Markup(
        '<svg class="days" viewBox="0 0 {w} {h}" role="img" aria-label="{label}">{drawn}</svg>'
    ).format(
        w=width,
        h=height,
        label=f"Spend by day, stacked by {', '.join(names) or 'nothing'}",
        drawn=Markup().join(drawn),
    )


def _axis(ceiling: int, width: int, height: int, bottom: int, left: int) -> Markup:
    lines = []
    for part in (0, 1, 2):
        y = height - bottom - part * (height - bottom - HEADROOM) / 2
        text = escape(formats.tile(ceiling * part // 2))
        lines.append(
            Markup(
                '<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
                '<text class="y" x="{}" y="{:.1f}">{}</text>'
            ).format(left, width, y, y, left - 6, y + 4, text)
        )
    return Markup().join(lines)


def _round_ceiling(top: int) -> int:
    """The next of 1, 2, 5 times a power of ten."""
    size = 1
    while True:
        for step in (1, 2, 5):
            if size * step >= top:
                return size * step
        size *= 10


def _part(amount: int, whole: int, width: int) -> int:
    """Pixels of a part; what isn't nothing is seen."""
    if amount <= 0:
        return 0
    return max(1, min(width, amount * width // whole))
