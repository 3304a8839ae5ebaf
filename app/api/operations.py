"""Is it alive, is it ready, what has it counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict

from app.core.errors import LedgerUnavailable
from app.web.auth import check_master, same, secrets

if TYPE_CHECKING:
    from app.web.running import RunningGateway

router = APIRouter(generate_unique_id_function=lambda route: route.name)


class Alive(BaseModel):
    status: Literal["alive"]


class UpstreamHealth(BaseModel):
    """One upstream; `models` are those that are given a rest there, or tried again after one."""

    state: Literal["ok", "failing", "off"]
    models: dict[str, Literal["half_open", "open"]]


class Ready(BaseModel):
    """Ready to take calls; `config_refused` says why a changed config file was not taken."""

    model_config = ConfigDict(extra="allow")

    status: Literal["ready"]
    config_refused: str | None = None
    upstreams: dict[str, UpstreamHealth] | None = None


class NotReady(BaseModel):
    model_config = ConfigDict(extra="allow")

    status: str
    message: str


def running_gateway(request: Request) -> RunningGateway:
    """The running gateway behind a FastAPI request."""
    running: RunningGateway = request.app.state.running
    return running


@router.get("/health/live", response_model=Alive)
@router.head("/health/live", include_in_schema=False)
async def live() -> Response:
    """Alive: no I/O."""
    return _json({"status": "alive"})


@router.get(
    "/health/ready",
    response_model=Ready,
    responses={503: {"model": NotReady, "description": "Not ready."}},
)
@router.head("/health/ready", include_in_schema=False)
async def ready(request: Request) -> Response:
    """Ready to take calls: the ledger can be written.

    Why a config file was refused names its path, so it is told to operators alone.
    """
    running = running_gateway(request)
    details: dict[str, object] = {}
    if _is_operator(request, running):
        details["config_refused"] = running.config_refusal
        details["upstreams"] = _upstreams(running)
    try:
        await running.store.ping()
    except LedgerUnavailable as error:
        return _json({"status": "ledger_unavailable", "message": error.message, **details}, 503)
    return _json({"status": "ready", **details})


def _upstreams(running: RunningGateway) -> dict[str, object]:
    """How each upstream does, as this process has seen it."""
    gateway = running.gateway
    failing: dict[str, dict[str, str]] = {name: {} for name in running.settings.upstreams}
    for (upstream, model), state in gateway.breaker.states.items():
        failing.setdefault(upstream, {})[model] = state
    return {
        name: {
            "state": ("failing" if models else "ok") if name in gateway.upstreams else "off",
            "models": models,
        }
        for name, models in failing.items()
    }


def _is_operator(request: Request, running: RunningGateway) -> bool:
    """Whether the request carries the metrics token or the master key."""
    known = [key for key in (running.metrics_token, running.master_key) if key]
    given = secrets(request.scope["headers"])
    return any(same(secret, key) for secret in given for key in known)


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """Prometheus's text format; for the master key or the metrics token unless it is public."""
    running = running_gateway(request)
    if not running.settings.server.metrics_public and not _is_operator(request, running):
        check_master(request.scope["headers"], running.master_key)
    text = running.recorder.text(await running.store.standings.now())
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


def _json(body: dict[str, object], status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
