"""The ways in which a command ends without having done what was asked."""

from __future__ import annotations

FAILED = 1
WRONG_USAGE = 2


class CommandFailed(Exception):
    """Ends the command: the message goes to stderr, `code` is the exit code."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


class WrongUsage(CommandFailed):
    """An option, a value or the configuration is wrong."""

    def __init__(self, message: str) -> None:
        super().__init__(message, WRONG_USAGE)
