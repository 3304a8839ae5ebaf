"""What a gateway's log tells after a bad night: each failure in a line, and nothing secret."""

from __future__ import annotations

import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import orjson

from tests.running import MASTER_KEY, Gateway, Simulated, gateway

PROMPT = "a sentence that must never be logged"
CALL: dict[str, Any] = {
    "model": "haiku",
    "max_tokens": 20,
    "messages": [{"role": "user", "content": PROMPT}],
}
HAIKU = "claude-haiku-4-5-20251001"
UPSTREAM_KEY = "sk-ant-upstream-secret-for-tests"
CONFIG = "retries: {max_attempts: 2, max_elapsed_s: 20}\n"


def logged(served: Gateway) -> list[dict[str, Any]]:
    lines = served.log_text().splitlines()
    return [orjson.loads(line) for line in lines if line.startswith("{")]


def test_every_failure_has_a_line_and_no_line_holds_a_secret_or_a_prompt(
    upstream: Simulated, tmp_path: Path
) -> None:
    with gateway(tmp_path, upstream.url, config=CONFIG) as served:
        key = served.key(max_budget_usd="1.00")
        poor = served.key(name="poor", max_budget_usd="0.000001")
        upstream.faults({"kind": "overloaded"}, {"kind": "overloaded"})
        failed = served.chat(key, CALL)
        upstream.faults({"kind": "error500"})
        retried = served.chat(key, CALL)
        upstream.faults({"kind": "status", "status": 400})
        bad = served.post("/v1/messages", key, CALL)
        upstream.faults({"kind": "echo_key"})
        served.post("/v1/messages", key, {**CALL, "stream": True})
        prompt = {"model": HAIKU, "messages": CALL["messages"], "tool_choice": {"type": "x"}}
        uncounted = served.post("/v1/messages/count_tokens", key, prompt)
        refused = served.chat(poor, CALL)
        unknown = served.chat("tk-nobody-knows-this-key-at-all", CALL)
        wrong = served.http.get(f"{served.url}/admin/keys", headers={"x-api-key": key})
        lines = logged(served)

        assert (failed.status_code, retried.status_code, bad.status_code) == (503, 200, 400)
        by_id = {answer: answer.headers["x-request-id"] for answer in (failed, refused)}
        own = [line for line in lines if line.get("request_id") == by_id[failed]]
        assert [line["message"] for line in own] == [
            *("an attempt failed", "an attempt failed", "a call failed")
        ]
        assert [line["level"] for line in own] == ["warning", "warning", "error"]
        assert len({line["error"] for line in own}) == 1
        assert own[-1]["code"] == "upstream_overloaded"
        assert own[-1]["key_id"].startswith("key_")
        once = [line for line in lines if line.get("request_id") == retried.headers["x-request-id"]]
        assert [line["message"] for line in once] == ["an attempt failed"]
        told = [line for line in lines if line.get("request_id") == by_id[refused]]
        assert [(line["message"], line["code"]) for line in told] == [
            ("a call was refused", "budget_exceeded")
        ]
        assert uncounted.status_code == 400
        count = [x for x in lines if x.get("request_id") == uncounted.headers["x-request-id"]]
        assert [(x["message"], x["status"]) for x in count] == [("a token count failed", 400)]
        for answer, code in ((unknown, "invalid_api_key"), (wrong, "invalid_api_key")):
            (line,) = [x for x in lines if x.get("request_id") == answer.headers["x-request-id"]]
            assert (line["status"], line["code"]) == (401, code)

        text = served.log_text()
        for secret in (PROMPT, UPSTREAM_KEY, MASTER_KEY, key, poor, "tk-nobody"):
            assert secret not in text
        assert "a call was served" not in text


def test_changes_of_state_are_told_and_served_calls_when_asked_for(
    upstream: Simulated, tmp_path: Path
) -> None:
    upstream.reset()
    with gateway(tmp_path, upstream.url, config=CONFIG, options=["--log-level", "debug"]) as served:
        key = served.key()
        assert served.chat(key, CALL).status_code == 200
        (tmp_path / "config.yaml").write_text("retries: {max_attempts: no}\n")
        served.process.send_signal(signal.SIGHUP)
        deadline_s = time.monotonic() + 10
        while "config refused" not in served.log_text():
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        (tmp_path / "config.yaml").write_text(CONFIG)
        served.process.send_signal(signal.SIGHUP)
        while "config reloaded" not in served.log_text():
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        assert served.stop() == 0
        told = Counter(line["message"] for line in logged(served))
        assert told["ready"] == 1
        assert told["a call was served"] == 1
        assert told["config refused, the old one stays in force"] >= 1
        assert told["config reloaded"] >= 1
        assert told["draining"] == 1
        assert told["stopped"] == 1
        assert {line["logger"].partition(".")[0] for line in logged(served)} == {"tollkeeper"}
