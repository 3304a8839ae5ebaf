"""What stands in a table's cell or beside a label: a figure with its exact value on hover."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from markupsafe import Markup, escape

from app.dashboard.figures import formats
from app.dashboard.figures.formats import DASH

if TYPE_CHECKING:
    from datetime import datetime

    from app.dashboard.zones import Zone

# Icon, class: a state is told by an icon, a word and a colour, never by one of them alone.
TONES: Final = {
    "good": ("✓", "good"),
    "warn": ("▲", "warn"),
    "bad": ("✕", "bad"),
    "quiet": ("○", "quiet"),
    "busy": ("◔", "quiet"),
}


def badge(word: str, tone: str, why: str = "") -> Markup:
    """A state."""
    icon, css = TONES[tone]
    title = Markup(' title="{}"').format(why) if why else ""
    return Markup('<span class="badge {}"{}><span aria-hidden="true">{}</span> {}</span>').format(
        css, title, icon, word
    )


def unknown(why: str) -> Markup:
    """A figure that isn't known, and why."""
    return Markup('<span class="unknown" title="{}">{}</span>').format(why, DASH)


def call_cost(amount: int, *, guessed: bool = False) -> Markup:
    """What one call cost; a guess is marked."""
    return _money(formats.call(amount), amount, guessed=guessed)


def total(amount: int, largest: int | None = None, *, guessed: bool = False) -> Markup:
    """A sum in a column."""
    return _money(formats.total(amount, largest), amount, guessed=guessed)


def tile(amount: int) -> Markup:
    """A large figure, short where it is long."""
    return _money(formats.tile(amount), amount, guessed=False)


def exact(amount: int) -> Markup:
    """A sum with all its digits."""
    return Markup('<span class="num">{}</span>').format(formats.exact(amount))


def gain(amount: int, *, per_call: bool = False) -> Markup:
    """Saved, or, below nothing, lost: told in a word too."""
    if not amount:
        return Markup('<span class="num quiet">{}</span>').format(formats.total(0))
    text = formats.call(amount) if per_call else formats.total(amount)
    word, css = ("", "good") if amount > 0 else (" lost", "bad")
    return Markup('<span class="num {}" title="{}">{}{}</span>').format(
        css, formats.exact(amount), text, word
    )


def difference(amount: int, *, exact: bool = False) -> Markup:
    """More, with a plus, or less."""
    sign = "+" if amount > 0 else ""
    text = formats.exact(amount) if exact else formats.total(amount)
    return Markup('<span class="num" title="{}{}">{}{}</span>').format(
        sign, formats.exact(amount), sign, text
    )


def number(value: int | None, why: str = "") -> Markup:
    """A count with separators."""
    if value is None:
        return unknown(why or "not known")
    return Markup('<span class="num">{}</span>').format(formats.count(value))


def rate(pico_per_token: int) -> Markup:
    """Dollars per million tokens, per token on hover."""
    return Markup('<span class="num mono" title="{}">{}</span>').format(
        formats.rate_exact(pico_per_token), formats.rate(pico_per_token)
    )


def time(when: datetime | None, now: datetime, zone: Zone, why: str = "never") -> Markup:
    """How long ago, or in how long; the moment itself on hover."""
    if when is None:
        return unknown(why)
    shown = f"{formats.moment(zone.at(when))} {zone.name}"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        when.isoformat(), shown, formats.relative(when, now)
    )


def clock(when: datetime, zone: Zone) -> Markup:
    """The moment itself."""
    return Markup('<time datetime="{}">{}</time>').format(
        when.isoformat(), formats.moment(zone.at(when))
    )


def anchor(href: str, inside: Markup) -> Markup:
    """A link around what is already drawn."""
    return Markup('<a href="{}">{}</a>').format(href, inside)


def link(href: str, text: str, css: str = "") -> Markup:
    """A link; a long text, or one that runs from right to left, stays in its place."""
    return Markup('<a href="{}"{}><bdi>{}</bdi></a>').format(
        href, Markup(' class="{}"').format(css) if css else "", text
    )


def name(text: str) -> Markup:
    """A name that someone gave."""
    return Markup('<bdi class="name" title="{}">{}</bdi>').format(text, text)


def mono(text: str) -> Markup:
    """An id."""
    return Markup("<code>{}</code>").format(text)


def together(*parts: str) -> Markup:
    """Several in one cell."""
    return Markup(" ").join(escape(part) for part in parts if part)


def _money(text: str, amount: int, *, guessed: bool) -> Markup:
    if guessed:
        return Markup('<em class="num guess" title="{} (estimated)">≈ {}</em>').format(
            formats.exact(amount), text
        )
    return Markup('<span class="num" title="{}">{}</span>').format(formats.exact(amount), text)
