"""LangChain's own standard tests of chat models, on each of the three dialects."""

from __future__ import annotations

import base64
import gc
from collections.abc import Iterator
from typing import Any

import httpx
import httpx2
import pytest
from langchain_anthropic import ChatAnthropic
from langchain_anthropic._client_utils import _get_default_async_httpx_client
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests

from tests.running import Gateway, Simulated

# The asynchronous tests leave connections of a loop that is over, which nobody could close.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    # what LangChain says of its own doings
    pytest.mark.filterwarnings("ignore:OpenAI may require a filename:UserWarning"),
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning"),
    pytest.mark.filterwarnings("ignore:Received a Pydantic BaseModel V1 schema:UserWarning"),
]

HAIKU = "claude-haiku-4-5-20251001"
OTHER = "claude-sonnet-4-6"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)
PDF = b"%PDF-1.7\n<< /Type /Page >>\n"


def download(request: httpx.Request) -> httpx.Response:
    """What the tests would fetch from the net."""
    files = {".png": PNG, ".pdf": PDF}
    for ending, content in files.items():
        if request.url.path.endswith(ending):
            return httpx.Response(200, content=content)
    return httpx.Response(404)


class Standard(ChatModelIntegrationTests):
    """At the gateway, with a key that has a dollar to spend."""

    url = ""
    secret = ""

    @pytest.fixture(autouse=True)
    def _at_the_gateway(
        self, served: Gateway, upstream: Simulated, secret: str, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[None]:
        assert upstream.log() == []
        self.url, self.secret = served.url, secret
        with httpx.Client(transport=httpx.MockTransport(download)) as shelf:
            monkeypatch.setattr(httpx, "get", shelf.get)
            yield
        _get_default_async_httpx_client.cache_clear()
        gc.collect()

    @pytest.fixture
    def benchmark(self) -> None:
        """LangChain's one benchmark needs recorded calls; it leaves itself out without them."""

    @pytest.fixture
    def vcr(self) -> None:
        """The same."""

    @property
    def model_override_value(self) -> str | None:
        return OTHER

    @property
    def supports_image_inputs(self) -> bool:
        return True

    @property
    def supports_image_urls(self) -> bool:
        return True

    @property
    def supports_image_tool_message(self) -> bool:
        return True

    @property
    def supports_pdf_inputs(self) -> bool:
        return True

    @property
    def supports_pdf_tool_message(self) -> bool:
        return True


class TestChat(Standard):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {
            "model": HAIKU,
            "base_url": f"{self.url}/v1",
            "api_key": self.secret,
            "http_async_client": httpx2.AsyncClient(timeout=60),
            "stream_usage": True,
        }


class TestResponses(TestChat):
    @property
    def chat_model_params(self) -> dict[str, Any]:
        return super().chat_model_params | {"use_responses_api": True}


class TestMessages(Standard):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatAnthropic

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {
            "model": HAIKU,
            "base_url": self.url,
            "api_key": self.secret,
            "default_request_timeout": 60,
        }

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True
