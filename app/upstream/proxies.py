"""Which HTTP proxy stands before an address, by the environment's usual words.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

SPOKEN = ("http://", "https://")


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """The address of the proxy for `url`, or None: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY.

    In upper or lower case, which goes first. Never one for this machine itself, and none that
    speaks another protocol than HTTP.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return None
    proxy = _told(environ, f"{parts.scheme}_proxy") or _told(environ, "all_proxy")
    if proxy and "://" not in proxy:
        proxy = f"http://{proxy}"
    spoken = proxy.startswith(SPOKEN) and not _is_here(host)
    return proxy if spoken and not _is_excluded(host, _told(environ, "no_proxy")) else None


def _told(environ: Mapping[str, str], name: str) -> str:
    return (environ.get(name) or environ.get(name.upper()) or "").strip()


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_excluded(host: str, no_proxy: str) -> bool:
    for entry in no_proxy.lower().replace(",", " ").split():
        domain = entry.split(":")[0].lstrip("*.")
        if entry == "*" or (domain and (host == domain or host.endswith(f".{domain}"))):
            return True
    return False
