"""Text that callers wrote, made fit to be shown: no terminal takes any of it for a command."""

from __future__ import annotations

import re

# Controls of both sets, lone surrogates, and what turns, hides or breaks a line's text.
_COMMANDS = (
    "\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069"
    "\ud800-\udfff\ufeff\ufff9-\ufffb"
)
_UNFIT = re.compile(f"[{_COMMANDS}]")
_UNFIT_IN_LINES = re.compile(f"(?!\n)[{_COMMANDS}]")


def printable(text: str) -> str:
    """One line: each character that is not to be seen as its escape."""
    return text if text.isascii() and text.isprintable() else _UNFIT.sub(_escaped, text)


def printable_lines(text: str) -> str:
    """The same for a text of ours in which line breaks stand on purpose."""
    return _UNFIT_IN_LINES.sub(_escaped, text)


def printable_json(text: str) -> str:
    """The same for JSON, with JSON's escapes: such characters stand within its strings alone."""
    return _UNFIT_IN_LINES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
