"""Every exception class of the installed SDK has one of ours."""

from __future__ import annotations

import inspect

import anthropic
import httpx2
import pytest
from anthropic import _exceptions as sdk

from app.core import errors
from app.core.errors import status_error
from app.upstream.anthropic.sdk_transport import FAILURES, _mapped

OF_STATUS: dict[str, tuple[int, type[errors.APIStatusError]]] = {
    "BadRequestError": (400, errors.BadRequestError),
    "AuthenticationError": (401, errors.AuthenticationError),
    "PaymentRequiredError": (402, errors.PaymentRequiredError),
    "PermissionDeniedError": (403, errors.PermissionDeniedError),
    "NotFoundError": (404, errors.NotFoundError),
    "RequestTimeoutError": (408, errors.RequestTimeoutError),
    "ConflictError": (409, errors.ConflictError),
    "PreconditionFailedError": (412, errors.APIStatusError),
    "ContentTooLargeError": (413, errors.RequestTooLargeError),
    "UnprocessableEntityError": (422, errors.UnprocessableEntityError),
    "RateLimitError": (429, errors.RateLimitError),
    "RequestHeaderFieldsTooLargeError": (431, errors.APIStatusError),
    "ClientClosedRequestError": (499, errors.APIStatusError),
    "InternalServerError": (500, errors.InternalServerError),
    "HTTPNotImplementedError": (501, errors.InternalServerError),
    "ServiceUnavailableError": (503, errors.ServiceUnavailableError),
    "GatewayTimeoutError": (504, errors.DeadlineExceededError),
    "OverloadedError": (529, errors.OverloadedError),
}
BASES = {"AnthropicError", "APIError", "APIStatusError"}
WITHOUT_STATUS: dict[str, type[errors.UpstreamError]] = {
    "APIConnectionError": errors.APIResponseValidationError,  # unless it never connected: below
    "APITimeoutError": errors.APITimeoutError,
    "APIResponseValidationError": errors.APIResponseValidationError,
    "APIWebhookValidationError": errors.APIResponseValidationError,
    "RetryableError": errors.APIResponseValidationError,
    "CredentialsError": errors.APIResponseValidationError,
    "IdentityTokenFileError": errors.APIResponseValidationError,
}
REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1/messages")


def test_no_class_of_the_sdk_is_left_out() -> None:
    classes = {
        name
        for name, value in inspect.getmembers(sdk, inspect.isclass)
        if issubclass(value, anthropic.AnthropicError) and value.__name__ == name
    }
    assert classes == {*OF_STATUS, *BASES, *WITHOUT_STATUS}
    assert all(issubclass(getattr(sdk, name), FAILURES) for name in classes)


@pytest.mark.parametrize("name", OF_STATUS)
def test_a_status_gives_the_class_of_the_same_meaning(name: str) -> None:
    status, ours = OF_STATUS[name]
    assert status_error(status) is ours
    if name != "InternalServerError":
        assert getattr(sdk, name).status_code == status


def test_a_failure_on_the_wire_is_ours_of_the_same_meaning() -> None:
    def wire(error: anthropic.APIConnectionError, cause: Exception) -> anthropic.AnthropicError:
        error.__cause__ = cause
        return error

    made: dict[str, anthropic.AnthropicError] = {
        "APIConnectionError": wire(
            anthropic.APIConnectionError(request=REQUEST), httpx2.ReadError("reset")
        ),
        "APITimeoutError": wire(
            anthropic.APITimeoutError(request=REQUEST), httpx2.ReadTimeout("late")
        ),
        "APIResponseValidationError": anthropic.APIResponseValidationError(
            httpx2.Response(200, request=REQUEST), None
        ),
        "APIWebhookValidationError": sdk.APIWebhookValidationError("no", REQUEST, body=None),
        "RetryableError": sdk.RetryableError("no"),
        "CredentialsError": sdk.CredentialsError("no"),
        "IdentityTokenFileError": sdk.IdentityTokenFileError("no"),
    }
    assert {name: type(_mapped(error)) for name, error in made.items()} == WITHOUT_STATUS


@pytest.mark.parametrize("cause", [httpx2.ConnectError("no"), httpx2.ConnectTimeout("no")])
def test_what_never_connected_is_known_by_its_cause(cause: Exception) -> None:
    error = anthropic.APIConnectionError(request=REQUEST)
    error.__cause__ = cause
    assert type(_mapped(error)) is errors.APIConnectionError
