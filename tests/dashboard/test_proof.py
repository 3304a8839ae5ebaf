"""Proof: sums checked on demand, guesses named, and who changed what, before and after."""

from __future__ import annotations

import sqlite3
from decimal import Decimal

import pytest

from app.dashboard.pages.proof import changes
from tests.dashboard.browsing import Browsing, check_looks, visitor
from tests.running import Gateway, Simulated, gateway

BODY = {"model": "haiku", "max_tokens": 20, "messages": [{"role": "user", "content": "Hi"}]}


def test_the_ledger_is_checked_when_it_is_asked_for(served: Gateway) -> None:
    assert served.chat(served.key(), BODY).status_code == 200
    with visitor(served) as operator:
        assert "Check now" in operator.get("/ui/proof").text
        checked = operator.get("/ui/proof?check=now").text
        rows = served.admin("GET", "reconcile")["requests"]
        assert f"{rows} rows add up to every counter" in checked


def test_a_counter_that_was_tampered_with_is_named(
    upstream: Simulated, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("tampered")
    with gateway(folder, upstream.url) as served, visitor(served) as operator:
        assert served.chat(served.key(), BODY).status_code == 200
        with sqlite3.connect(folder / "data" / "tollkeeper.db") as database:
            database.execute("UPDATE windows SET spent_nano_usd = spent_nano_usd + 1")
        page = operator.get("/ui/proof?check=now").text
        assert "not consistent" in page
        (difference, *_) = served.admin("GET", "reconcile")["differences"]
        assert difference["id"] in page
        assert difference["counted"] in page


def test_a_guess_is_listed_until_it_is_settled(served: Gateway, upstream: Simulated) -> None:
    upstream.faults({"kind": "reset_mid_stream"}, times=1)
    answer = served.chat(served.key(name="of a guess"), {**BODY, "stream": True})
    request_id = answer.headers["x-request-id"]
    with visitor(served) as operator:
        assert f"/ui/requests/{request_id}" in operator.get("/ui/proof").text
        served.admin("POST", f"requests/{request_id}/settle", {"cost_usd": "0.01"})
        page = operator.get("/ui/proof").text.partition("Audit log")[0]
        assert f"/ui/requests/{request_id}" not in page


def test_attempts_are_told_by_how_they_ended_and_add_up_to_what_was_spent(
    served: Gateway, upstream: Simulated
) -> None:
    secret = served.key()
    upstream.faults({"kind": "overloaded"}, times=1)
    assert served.chat(secret, BODY).status_code == 200
    with visitor(served) as operator:
        rows = operator.get("/ui/proof/attempts.json?range=7d").json()["data"]
        failures = operator.get("/ui/proof/attempts.json?of=failures").json()["data"]
        page = operator.get("/ui/proof/attempts").text
        assert operator.get("/ui/proof/attempts.json?of=shoes").status_code == 400
        assert "never connected" in operator.get("/ui/proof").text.casefold()
    details = [each for row in served.rows() for each in served.row(row["id"])["attempt_details"]]
    assert sum(row["attempts"] for row in rows) == len(details)
    assert sum(row["answered"] for row in rows) == sum(e["basis"] == "usage" for e in details)
    assert sum(row["refused"] for row in rows) == sum(e["basis"] == "refused" for e in details)
    paid = sum(Decimal(each["cost_usd"]) for each in details)
    assert sum(Decimal(row["answered_usd"]) + Decimal(row["other_usd"]) for row in rows) == paid
    overloaded = next(each for each in failures if each["status"] == 529)
    assert overloaded["end"] == "refused"
    assert overloaded["cost_usd"] == "0.00"
    assert overloaded["error"] in page


def test_the_audit_log_is_the_admin_apis_and_tells_before_and_after(served: Gateway) -> None:
    key = served.own_key(served.key(name="<i>audited</i>", max_budget_usd="1.00"))
    served.admin("PATCH", f"keys/{key['id']}", {"max_budget_usd": "2.50"})
    with visitor(served) as operator:
        entries = served.admin("GET", "audit?limit=1000")
        assert operator.get("/ui/proof.json").json()["data"] == entries["data"]
        page = operator.get("/ui/proof").text
    assert f"/ui/keys/{key['id']}" in page
    assert '1.00</bdi> → <bdi class="name" title="2.50"' in page
    assert "<i>audited" not in page


def test_a_change_is_told_field_by_field() -> None:
    told = changes({"before": {"rpm": None}, "after": {"rpm": 5}, "note": "<b>"}).striptags()
    assert told == "rpm nothing → 5 note <b>"
    assert changes({"before": None, "after": {"name": "x"}}).striptags() == "name nothing → x"
    assert changes({"address": "::1"}).striptags() == "address ::1"


def test_the_proof_is_accessible_and_fits_a_phone(browser: Browsing) -> None:
    check_looks(browser, "/ui/proof?check=now", "/ui/proof/attempts")
