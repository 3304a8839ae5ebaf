"""The API explorer at `/docs`, from the gateway's own files."""

from __future__ import annotations

import re
from urllib.parse import urljoin

import httpx2
import pytest

from tests.running import Gateway


def test_the_page_loads_only_what_the_gateway_itself_serves(served: Gateway) -> None:
    page = httpx2.get(f"{served.url}/docs")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    head = httpx2.head(f"{served.url}/docs")
    assert (head.status_code, head.content) == (200, b"")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    files = [path for path in loaded if path.startswith("docs/")]
    assert len(files) == 3
    assert set(loaded) - set(files) == {"data:,", "openapi.json"}
    for path in files:
        answer = httpx2.get(urljoin(f"{served.url}/docs", path))
        assert answer.status_code == 200, path
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.content
    assert "<script>" not in page.text
    start = httpx2.get(f"{served.url}/docs/start.js").text
    assert 'url: "openapi.json"' in start


def test_no_script_from_elsewhere_may_run(served: Gateway) -> None:
    policy = httpx2.get(f"{served.url}/docs").headers["content-security-policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == "'self'"
    assert rules["connect-src"] == "'self'"
    assert rules["frame-ancestors"] == "'none'"


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_the_explorer_is_swagger_ui_packed_or_not(served: Gateway, encoding: str) -> None:
    headers = {"accept-encoding": encoding}
    answer = httpx2.get(f"{served.url}/docs/swagger-ui-bundle.js", headers=headers)
    assert (answer.headers.get("content-encoding") == "gzip") is (encoding == "gzip")
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "SwaggerUIBundle" in answer.text


@pytest.mark.parametrize("path", ["docs/", "docs/LICENSE", "docs/..%2froutes.py", "docs/nothing"])
def test_nothing_else_is_served_there(served: Gateway, path: str) -> None:
    answer = httpx2.get(f"{served.url}/{path}")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_supported"
