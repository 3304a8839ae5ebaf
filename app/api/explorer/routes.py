"""`GET /docs` and its three files; the pages know only what `/openapi.json` tells anyone."""

from __future__ import annotations

import gzip
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from fastapi import APIRouter, Request, Response

from app.core.errors import NotSupported

PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tollkeeper API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui">
This page needs JavaScript; <a href="openapi.json">openapi.json</a> tells the same.
</div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
START: Final = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  tryItOutEnabled: false,
  persistAuthorization: false,
  defaultModelsExpandDepth: 0
});
"""
PACKED: Final = MappingProxyType(
    {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
)
# Swagger UI writes styles of its own into the page; scripts come from here alone.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
SAFE: Final = MappingProxyType(
    {
        "content-security-policy": POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
    }
)

router = APIRouter(include_in_schema=False)


@router.get("/docs")
@router.head("/docs")
async def page() -> Response:
    """The page itself."""
    headers = {**SAFE, "cache-control": "no-cache"}
    return Response(PAGE, headers=headers, media_type="text/html; charset=utf-8")


@router.get("/docs/start.js")
async def start() -> Response:
    """What starts the explorer: a file of its own, as no script may stand in the page."""
    headers = {**SAFE, "cache-control": "no-cache"}
    return Response(START, headers=headers, media_type="text/javascript; charset=utf-8")


@router.get("/docs/{name}")
async def packed(request: Request, name: str) -> Response:
    """A file of Swagger UI's, packed as it is stored.  Raises NotSupported."""
    if name not in PACKED:
        raise NotSupported(f"GET {request.url.path} is not supported here")
    stored = _stored(name)
    headers = {**SAFE, "cache-control": "public, max-age=86400", "vary": "accept-encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
    else:
        stored = gzip.decompress(stored)
    return Response(stored, headers=headers, media_type=f"{PACKED[name]}; charset=utf-8")


@cache
def _stored(name: str) -> bytes:
    return (files("app.api.explorer") / "swagger_ui" / f"{name}.gz").read_bytes()
