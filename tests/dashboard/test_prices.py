"""Prices on the page are those that are charged: the admin API's and the command line's too."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.dashboard.browsing import Browsing, browsing, check_looks, visitor
from tests.running import MASTER_KEY, Gateway, Simulated, gateway

TAKEN_UP_S = 20.0
CONFIG = """\
models:
  claude-haiku-4-5-20251001: {upstream: anthropic, aliases: [claude-haiku-4-5]}
  claude-opus-4-5-20251101: {upstream: anthropic}
  claude-sonnet-4-6:
    upstream: anthropic
    cost_per_token: {input: 0.0000027, output: 1.35e-5}
tiers: {haiku: claude-haiku-4-5-20251001, sonnet: claude-sonnet-4-6}
"""


@pytest.fixture(scope="module")
def served(upstream: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("priced")
    with gateway(folder, upstream.url, config=CONFIG) as running:
        yield running


@pytest.fixture(scope="module")
def browser(served: Gateway) -> Iterator[Browsing]:
    with browsing(served) as started:
        yield started


def test_the_twins_are_the_admin_apis_rows_and_the_command_lines(served: Gateway) -> None:
    rows = served.admin("GET", "prices")["data"]
    with visitor(served) as operator:
        assert operator.get("/ui/prices.json").json()["data"] == rows
        text = operator.get("/ui/prices.csv").content.decode("utf-8-sig")
    assert list(csv.DictReader(io.StringIO(text))) == rows
    told = subprocess.run(
        [sys.executable, "-m", "app.cli", "prices", "--json"],
        cwd=served.folder,
        env={
            "PATH": "",
            "HOME": str(served.folder),
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "TOLLKEEPER_MASTER_KEY": MASTER_KEY,
            "ANTHROPIC_API_KEY": "sk-ant-x",
        },
        check=True,
        capture_output=True,
        text=True,
    )
    assert json.loads(told.stdout)["data"] == rows


def test_every_figure_of_the_page_is_the_apis_and_an_override_has_the_books_beside_it(
    served: Gateway,
) -> None:
    with visitor(served) as operator:
        page = html.unescape(operator.get("/ui/prices").text)
    per_token = re.findall(r'mono" title="\$([0-9.]+) per token">\$([0-9.,]+)<', page)
    shown = {(exact, short.replace(",", "")) for exact, short in per_token}
    for row in served.admin("GET", "prices")["data"]:
        per_million = Decimal(row["usd_per_token"]) * 1_000_000
        assert any(
            exact == row["usd_per_token"] and Decimal(short) == per_million
            for exact, short in shown
        ), row
    assert "2 figures are set in" in page
    assert page.count("▲ override") == 2
    assert "book $3.00" in page
    assert "book $15.00" in page


def test_a_price_changed_in_the_config_is_on_the_page_and_on_the_next_receipt(
    served: Gateway,
) -> None:
    config = served.folder / "config.yaml"
    config.write_text(CONFIG.replace("1.35e-5", "2e-5"))
    secret = served.key()
    body = {
        "model": "sonnet",
        "max_tokens": 20,
        "messages": [{"role": "user", "content": "Hi"}],
    }
    with visitor(served) as operator:
        deadline_s = time.monotonic() + TAKEN_UP_S
        while "$20.00" not in operator.get("/ui/prices").text and time.monotonic() < deadline_s:
            time.sleep(0.2)
        assert "$20.00" in operator.get("/ui/prices").text
        answer = served.chat(secret, body)
        receipt = operator.get(f"/ui/requests/{answer.headers['x-request-id']}").text
    assert "override" in receipt
    assert "book: $15.00" in receipt
    row = served.row(answer.headers["x-request-id"])
    output = Decimal(row["output_tokens"]) * Decimal("0.00002")
    assert Decimal(row["cost_details"]["output"]) == output


def test_a_model_that_retires_is_named_with_the_keys_that_still_use_it(served: Gateway) -> None:
    secret = served.key(name="still on the old one")
    body = {
        "model": "claude-opus-4-5-20251101",
        "max_tokens": 20,
        "messages": [{"role": "user", "content": "Hi"}],
    }
    assert served.chat(secret, body).status_code == 200
    with visitor(served) as operator:
        page = operator.get("/ui/prices").text
    assert "Retirements" in page
    assert "still on the old one" in page.partition("Retirements")[2]


def test_the_prices_are_accessible_and_fit_a_phone(browser: Browsing) -> None:
    check_looks(browser, "/ui/prices")
