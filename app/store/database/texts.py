"""Texts that callers and vendors wrote, made fit to be stored and shown."""

from __future__ import annotations

import re

MOST_NAME_CHARS = 256  # ids, model names, end users
MOST_TAG_CHARS = 128
MOST_MESSAGE_CHARS = 500

# Control characters, what turns the direction of writing, and halves of surrogate pairs: they
# break terminals, logs and databases. A letter that joins emoji together is left alone.
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def stored(text: str, most: int = MOST_NAME_CHARS) -> str:
    """At most so many characters, each unfit one replaced."""
    if len(text) > most:
        text = text[: most - 1] + "…"
    return text if text.isascii() and text.isprintable() else _UNFIT.sub("�", text)
