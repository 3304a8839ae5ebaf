from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.running import Gateway, Simulated

SOURCES = Path(__file__).parent / "instructor"
INSTALL_S = 300
RUN_S = 90
ADA = {"name": "Ada", "age": 36}

Scenario = Callable[..., Any]

pytestmark = pytest.mark.timeout(INSTALL_S + RUN_S)


@cache
def installed() -> tuple[Path | None, str]:
    """The client's own interpreter, or what went wrong; made once for each state of its lock."""
    lock = SOURCES / "requirements.lock"
    shelf = Path(sys.prefix) / "instructor-client"
    shelf.mkdir(exist_ok=True)
    folder = shelf / sha256(lock.read_bytes()).hexdigest()[:16]
    python = folder / "bin" / "python"
    with (shelf / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            for stale in (path for path in shelf.iterdir() if path.is_dir()):
                shutil.rmtree(stale)
            trouble = run([sys.executable, "-m", "venv", "--without-pip", folder])
            pip: list[str | Path] = [
                sys.executable,
                "-m",
                "pip",
                "--python",
                python,
                "--quiet",
                "install",
            ]
            trouble = trouble or run([*pip, "--require-hashes", "--requirement", lock])
            if trouble:
                return None, trouble
            (folder / "complete").touch()
    return python, ""


def run(command: list[str | Path]) -> str:
    """What the command complained of when it failed, else nothing."""
    try:
        done = subprocess.run(
            command, capture_output=True, check=False, text=True, timeout=INSTALL_S
        )
    except subprocess.TimeoutExpired:
        return f"took more than {INSTALL_S} s"
    return done.stderr[-1_000:] or "failed" if done.returncode else ""


@pytest.fixture
def scenario(served: Gateway, secret: str, poor: str) -> Scenario:
    """Run one of `scenarios.py` in the client's environment; what it printed."""
    python, trouble = installed()
    if python is None:
        message = f"NOT RUN: the real instructor client could not be installed: {trouble}"
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail(message)
        pytest.skip(message)

    def ran(name: str, *arguments: str) -> Any:
        script = SOURCES / "scenarios.py"
        done = subprocess.run(
            [python, script, f"{served.url}/v1", secret, poor, name, *arguments],
            env={"PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1"},
            capture_output=True,
            check=False,
            text=True,
            timeout=RUN_S,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return ran


@pytest.mark.parametrize("model", ["haiku", "sonnet"])
def test_a_model_is_filled_by_a_forced_tool(
    scenario: Scenario, upstream: Simulated, model: str
) -> None:
    given = scenario("tools", model)
    assert given["person"] == ADA
    usage = given["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert round(usage["cost"] * 10**9) == upstream.billed_nano_usd() > 0
    assert len(upstream.messages()) == 1


def test_a_model_is_filled_by_a_schema(scenario: Scenario, upstream: Simulated) -> None:
    assert scenario("json_schema", "haiku") == ADA
    assert upstream.messages()[0]["body"]["output_config"]["format"]["type"] == "json_schema"


def test_several_models_come_out_of_one_stream(scenario: Scenario) -> None:
    assert scenario("several") == [ADA]


def test_a_model_fills_up_while_it_streams(scenario: Scenario) -> None:
    given = scenario("partial")
    assert given["last"] == ADA
    assert given["states"] > 1


def test_the_async_client_fills_a_model(scenario: Scenario) -> None:
    assert scenario("asynchronous") == ADA


def test_it_asks_again_when_the_answer_does_not_fit(
    scenario: Scenario, upstream: Simulated
) -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "Person"}
    upstream.replies(
        {"content": [{**call, "input": {"name": "Ada", "age": -1}}]},
        {"content": [{**call, "input": ADA}]},
    )
    assert scenario("asked_again") == ADA
    second = upstream.messages()[1]["body"]["messages"]
    assert [turn["role"] for turn in second] == ["user", "assistant", "user"]
    assert second[1]["content"][-1]["input"] == {"name": "Ada", "age": -1}
    assert second[2]["content"][0]["type"] == "tool_result"


FAILURES = [
    # scenario; the vendor's error behind the client's own, our code
    ("wrong_key", "AuthenticationError", "invalid_api_key"),
    ("no_money", "APIStatusError", "budget_exceeded"),
    ("no_model", "NotFoundError", "model_not_found"),
]


def test_refusals_come_through_at_once(
    scenario: Scenario, upstream: Simulated, refusals: Callable[[str], int]
) -> None:
    for name, error, code in FAILURES:
        assert scenario(name) == {"is": error, "code": code, "attempts": 1}
        assert refusals(code) == 1
    assert upstream.log() == []
