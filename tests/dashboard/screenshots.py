"""Make the pictures of README.md anew: `python -m tests.dashboard.screenshots`.

A gateway with the simulated upstream is filled with some calls and looked at: light, dark, phone.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from tests.dashboard.browsing import PHONE, Browsing, chromium
from tests.house.repository import ROOT
from tests.running import Gateway, gateway

FOLDER = ROOT / "docs" / "screenshots"
SYSTEM = "You are a careful assistant who answers in plain words. " * 400
QUESTIONS = (
    "Hello!",
    "Write a haiku about rivers.",
    "Prove that the square root of two is irrational, and compare two proofs of it.",
    "Which of these three plans costs least over five years, and why? " * 4,
)
ROUNDS = 5


def _fill(served: Gateway) -> None:
    """Some keys in two teams, and calls of each; one key runs into its budget."""
    for team in ({"name": "research", "max_budget_usd": "50.00", "budget_window": "month"},):
        served.admin("POST", "teams", team)
    served.admin("POST", "teams", {"name": "support"})
    secrets = [
        served.key(name=name, **fields)
        for name, fields in (
            ("search-backend", {"max_budget_usd": "0.50", "budget_window": "month"}),
            (
                "nightly-eval",
                {"max_budget_usd": "0.09", "budget_window": "day", "team": "research"},
            ),
            ("support-bot", {"max_budget_usd": "0.20", "budget_window": "week", "team": "support"}),
            ("notebook", {"team": "research"}),
        )
    ]
    for round_ in range(ROUNDS):
        for place, secret in enumerate(secrets):
            for question in QUESTIONS:
                model = ("auto", "sonnet", "haiku")[(round_ + place) % 3]
                served.chat(secret, _body(model, question), **{"x-tollkeeper-tags": "env=prod"})


def _body(model: str, question: str) -> dict[str, Any]:
    system = {"role": "system", "content": SYSTEM}
    turns = [system, {"role": "user", "content": question}]
    return {"model": model, "max_tokens": 600, "messages": turns, "user": "ann"}


def _dearest(served: Gateway) -> str:
    (row,) = served.admin("GET", "requests?sort=cost&limit=1")["data"]
    return f"/ui/requests/{row['id']}"


def _save(page: Page, path: str, name: str) -> None:
    page.goto(path)
    page.screenshot(path=FOLDER / f"{name}.png")


def main() -> None:
    """Four pictures."""
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        gateway(Path(folder), "", options=("--simulate",)) as served,
        sync_playwright() as playwright,
    ):
        _fill(served)
        started = playwright.chromium.launch(executable_path=chromium())
        browser = Browsing(served, started)
        with browser.page(size=(1280, 760)) as page:
            _save(page, "/ui", "overview-light")
            _save(page, "/ui/keys", "keys-light")
        with browser.page(size=(1280, 760), theme="dark") as page:
            _save(page, _dearest(served), "receipt-dark")
        with browser.page(size=PHONE) as page:
            _save(page, _dearest(served), "receipt-phone")
        started.close()


if __name__ == "__main__":
    main()
