"""The text that Prometheus reads, after calls whose sums are worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.core.standing import Standing
from app.telemetry.metrics import Metrics
from tests.telemetry.calls import MODEL, call

ABOVE_2_TO_53 = 9_007_199_254_740_993  # a float has no such number


def samples(metrics: Metrics) -> dict[str, float]:
    """Each sample by its name and the values of its labels, those in the order of their names."""
    return {
        "|".join((sample.name, *dict(sorted(sample.labels.items())).values())): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }


def test_calls_attempts_and_tokens_are_counted() -> None:
    metrics = Metrics()
    metrics.record(call(0.2, 1_000, retried=True))
    metrics.record(call(0.2, 2_000))
    found = samples(metrics)
    assert found[f"tollkeeper_requests_total|openai_chat|{MODEL}|default|200"] == 2
    assert found["tollkeeper_upstream_attempts_total|OverloadedError|anthropic"] == 1
    assert found["tollkeeper_upstream_attempts_total|200|anthropic"] == 2
    assert found[f"tollkeeper_tokens_total|input|{MODEL}"] == 6
    assert found[f"tollkeeper_tokens_total|cache_write_5m|{MODEL}"] == 24_608
    assert found[f"tollkeeper_tokens_total|output|{MODEL}"] == 1_100
    assert f"tollkeeper_tokens_total|cache_read|{MODEL}" not in found
    assert found[f"tollkeeper_cost_nano_usd_total|key_1|{MODEL}"] == 3_000


def test_a_sum_beyond_what_a_float_holds_is_kept_to_the_nano_usd() -> None:
    metrics = Metrics()
    metrics.record(call(0.2, ABOVE_2_TO_53 - 1))
    metrics.record(call(0.2, 1))
    (at,) = metrics._cost._at.values()  # the text's numbers are floats
    assert metrics._cells.values[at] == ABOVE_2_TO_53


def test_a_bound_belongs_to_its_bucket() -> None:
    metrics = Metrics()
    for latency_s in (0.05, 0.1, 0.11, 700.0):
        metrics.record(call(latency_s, 1))
    found = samples(metrics)
    bucket = "tollkeeper_latency_seconds_bucket"
    assert found[f"{bucket}|0.1|{MODEL}"] == 2
    assert found[f"{bucket}|0.25|{MODEL}"] == 3
    assert found[f"{bucket}|600.0|{MODEL}"] == 3
    assert found[f"{bucket}|+Inf|{MODEL}"] == 4
    assert found[f"tollkeeper_latency_seconds_count|{MODEL}"] == 4
    assert found[f"tollkeeper_latency_seconds_sum|{MODEL}"] == 700.26


def test_what_a_replica_counts_bears_its_name_and_what_the_ledger_says_does_not() -> None:
    metrics = Metrics(replica="gateway-2")
    metrics.record(call(0.2, 55_000))
    metrics.orphaned(3)
    standing = Standing(holds=1, held_nano_usd=7, remaining_nano_usd={"key_1": 9})
    lines = [
        line for line in metrics.text(standing).decode().splitlines() if not line.startswith("#")
    ]
    from_ledger = ("ledger_up", "holds", "held_nano_usd", "budget_remaining_nano_usd")
    for line in lines:
        says = line.removeprefix("tollkeeper_").startswith(from_ledger)
        assert ('replica="gateway-2"' in line) is not says, line
    assert 'tollkeeper_orphans_total{replica="gateway-2"} 3.0' in lines
    assert "tollkeeper_holds 1.0" in lines
    assert "tollkeeper_orphans_total 0.0" in Metrics().text().decode()


def test_only_calls_above_their_hold_are_counted_as_such() -> None:
    metrics = Metrics()
    metrics.record(call(0.2, 5))
    assert samples(metrics)["tollkeeper_bound_exceeded_total"] == 0


def test_what_has_no_price_is_counted_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    plain = call(0.2, 1_000)
    assert plain.charge is not None
    metrics.record(plain)
    metrics.record(replace(plain, charge=replace(plain.charge, unknown=("model", "speed"))))
    found = samples(metrics)
    assert found["tollkeeper_unknown_price_total|model"] == 1
    assert found["tollkeeper_unknown_price_total|speed"] == 1
    assert found["tollkeeper_unknown_price_total|refusal"] == 0
    (line,) = caplog.records
    assert line.getMessage() == "charged at the dearest figures: no price for its model, speed"


def test_what_a_vendor_bills_above_or_below_what_was_computed_is_counted() -> None:
    metrics = Metrics()
    metrics.record(call(0.2, 1_000))
    for more in (250, 0, -40, 7):
        metrics.billed(MODEL, more)
    found = samples(metrics)
    name = "tollkeeper_billed_difference_nano_usd_total"
    assert found[f"{name}|above|{MODEL}"] == 257
    assert found[f"{name}|below|{MODEL}"] == 40
