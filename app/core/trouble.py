"""Whose trouble a failed attempt is: the upstream's own, or what it was asked for.  Pure."""

from __future__ import annotations

from app.core.errors import (
    APIConnectionError,
    AuthenticationError,
    ConflictError,
    InternalServerError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitError,
    RequestTimeoutError,
    UncertainError,
)

TRANSIENT = (
    APIConnectionError,
    RequestTimeoutError,
    ConflictError,
    RateLimitError,
    InternalServerError,
    UncertainError,
)
OUR_ACCOUNT = (AuthenticationError, PermissionDeniedError, PaymentRequiredError)


def elsewhere_may_help(error: BaseException) -> bool:
    """Whether another model or upstream may answer: the caller asked for nothing wrong."""
    return isinstance(error, (*TRANSIENT, *OUR_ACCOUNT))
