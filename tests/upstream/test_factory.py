from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from app.upstream.factory import open_upstream
from app.upstream.options import UpstreamOptions

OPTIONS: dict[str, Any] = {"kind": "anthropic", "api_key": "secret", "base_url": "http://x"}


def test_the_key_is_in_no_representation() -> None:
    assert "secret" not in repr(UpstreamOptions(**OPTIONS))


@pytest.mark.parametrize(("name", "value"), [("kind", "openai"), ("transport", "httpx")])
def test_an_unknown_choice_is_named(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"'{value}'; allowed: "):
        open_upstream(UpstreamOptions(**{**OPTIONS, name: value}))


def test_the_sdk_is_imported_only_when_it_is_chosen() -> None:
    script = (
        "import sys\n"
        "from app.upstream.factory import open_upstream\n"
        "from app.upstream.options import UpstreamOptions\n"
        "def opened(transport):\n"
        "    options = UpstreamOptions('anthropic', 'k', 'http://x', transport)\n"
        "    open_upstream(options)\n"
        "    return 'anthropic' in sys.modules\n"
        "assert not opened('aiohttp')\n"
        "assert opened('sdk')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.stderr == b""
    assert done.returncode == 0
