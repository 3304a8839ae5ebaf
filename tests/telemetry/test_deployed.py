"""The dashboard and the alerts ask for metrics and labels that `/metrics` has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from app.core.ended import Refused
from app.core.standing import Standing
from app.telemetry.metrics import Metrics
from tests.house.repository import ROOT
from tests.telemetry.calls import call

METRIC = re.compile(r"\b(tollkeeper_\w+)(?:\{([^}]*)\})?")
GROUPED = re.compile(r"\bby \(([^)]*)\)")
ADDED = {"instance", "job"}  # by Prometheus


def shown() -> dict[str, set[str]]:
    """The labels of every sample that a gateway may show."""
    metrics = Metrics()
    metrics.record(call(0.2, 1_000, retried=True))
    metrics.committed(1, 0.01)
    metrics.breaker_changed("anthropic", "claude-sonnet-4-6", "open")
    metrics.billed("claude-haiku-4-5-20251001", 5)
    metrics.refused(Refused("req_1", "key_1", 402, "budget_exceeded", "it does not fit"))
    text = metrics.text(Standing(1, 1, {"key_1": 1})).decode()
    return {
        sample.name: set(sample.labels) | ADDED
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def panels() -> list[dict[str, Any]]:
    dashboard = json.loads((ROOT / "deploy/grafana.json").read_text("utf-8"))
    found: list[dict[str, Any]] = dashboard["panels"]
    return found


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((ROOT / "deploy/alerts.yml").read_text("utf-8"))["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def expressions() -> Iterator[str]:
    for panel in panels():
        yield from (target["expr"] for target in panel["targets"])
    for rule in rules():
        yield rule["expr"]


@pytest.mark.parametrize("expression", list(expressions()))
def test_it_asks_for_what_there_is(expression: str) -> None:
    known = shown()
    labels: set[str] = set()
    for name, selected in METRIC.findall(expression):
        assert name in known
        labels |= known[name]
        assert set(re.findall(r"(\w+)\s*[=!]", selected)) <= known[name]
    for group in GROUPED.findall(expression):
        assert {label.strip() for label in group.split(",")} <= labels | ADDED


def test_every_metric_that_is_worth_an_alert_has_one() -> None:
    text = (ROOT / "docs/operations.md").read_text("utf-8")
    worth = re.findall(r"^\| `(tollkeeper_\w+)` \|.*worth an alert", text, re.MULTILINE)
    alerted = {name for rule in rules() for name, _ in METRIC.findall(rule["expr"])}
    assert len(worth) >= 4
    assert set(worth) <= alerted


def test_panels_and_alerts_have_names_of_their_own() -> None:
    titles = [panel["title"] for panel in panels()]
    alerts = [rule["alert"] for rule in rules()]
    assert len(set(titles)) == len(titles)
    assert len(set(alerts)) == len(alerts)
    assert len({panel["id"] for panel in panels()}) == len(titles)
