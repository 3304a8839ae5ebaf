"""Is it alive, is it ready, what has it counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from fastapi import APIRouter, Request, Response

from app.core.errors import LedgerUnavailable
from app.web.auth import check_master, presented, same

if TYPE_CHECKING:
    from app.web.running import RunningGateway

router = APIRouter()


def running_gateway(request: Request) -> RunningGateway:
    """The running gateway behind a FastAPI request."""
    running: RunningGateway = request.app.state.running
    return running


@router.get("/health/live")
async def live() -> Response:
    """Alive: no I/O."""
    return _json({"status": "alive"})


@router.get("/health/ready")
async def ready(request: Request) -> Response:
    """Ready to take calls: the ledger can be reached; says so when a config file was refused."""
    running = running_gateway(request)
    try:
        await running.store.ping()
    except LedgerUnavailable as error:
        return _json({"status": "ledger_unavailable", "message": error.message}, 503)
    return _json({"status": "ready", "config_refused": running.config_refusal})


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Prometheus's text format; for the master key or the metrics token unless it is public."""
    running = running_gateway(request)
    if not running.settings.server.metrics_public:
        token = running.metrics_token
        headers = request.scope["headers"]
        if not (token and same(presented(headers), token)):
            check_master(headers, running.master_key)
    return Response(running.recorder.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _json(body: dict[str, object], status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
