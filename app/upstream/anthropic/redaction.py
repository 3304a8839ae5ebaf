"""An upstream's error may repeat our key: nobody who is told of the error is told the key."""

from __future__ import annotations

from app.core.errors import APIStatusError

LEAST_CHARACTERS = 12  # a shorter key is a word, and no secret
REDACTED = "[redacted]"


class Redaction:
    """Takes one key out of whatever an upstream says."""

    def __init__(self, key: str) -> None:
        self._key = key if len(key) >= LEAST_CHARACTERS else ""
        self._bytes = self._key.encode("utf-8", "replace")

    def text(self, text: str) -> str:
        """`text` without the key."""
        return text.replace(self._key, REDACTED) if self._key else text

    def data(self, data: bytes) -> bytes:
        """`data` without the key."""
        return data.replace(self._bytes, REDACTED.encode()) if self._bytes else data

    def error(self, error: APIStatusError) -> APIStatusError:
        """The error without the key in its message, body and headers."""
        told = (error.message, *error.headers.values())
        if not self._key or (self._bytes not in error.body and self._key not in "\n".join(told)):
            return error
        return type(error)(
            self.text(error.message),
            status=error.status,
            body=self.data(error.body),
            headers={name: self.text(value) for name, value in error.headers.items()},
        )
