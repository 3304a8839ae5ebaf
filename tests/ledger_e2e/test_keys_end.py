"""Revoked, expired and rotated keys, on every gateway over the database."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

from tests.ledger_e2e.calls import whole
from tests.ledger_e2e.fleet import Answer, Fleet, Watched, until


def everywhere(served: Fleet, secret: str) -> list[Answer]:
    """One call to each gateway."""
    return served.send(secret, [whole(at) for at in range(len(served.gateways))])


def assert_in(served: Fleet, secret: str) -> None:
    assert {answer.status for answer in everywhere(served, secret)} == {200}


def assert_out(served: Fleet, upstream: Watched, secret: str) -> None:
    """Refused by all, and nothing is sent."""
    before = len(upstream.entries())
    answers = everywhere(served, secret)
    assert {(answer.status, answer.code) for answer in answers} == {(401, "invalid_api_key")}
    assert len(upstream.entries()) == before


def test_a_revoked_key_is_refused_at_once(served: Fleet, upstream: Watched) -> None:
    for limits in ({}, {"max_budget_usd": "1.00"}):
        secret, key_id = served.key(**limits)
        assert_in(served, secret)  # every gateway remembers it now
        shown = served.first.admin("DELETE", f"keys/{key_id}")
        assert shown["revoked_at"] is not None
        assert_out(served, upstream, secret)
        served.assert_consistent()


def test_a_call_that_is_running_when_its_key_is_revoked_is_finished_and_charged(
    served: Fleet, upstream: Watched
) -> None:
    upstream.pace(latency_s=1.0)
    secret, key_id = served.key(max_budget_usd="1.00")
    answers: list[Answer] = []
    running = threading.Thread(target=lambda: answers.extend(everywhere(served, secret)))
    running.start()
    until(lambda: len(upstream.entries()) == len(served.gateways), within_s=5.0)
    served.first.admin("DELETE", f"keys/{key_id}")
    running.join()
    assert {answer.status for answer in answers} == {200}
    assert upstream.billed_nano_usd() > 0
    served.assert_balanced(key_id)


def test_a_key_expires_to_the_moment(served: Fleet, upstream: Watched) -> None:
    ends = datetime.now(UTC) + timedelta(seconds=2)
    secret, _ = served.key(expires_at=ends.isoformat())
    assert_in(served, secret)
    time.sleep(max(0.0, (ends - datetime.now(UTC)).total_seconds()))
    assert_out(served, upstream, secret)


def test_an_expiry_that_is_set_later_binds_at_the_next_hold(
    served: Fleet, upstream: Watched
) -> None:
    secret, key_id = served.key()
    assert_in(served, secret)
    ends = datetime.now(UTC) + timedelta(seconds=1)
    served.first.admin("PATCH", f"keys/{key_id}", {"expires_at": ends.isoformat()})
    time.sleep(max(0.0, (ends - datetime.now(UTC)).total_seconds()))
    assert_out(served, upstream, secret)


def test_a_rotated_secret_ends_within_a_second_and_the_new_one_works(
    served: Fleet, upstream: Watched
) -> None:
    old, key_id = served.key(max_budget_usd="1.00")
    assert_in(served, old)
    rotated_s = time.monotonic()
    new = served.first.admin("POST", f"keys/{key_id}/rotate", {})["key"]
    assert_in(served, new)
    time.sleep(max(0.0, rotated_s + 1.0 - time.monotonic()))
    assert_out(served, upstream, old)
    assert_in(served, new)
    served.assert_balanced(key_id)


def test_during_its_overlap_a_rotated_secret_works_beside_the_new_one(
    served: Fleet, upstream: Watched
) -> None:
    old, key_id = served.key(max_budget_usd="1.00")
    new = served.first.admin("POST", f"keys/{key_id}/rotate", {"overlap_s": 3})["key"]
    rotated_s = time.monotonic()
    assert_in(served, old)
    assert_in(served, new)
    time.sleep(max(0.0, rotated_s + 4.0 - time.monotonic()))
    assert_out(served, upstream, old)
    assert_in(served, new)
    served.assert_balanced(key_id)


def test_every_change_of_a_key_or_team_is_in_the_audit_log(served: Fleet) -> None:
    secret, key_id = served.key(max_budget_usd="1.00")
    admin = served.first.admin
    admin("PATCH", f"keys/{key_id}", {"max_budget_usd": "2.00"})
    new = admin("POST", f"keys/{key_id}/rotate", {"overlap_s": 0})["key"]
    admin("DELETE", f"keys/{key_id}")
    team_id = admin("POST", "teams", {"name": f"of {key_id}"})["id"]
    admin("PATCH", f"teams/{team_id}", {"max_budget_usd": "5.00"})
    log = served.gateways[-1].admin("GET", "audit?limit=1000")["data"]
    noted = [entry["action"] for entry in reversed(log) if entry["target"] == key_id]
    assert noted == ["key.create", "key.update", "key.rotate", "key.revoke"]
    noted = [entry["action"] for entry in reversed(log) if entry["target"] == team_id]
    assert noted == ["team.create", "team.update"]
    actors = {entry["actor"] for entry in log if entry["target"] in (key_id, team_id)}
    assert actors == {"admin"}
    assert secret not in str(log)
    assert new not in str(log)
