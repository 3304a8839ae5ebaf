"""Texts that may quote what a caller sent, without the keys that stand in them."""

from __future__ import annotations

import re

SECRETS = re.compile(
    r"(?:tk|sk)-[A-Za-z0-9_-]{12,}|(?i:bearer)\s+[A-Za-z0-9._~+/=-]{12,}|pk-lf-[A-Za-z0-9-]{8,}"
)
BLOT = "[secret]"


def blot(text: str, *secrets: str) -> str:
    """The text without anything that looks like a key, and without `secrets`."""
    for secret in secrets:
        text = text.replace(secret, BLOT)
    return SECRETS.sub(BLOT, text)
