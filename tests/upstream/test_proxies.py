from __future__ import annotations

import pytest

from app.upstream.proxies import proxy_for

VENDOR = "https://api.anthropic.com"
PROXY = "http://proxy.example:3128"

CHOSEN = [
    # address                       environment                                    proxy
    (VENDOR, {}, None),
    (VENDOR, {"HTTPS_PROXY": PROXY}, PROXY),
    (VENDOR, {"https_proxy": PROXY, "HTTPS_PROXY": "http://other:1"}, PROXY),
    (VENDOR, {"HTTPS_PROXY": "proxy.example:3128"}, PROXY),
    (VENDOR, {"HTTPS_PROXY": "http://me:word@proxy:1"}, "http://me:word@proxy:1"),
    (VENDOR, {"ALL_PROXY": PROXY}, PROXY),
    (VENDOR, {"HTTP_PROXY": PROXY}, None),
    (VENDOR, {"HTTPS_PROXY": " "}, None),
    (VENDOR, {"HTTPS_PROXY": "socks5://proxy:1080"}, None),
    (VENDOR, {"HTTPS_PROXY": PROXY, "NO_PROXY": "anthropic.com"}, None),
    (VENDOR, {"HTTPS_PROXY": PROXY, "no_proxy": "*"}, None),
    (VENDOR, {"HTTPS_PROXY": PROXY, "NO_PROXY": "10.0.0.1, .Anthropic.com:443"}, None),
    (VENDOR, {"HTTPS_PROXY": PROXY, "NO_PROXY": "*.anthropic.com"}, None),
    (VENDOR, {"HTTPS_PROXY": PROXY, "NO_PROXY": "example.com,,thropic.com"}, PROXY),
    ("http://relay.example", {"HTTP_PROXY": PROXY}, PROXY),
    ("http://127.0.0.1:4010", {"HTTP_PROXY": PROXY, "ALL_PROXY": PROXY}, None),
    ("http://localhost:4010", {"HTTP_PROXY": PROXY}, None),
    ("https://[::1]:4010", {"HTTPS_PROXY": PROXY}, None),
    ("https://[broken", {"HTTPS_PROXY": PROXY}, None),
]


@pytest.mark.parametrize(("url", "environ", "proxy"), CHOSEN)
def test_the_proxy_is_the_one_that_the_environment_names(
    url: str, environ: dict[str, str], proxy: str | None
) -> None:
    assert proxy_for(url, environ) == proxy
