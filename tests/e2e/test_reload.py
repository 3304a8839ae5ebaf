from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from tests.cli.processes import run
from tests.running import MASTER_KEY, Gateway, Simulated, gateway

SONNET = "claude-sonnet-4-6"
AS_IN_THE_BOOK = f"""
models:
  {SONNET}: {{upstream: anthropic}}
  claude-haiku-4-5-20251001: {{upstream: anthropic}}
tiers: {{haiku: claude-haiku-4-5-20251001, sonnet: {SONNET}}}
fallbacks: {{}}
"""
HALF_PRICE = AS_IN_THE_BOOK.replace(
    f"{SONNET}: {{upstream: anthropic}}",
    f"{SONNET}: {{upstream: anthropic, cost_per_token: {{input: 0.0000015, output: 7.5e-6}}}}",
)
NEGATIVE = HALF_PRICE.replace("7.5e-6", "-7.5e-6")
MISSPELT = HALF_PRICE.replace("cost_per_token", "cost_per_tokens")
REPLY = {
    "content": [{"type": "text", "text": "a reply of some words, sent one by one"}],
    "usage": {"input_tokens": 1_000, "output_tokens": 100},
}
BOOK_USD, HALF_USD = "0.0045", "0.00225"  # 1,000 x $3 + 100 x $15 per million, and half of that
SOON_S = 10.0  # the file is looked at every second


