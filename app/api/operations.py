"""Is it alive, is it ready, what has it counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from fastapi import APIRouter, Request, Response

from app.core.errors import LedgerUnavailable
from app.web.auth import check_master, same, secrets

if TYPE_CHECKING:
    from app.web.running import RunningGateway

router = APIRouter()


def running_gateway(request: Request) -> RunningGateway:
    """The running gateway behind a FastAPI request."""
    running: RunningGateway = request.app.state.running
    return running


@router.api_route("/health/live", methods=["GET", "HEAD"])
async def live() -> Response:
    """Alive: no I/O."""
    return _json({"status": "alive"})


@router.api_route("/health/ready", methods=["GET", "HEAD"])
async def ready(request: Request) -> Response:
    """Ready to take calls: the ledger can be written.

    Why a config file was refused names its path, so it is told to operators alone.
    """
    running = running_gateway(request)
    details: dict[str, object] = {}
    if _is_operator(request, running):
        details["config_refused"] = running.config_refusal
    try:
        await running.store.ping()
    except LedgerUnavailable as error:
        return _json({"status": "ledger_unavailable", "message": error.message, **details}, 503)
    return _json({"status": "ready", **details})


def _is_operator(request: Request, running: RunningGateway) -> bool:
    """Whether the request carries the metrics token or the master key."""
    known = [key for key in (running.metrics_token, running.master_key) if key]
    given = secrets(request.scope["headers"])
    return any(same(secret, key) for secret in given for key in known)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Prometheus's text format; for the master key or the metrics token unless it is public."""
    running = running_gateway(request)
    if not running.settings.server.metrics_public and not _is_operator(request, running):
        check_master(request.scope["headers"], running.master_key)
    return Response(running.recorder.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _json(body: dict[str, object], status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
