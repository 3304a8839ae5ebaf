"""Who is logged in: a signed cookie that every worker and replica can read, as it holds it all.

Nothing is stored. The signing key comes from the master key, so that a new master key ends every
session. A holder's session names the digest of the secret it was opened with, never the secret.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Final, Literal

SESSION_S: Final = 12 * 3_600
PURPOSE: Final = b"tollkeeper dashboard session 1"
OPERATOR: Final = "operator"
_KINDS: Final = ("operator", "holder")
_FIELDS: Final = 5


@dataclass(frozen=True, slots=True)
class Session:
    """An operator's, or that of a virtual key's holder (`sha256` of the secret, in hex)."""

    kind: Literal["operator", "holder"]
    expires_s: int
    nonce: str
    sha256: str = ""

    @property
    def is_operator(self) -> bool:
        return self.kind == OPERATOR


def opened(kind: Literal["operator", "holder"], now_s: int, sha256: str = "") -> Session:
    """A new session."""
    return Session(kind, now_s + SESSION_S, secrets.token_urlsafe(12), sha256)


class Signer:
    """Makes and reads the cookie, and the token that a form must bring back."""

    def __init__(self, master_key: str) -> None:
        self._key = hmac.digest(master_key.encode(), PURPOSE, hashlib.sha256)

    def cookie(self, session: Session) -> str:
        """The cookie's text."""
        body = f"{session.kind}.{session.expires_s}.{session.nonce}.{session.sha256}"
        return f"{body}.{self._sign(body)}"

    def read(self, cookie: str, now_s: int) -> Session | None:
        """The session, if it is one of ours and has not ended."""
        body, _, given = cookie.rpartition(".")
        parts = body.split(".")
        if not cookie.isascii() or not hmac.compare_digest(given, self._sign(body)):
            return None
        if len(parts) != _FIELDS - 1 or parts[0] not in _KINDS or not parts[1].isdecimal():
            return None
        if int(parts[1]) <= now_s:
            return None
        kind: Literal["operator", "holder"] = "operator" if parts[0] == OPERATOR else "holder"
        return Session(kind, int(parts[1]), parts[2], parts[3])

    def form_token(self, bound_to: str) -> str:
        """What forms carry: no other site can know it, and no other session's is taken."""
        return self._sign(f"form {bound_to}")

    def is_form_token(self, given: str, bound_to: str) -> bool:
        return given.isascii() and hmac.compare_digest(given, self.form_token(bound_to))

    def _sign(self, text: str) -> str:
        signature = hmac.digest(self._key, text.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(signature).decode().rstrip("=")
