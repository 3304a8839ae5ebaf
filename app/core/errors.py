"""Everything the gateway raises on purpose.

These know no HTTP: `web/errors.py` turns them into answers.

GatewayError
├── Refusal                       never sent upstream, nothing billed
│   ├── BadRequest                the caller's body is wrong (`param` names the field)
│   │   ├── UnsupportedParameter  it can't be honoured and must not be ignored
│   │   └── UnboundedCost         no bound on what it costs, and the key has a limit
│   ├── InvalidApiKey             missing, unknown, revoked or expired
│   ├── BudgetExceeded            the hold did not fit
│   ├── ModelNotAllowed           the key may not use the model
│   ├── ModelNotFound             no such model, alias or tier
│   ├── NotFound                  no such object behind an admin route
│   ├── NotSupported              no such route
│   ├── DuplicateRequest          the idempotency key is running or was billed
│   ├── RequestTooLarge           body over `server.max_body_bytes`
│   ├── RequestTimeout            the body did not arrive within `server.body_timeout_s`
│   ├── GatewayOverloaded         bodies still arriving hold more than `server.max_pending_bytes`
│   ├── RateLimitExceeded         the key's own rate limit
│   └── LedgerUnavailable         the ledger can't hold: fail closed
├── CutShort                      it may have been sent; nobody waits for the answer any more
│   ├── CallerLeft                the caller broke the connection off
│   └── GatewayStopped            the gateway shuts down and waits no longer
└── UpstreamError                 the call was made, or tried
    ├── APIStatusError            answered with an error status: not billed
    │   ├── BadRequestError 400 · AuthenticationError 401 · PaymentRequiredError 402
    │   ├── PermissionDeniedError 403
    │   ├── NotFoundError 404 · ConflictError 409 · RequestTooLargeError 413
    │   ├── UnprocessableEntityError 422 · RateLimitError 429 · RequestTimeoutError 408
    │   └── InternalServerError >= 500 · ServiceUnavailableError 503
    │       · DeadlineExceededError 504 · OverloadedError 529
    ├── APIConnectionError        never connected: not billed
    │   └── StaleConnectionError  a kept-alive connection that the upstream had closed
    └── UncertainError            sent, and no whole answer came back: may have been billed
        ├── APITimeoutError
        └── APIResponseValidationError

The names below UpstreamError are those of the vendor's SDK, so a reader knows them already.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from app.core.budgets import explained

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.core.budgets import Shortfall
    from app.core.receipt import Receipt


class GatewayError(Exception):
    """Base of the tree; `message` may be shown to the caller."""

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


class Refusal(GatewayError):
    """Never sent upstream; nothing was billed."""


class BadRequest(Refusal):
    """The caller's body is wrong."""


class UnsupportedParameter(BadRequest):
    """A parameter that can't be honoured and must not be ignored."""


class UnboundedCost(BadRequest):
    """A feature without a bound on its cost, asked for with a key that has a limit."""


class InvalidApiKey(Refusal):
    """Missing, unknown, revoked or expired."""


class BudgetExceeded(Refusal):
    """The hold did not fit.  `shortfall` says which limit and by how much."""

    def __init__(self, shortfall: Shortfall) -> None:
        super().__init__(explained(shortfall))
        self.shortfall = shortfall


class ModelNotAllowed(Refusal):
    """The key may not use the model."""


class ModelNotFound(Refusal):
    """No model, alias or tier of that name."""


class NotFound(Refusal):
    """No such object behind an admin route."""


class NotSupported(Refusal):
    """No such route."""


class DuplicateRequest(Refusal):
    """The same idempotency key is running or was billed."""


class RequestTooLarge(Refusal):
    """The body is larger than the gateway takes."""


class RequestTimeout(Refusal):
    """The body did not arrive in time."""


class GatewayOverloaded(Refusal):
    """Bodies that are still arriving hold more memory than they may together."""


class RateLimitExceeded(Refusal):
    """The key's own limit; may be tried again after `retry_after_s`."""

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class LedgerUnavailable(Refusal):
    """The ledger can't be written, so nothing may be sent."""


class CutShort(GatewayError):
    """Nobody waits for the answer any more."""


class CallerLeft(CutShort):
    """The caller broke the connection off."""


class GatewayStopped(CutShort):
    """The gateway shuts down and waits no longer."""


class UpstreamError(GatewayError):
    """The call was made, or tried, and failed; it has a `receipt` where that cost something."""

    receipt: Receipt | None = None


class APIStatusError(UpstreamError):
    """The upstream answered with an error status: not billed.

    `status`, `body` and `headers` are the upstream's own; `message` is taken from its body.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = body
        self.headers: Mapping[str, str] = headers or {}


class BadRequestError(APIStatusError):
    """400."""


class AuthenticationError(APIStatusError):
    """401: the upstream refused *our* key."""


class PaymentRequiredError(APIStatusError):
    """402, or a 400 that says the same: *our* account is out of balance or over its limit."""


class PermissionDeniedError(APIStatusError):
    """403: the upstream refused *our* key."""


class NotFoundError(APIStatusError):
    """404."""


class RequestTimeoutError(APIStatusError):
    """408."""


class ConflictError(APIStatusError):
    """409."""


class RequestTooLargeError(APIStatusError):
    """413."""


class UnprocessableEntityError(APIStatusError):
    """422."""


class RateLimitError(APIStatusError):
    """429."""


class InternalServerError(APIStatusError):
    """500 and above."""


class ServiceUnavailableError(InternalServerError):
    """503."""


class DeadlineExceededError(InternalServerError):
    """504."""


class OverloadedError(InternalServerError):
    """529."""


class APIConnectionError(UpstreamError):
    """Never connected, so nothing was sent and nothing is billed."""


class StaleConnectionError(APIConnectionError):
    """A kept-alive connection broke off at once and without a byte: the upstream had closed it.

    What was sent on it has not been read, so nothing is billed.
    """


class UncertainError(UpstreamError):
    """Sent, and no whole answer came back: it may have been billed.

    `status`, `request_id` and `generation_id` (by which it tells its own bill) are the upstream's,
    where it had answered that far.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        request_id: str | None = None,
        generation_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.request_id = request_id
        self.generation_id = generation_id


class APITimeoutError(UncertainError):
    """Sent, and no answer within the time allowed."""


class APIResponseValidationError(UncertainError):
    """Sent, and the answer broke off or can't be read."""


_BY_STATUS: Mapping[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: PaymentRequiredError,
    403: PermissionDeniedError,
    404: NotFoundError,
    408: RequestTimeoutError,
    409: ConflictError,
    413: RequestTooLargeError,
    422: UnprocessableEntityError,
    429: RateLimitError,
    503: ServiceUnavailableError,
    504: DeadlineExceededError,
    529: OverloadedError,
}


# Of the account, never of a field: those messages begin with the field's path and a colon.
_OUT_OF_BALANCE = re.compile(
    r"(?:your|you|this|the)\b[^:]{0,120}?"
    r"\b(?:credit balance|api usage limits?|spend(?:ing)? limits?|monthly limit)\b",
    re.IGNORECASE,
)


def status_error(status: int, message: str = "") -> type[APIStatusError]:
    """The class for an upstream's error status, and for what it says of our account."""
    if status == 400 and _OUT_OF_BALANCE.match(message):
        return PaymentRequiredError
    return _BY_STATUS.get(status) or (InternalServerError if status >= 500 else APIStatusError)