@pytest.fixture(scope="module")
def served(upstream: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    with gateway(folder, upstream.url, config=AS_IN_THE_BOOK) as running:
        yield running


@pytest.fixture(autouse=True)
def book_prices_again(served: Gateway) -> Iterator[None]:
    yield
    reconfigure(served, AS_IN_THE_BOOK)
    hang_up(served)
    eventually(lambda: shown_input_usd(served) == "0.000003" and refusal(served) is None)


def reconfigure(served: Gateway, config: str) -> None:
    new = served.folder / "config.yaml.new"
    new.write_text(config)
    new.replace(served.folder / "config.yaml")


def hang_up(served: Gateway) -> None:
    served.process.send_signal(signal.SIGHUP)


def eventually(holds: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + SOON_S
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def prices(served: Gateway) -> list[dict[str, str]]:
    shown: list[dict[str, str]] = served.admin("GET", "prices")["data"]
    return shown


def shown_input_usd(served: Gateway) -> str:
    (usd,) = [
        row["usd_per_token"]
        for row in prices(served)
        if (row["model"], row["category"]) == (SONNET, "input")
    ]
    return usd


def refusal(served: Gateway) -> str | None:
    headers = {"authorization": f"Bearer {MASTER_KEY}"}
    ready = served.http.get(f"{served.url}/health/ready", headers=headers)
    assert ready.status_code == 200
    refused: str | None = ready.json()["config_refused"]
    return refused


def refused_gauge(served: Gateway) -> float:
    headers = {"authorization": f"Bearer {MASTER_KEY}"}
    text = served.http.get(f"{served.url}/metrics", headers=headers).text
    (value,) = re.findall(r"^tollkeeper_config_refused (\S+)$", text, re.MULTILINE)
    return float(value)


def log_lines(served: Gateway) -> list[dict[str, Any]]:
    lines = served.log_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def test_the_audit_log_tells_what_a_new_file_changed_and_no_secret(served: Gateway) -> None:
    secret = "upstreams:\n  anthropic: {kind: anthropic, api_key: sk-of-another-account-01,"
    config = (
        HALF_PRICE.replace("fallbacks: {}", "routing: {threshold: 0.25}\nfallbacks: {}")
        + f'{secret} base_url: "${{ANTHROPIC_BASE_URL}}"}}\n'
        + "budgets: {global: {max_budget_usd: '100.00', window: day}}\n"
    )
    reconfigure(served, config)
    eventually(lambda: shown_input_usd(served) == "0.0000015")
    eventually(lambda: bool(served.admin("GET", "audit")["data"]))
    (newest, *_) = served.admin("GET", "audit")["data"]
    assert (newest["actor"], newest["action"]) == ("config file", "config.reload")
    assert newest["target"] == "config.yaml"
    assert newest["details"] == {
        "before": {
            "budgets.global.max_budget_usd": None,
            "budgets.global.window": "month",
            f"models.{SONNET}.cost_per_token.input": None,
            f"models.{SONNET}.cost_per_token.output": None,
            "routing.threshold": "0.5",
            "upstreams.anthropic.api_key": "[secret]",
        },
        "after": {
            "budgets.global.max_budget_usd": "100.00",
            "budgets.global.window": "day",
            f"models.{SONNET}.cost_per_token.input": "0.0000015",
            f"models.{SONNET}.cost_per_token.output": "0.0000075",
            "routing.threshold": "0.25",
            "upstreams.anthropic.api_key": "[secret]",
        },
    }
    hang_up(served)
    time.sleep(0.5)
    assert served.admin("GET", "audit")["data"][0]["id"] == newest["id"]


def asked(**more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": "Hello"}]
    return {"model": SONNET, "max_tokens": 100, "messages": messages, **more}


def charged(served: Gateway, upstream: Simulated) -> str:
    upstream.replies(REPLY)
    answer = served.chat(served.key(), asked())
    assert answer.status_code == 200, answer.text
    cost: str = answer.headers["x-tollkeeper-cost-usd"]
    return cost


def test_a_changed_file_changes_the_price_without_a_restart(
    served: Gateway, upstream: Simulated
) -> None:
    assert charged(served, upstream) == BOOK_USD
    reconfigure(served, HALF_PRICE)
    eventually(lambda: shown_input_usd(served) == "0.0000015")
    assert charged(served, upstream) == HALF_USD
    reconfigure(served, AS_IN_THE_BOOK)
    eventually(lambda: shown_input_usd(served) == "0.000003")
    assert charged(served, upstream) == BOOK_USD


def test_sighup_rereads_a_file_that_looks_unchanged(served: Gateway, upstream: Simulated) -> None:
    """Same inode, same size, same time: only the signal can tell."""
    file = served.folder / "config.yaml"
    reconfigure(served, AS_IN_THE_BOOK + "#" * (len(HALF_PRICE) - len(AS_IN_THE_BOOK)))
    before = file.stat()
    time.sleep(1.2)  # the poll has seen this file
    with file.open("r+") as open_file:
        open_file.write(HALF_PRICE)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    hang_up(served)
    eventually(lambda: shown_input_usd(served) == "0.0000015")
    assert charged(served, upstream) == HALF_USD


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        (NEGATIVE, f"models.{SONNET}.cost_per_token.output"),
        (MISSPELT, "cost_per_token"),
        ("models: [", "config.yaml"),
        ("# only a comment\n", "a file that says nothing"),
        ("\ufeff", "a file that says nothing"),
        ("---\n", "a file that says nothing"),
        ("null\n", "a file that says nothing"),
        ("{}\n", "a file that says nothing"),
    ],
)
def test_a_bad_file_is_refused_and_the_prices_before_it_stay(
    served: Gateway, upstream: Simulated, bad: str, named: str
) -> None:
    reconfigure(served, HALF_PRICE)
    hang_up(served)
    eventually(lambda: shown_input_usd(served) == "0.0000015")
    assert (refusal(served), refused_gauge(served)) == (None, 0)
    seen = len(log_lines(served))

    reconfigure(served, bad)
    hang_up(served)
    eventually(lambda: refusal(served) is not None)
    assert named in (refusal(served) or "")
    assert refused_gauge(served) == 1
    (line,) = [line for line in log_lines(served)[seen:] if line["level"] == "error"]
    assert line["message"] == "config refused, the old one stays in force"
    assert named in line["problem"]
    assert shown_input_usd(served) == "0.0000015"
    assert charged(served, upstream) == HALF_USD

    reconfigure(served, AS_IN_THE_BOOK)
    hang_up(served)
    eventually(lambda: refusal(served) is None)
    assert refused_gauge(served) == 0
    assert charged(served, upstream) == BOOK_USD


@pytest.mark.parametrize("more", [{}, {"stream": True}], ids=["whole", "streamed"])
def test_a_call_under_way_keeps_the_prices_it_started_with(
    served: Gateway, upstream: Simulated, more: dict[str, Any]
) -> None:
    upstream.replies(REPLY)
    upstream.faults({"kind": "slow", "first_byte_s": 2.0, "delta_interval_s": 0.1})
    secret, answers = served.key(), list[httpx2.Response]()
    with httpx2.Client(timeout=30) as client:
        calling = replace(served, http=client)
        caller = threading.Thread(
            target=lambda: answers.append(calling.chat(secret, asked(**more)))
        )
        caller.start()
        eventually(lambda: len(upstream.messages()) == 1)
        reconfigure(served, HALF_PRICE)
        hang_up(served)
        eventually(lambda: shown_input_usd(served) == "0.0000015")
        assert answers == []
        assert served.own_key(secret)["reserved_usd"] != "0.00"
        caller.join(30)
    row = served.row(answers[0].headers["x-request-id"])
    assert row["cost_usd"] == BOOK_USD
    assert row["rates"]["usd_per_token"]["input"] == "0.000003"
    assert row["rates"]["origins"]["input"] == "price_book"
    assert charged(served, upstream) == HALF_USD


def test_the_admin_api_the_command_and_the_charge_agree_on_every_price(
    served: Gateway, upstream: Simulated
) -> None:
    reconfigure(served, HALF_PRICE)
    eventually(lambda: shown_input_usd(served) == "0.0000015")
    told = run(served.folder, "prices", "--json", ANTHROPIC_API_KEY="sk-ant-0123456789").json()
    assert told == served.admin("GET", "prices")
    rows = [row for row in told["data"] if row["model"] == SONNET]
    assert {row["category"]: row["origin"] for row in rows} == {
        "input": "config",
        "output": "config",
        "cache_write_5m": "price_book",
        "cache_write_1h": "price_book",
        "cache_read": "price_book",
    }
    upstream.replies(REPLY)
    answer = served.chat(served.key(), asked())
    rates = served.row(answer.headers["x-request-id"])["rates"]
    assert rates["usd_per_token"] == {row["category"]: row["usd_per_token"] for row in rows}
    assert rates["origins"] == {row["category"]: row["origin"] for row in rows}
    assert {row["effective_from"] for row in rows} == {rates["effective_from"]}
    price = {name: Decimal(usd) for name, usd in rates["usd_per_token"].items()}
    assert 1_000 * price["input"] + 100 * price["output"] == Decimal(HALF_USD)
    assert answer.headers["x-tollkeeper-cost-usd"] == HALF_USD


def test_an_upstream_that_a_reload_adds_serves_at_once_and_the_one_before_goes_on(
    served: Gateway, upstream: Simulated
) -> None:
    second = f"""
upstreams:
  second: {{kind: anthropic, api_key: sk-ant-second, base_url: "{upstream.url}"}}
"""
    moved = AS_IN_THE_BOOK.replace(
        f"{SONNET}: {{upstream: anthropic}}", f"{SONNET}: {{upstream: second}}"
    )
    seen = len(log_lines(served))
    reconfigure(served, moved + second)
    hang_up(served)
    eventually(lambda: "config reloaded" in [x["message"] for x in log_lines(served)[seen:]])
    upstream.replies(REPLY)
    answer = served.chat(served.key(), asked())
    assert answer.status_code == 200
    assert served.row(answer.headers["x-request-id"])["upstream"] == "second"
    haiku = served.chat(served.key(), asked(model="claude-haiku-4-5-20251001"))
    assert haiku.status_code == 200


def test_retries_that_a_reload_changes_are_the_next_calls(
    served: Gateway, upstream: Simulated
) -> None:
    reconfigure(served, AS_IN_THE_BOOK + "retries: {max_attempts: 1}\n")
    hang_up(served)
    secret = served.key()

    def tried_once() -> bool:
        upstream.reset()
        upstream.faults(*[{"kind": "status", "status": 529}] * 3)
        assert served.chat(secret, asked()).status_code == 503
        return len(upstream.messages()) == 1

    eventually(tried_once)


def test_what_needs_a_restart_is_named(served: Gateway) -> None:
    seen = len(log_lines(served))
    reconfigure(served, AS_IN_THE_BOOK + "ledger: {lease_s: 20}\n")
    hang_up(served)
    eventually(lambda: "config reloaded" in [x["message"] for x in log_lines(served)[seen:]])
    told = [x for x in log_lines(served)[seen:] if x["level"] == "warning"]
    assert [(x["message"], x["setting"]) for x in told] == [
        ("changes with a restart only", "ledger.lease_s")
    ]


def test_what_should_be_looked_at_is_told_again_when_it_is_reloaded(served: Gateway) -> None:
    seen = len(log_lines(served))
    more = "retention: {requests_days: 30}\n"
    reconfigure(served, AS_IN_THE_BOOK + more)
    hang_up(served)
    told = "retention.requests_days has no effect in this version"
    eventually(lambda: told in [x["message"] for x in log_lines(served)[seen:]])


@pytest.mark.parametrize("after", ["", "budgets:\n", "budgets: {global: {window: day}}\n"])
def test_a_budget_over_all_keys_does_not_go_without_a_word(served: Gateway, after: str) -> None:
    reconfigure(served, AS_IN_THE_BOOK + 'budgets: {global: {max_budget_usd: "5.00"}}\n')
    seen = len(log_lines(served))
    hang_up(served)
    eventually(lambda: "config reloaded" in [x["message"] for x in log_lines(served)[seen:]])
    reconfigure(served, AS_IN_THE_BOOK + after)
    hang_up(served)
    gone = "there is no budget over all keys any more"
    eventually(lambda: gone in [x["message"] for x in log_lines(served)[seen:]])
