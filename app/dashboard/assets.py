"""Scripts and styles, served from this package alone, each under the digest of what it holds."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.requests import Request

KINDS: Final = MappingProxyType(
    {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
)
OWN: Final = ("dashboard.css", "dashboard.js", "icon.svg")
# Vendored from their packages as they are, packed: htmx.org 4.0.1 and uPlot 1.6.32.
VENDORED: Final = ("htmx/htmx.min.js", "uplot/uPlot.iife.min.js", "uplot/uPlot.min.css")
FOR_A_YEAR: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    packed: bytes
    kind: str
    digest: str


class Assets:
    """All of them, packed once."""

    def __init__(self) -> None:
        folder = files("app.dashboard") / "static"
        own = {name: gzip.compress((folder / name).read_bytes(), 9, mtime=0) for name in OWN}
        vendored = {
            path.partition("/")[2]: (folder / "vendor" / f"{path}.gz").read_bytes()
            for path in VENDORED
        }
        self._assets = {
            name: Asset(
                packed,
                KINDS[name.rpartition(".")[2]],
                hashlib.sha256(packed).hexdigest()[:12],
            )
            for name, packed in {**own, **vendored}.items()
        }

    def url(self, name: str) -> str:
        """Where a page finds it; another content has another URL."""
        return f"/ui/static/{self._assets[name].digest}/{name}"

    async def serve(self, request: Request) -> Response:
        """One of them; an old digest gets what there is now, and must ask again."""
        asset = self._assets.get(request.path_params["name"])
        if asset is None:
            return Response("not found", 404)
        current = request.path_params["digest"] == asset.digest
        headers = {
            "cache-control": FOR_A_YEAR if current else "no-cache",
            "vary": "accept-encoding",
        }
        content = asset.packed
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
        else:
            content = gzip.decompress(content)
        return Response(content, headers=headers, media_type=f"{asset.kind}; charset=utf-8")
