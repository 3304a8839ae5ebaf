"""What a proxy in this language must cost: Starlette and aiohttp, which pass on what they get.

`python -m bench.parts.bare UPSTREAM_PORT` prints its own port.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route


async def release(answer: aiohttp.ClientResponse) -> None:
    answer.release()


def bare_app(upstream: str) -> Starlette:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
            app.state.session = session
            yield

    async def messages(request: Request) -> Response:
        answer = await request.app.state.session.post(
            f"{upstream}/v1/messages",
            data=await request.body(),
            headers={
                "content-type": "application/json",
                "x-api-key": "bench",
                "anthropic-version": "2023-06-01",
            },
        )
        kind = answer.headers.get("content-type", "")
        if kind.startswith("text/event-stream"):
            return StreamingResponse(
                answer.content.iter_any(),
                status_code=answer.status,
                media_type=kind,
                background=BackgroundTask(release, answer),
            )
        return Response(await answer.read(), status_code=answer.status, media_type=kind)

    return Starlette(routes=[Route("/v1/messages", messages, methods=["POST"])], lifespan=lifespan)


def main() -> None:
    upstream = f"http://127.0.0.1:{sys.argv[1]}"
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(
        bare_app(upstream),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
