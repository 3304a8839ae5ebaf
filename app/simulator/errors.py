"""A refusal in the vendor's words: HTTP status, error type and message."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

ERROR_TYPES: Final = MappingProxyType(
    {
        400: "invalid_request_error",
        401: "authentication_error",
        402: "billing_error",
        403: "permission_error",
        404: "not_found_error",
        405: "invalid_request_error",
        409: "conflict_error",
        413: "request_too_large",
        429: "rate_limit_error",
        500: "api_error",
        504: "timeout_error",
        529: "overloaded_error",
    }
)


class ApiError(Exception):
    """Answered to the client as it stands; never billed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    @property
    def error_type(self) -> str:
        return error_type(self.status)


def error_type(status: int) -> str:
    return ERROR_TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")


def error_status(kind: str) -> int:
    """The status that an error of this type comes with."""
    return next((status for status, name in ERROR_TYPES.items() if name == kind), 500)


def invalid(message: str) -> ApiError:
    return ApiError(400, message)


def error_body(error_type: str, message: str, request_id: str) -> dict[str, object]:
    return {
        "type": "error",
        "error": {"type": error_type, "message": message},
        "request_id": request_id,
    }
