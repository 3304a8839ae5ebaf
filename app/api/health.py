"""Is it alive, is it ready, what has it counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from fastapi import APIRouter, Request, Response

from app.api.auth import check_master, presented, same
from app.core.errors import LedgerUnavailable

if TYPE_CHECKING:
    from app.api.shell import Shell

router = APIRouter()


def shell_of(request: Request) -> Shell:
    """The running gateway behind a FastAPI request."""
    shell: Shell = request.app.state.shell
    return shell


@router.get("/health/live")
async def live() -> Response:
    """Alive: no I/O."""
    return _json({"status": "alive"})


@router.get("/health/ready")
async def ready(request: Request) -> Response:
    """Ready to take calls: the ledger can be reached; says so when a config file was refused."""
    shell = shell_of(request)
    try:
        await shell.store.ping()
    except LedgerUnavailable as error:
        return _json({"status": "ledger_unavailable", "message": error.message}, 503)
    return _json({"status": "ready", "config_refused": shell.config_refusal})


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Prometheus's text format; for the master key or the metrics token unless it is public."""
    shell = shell_of(request)
    if not shell.settings.server.metrics_public:
        token = shell.metrics_token
        headers = request.scope["headers"]
        if not (token and same(presented(headers), token)):
            check_master(headers, shell.master_key)
    return Response(shell.recorder.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _json(body: dict[str, object], status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
