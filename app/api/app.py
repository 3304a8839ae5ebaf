"""The FastAPI application around the hot routes: admin and operations, errors in one shape."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from app.api import document, operations
from app.api.admin import replays
from app.api.admin import routes as admin
from app.api.client.routes import ClientApi
from app.api.explorer import routes as explorer
from app.core.errors import BadRequest, GatewayError, NotSupported, Refusal
from app.store.records.fields import refusal
from app.web.errors import envelope, error_headers, refused
from app.web.headers import REQUEST_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from starlette.types import ASGIApp

    from app.web.running import RunningGateway

    Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[Mapping[str, object]]]
    InFront = Callable[[ASGIApp], ASGIApp]

NO_CALLS = (  # what is refused there, or what browsers ask for unasked, is nobody's call
    *("/admin", "/metrics", "/health", "/docs", "/openapi.json"),
    *("/favicon.ico", "/apple-touch-icon", "/robots.txt", "/.well-known/"),
)

_log = logging.getLogger("tollkeeper.api")


def build(running: RunningGateway, lifespan: Lifespan, in_front: InFront) -> ASGIApp:
    """The whole HTTP face of a gateway; `in_front` answers some paths and hands the others on."""
    app = FastAPI(openapi_url=None, redirect_slashes=False, lifespan=lifespan)
    app.state.running = running
    app.include_router(operations.router)
    app.include_router(admin.router)
    app.include_router(replays.router)
    app.include_router(document.router)
    app.include_router(explorer.router)
    app.add_exception_handler(GatewayError, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse)
    app.add_exception_handler(HTTPException, _refuse)
    app.add_exception_handler(Exception, _bug)
    return ClientApi(running, in_front(app))


async def _refuse(request: Request, error: Exception) -> Response:
    """Any error raised on purpose, the framework's own included."""
    meant = _as_ours(request, error)
    if isinstance(meant, Refusal):
        running: RunningGateway = request.app.state.running
        told = refused(meant, request.scope.get(REQUEST_ID, ""), running.master_key)
        if request.url.path.startswith(NO_CALLS):
            running.recorder.refused(told)
        else:
            running.tell_refused(told)
    return _answer(meant)


async def _bug(request: Request, error: Exception) -> Response:
    request_id = request.scope.get(REQUEST_ID)
    _log.error("unforeseen error", exc_info=error, extra={"request_id": request_id})
    return _answer(error)


def _answer(error: Exception) -> Response:
    status, body = envelope(error, "openai", "")
    headers = {name.decode(): value.decode("latin-1") for name, value in error_headers(error)}
    return Response(body, status, headers, media_type="application/json")


def _as_ours(request: Request, error: Exception) -> Exception:
    if isinstance(error, RequestValidationError):
        return refusal(error.errors())
    if isinstance(error, HTTPException) and error.status_code in (404, 405):
        return NotSupported(
            f"{request.method} {request.url.path} is not supported here: "
            "clients find their API under /v1, admins theirs under /admin, and /docs shows both"
        )
    if isinstance(error, HTTPException):
        return BadRequest(str(error.detail))
    return error
