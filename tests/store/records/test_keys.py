"""Keys, teams and the audit log as the admin API shows them."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import BadRequest, NotFound
from app.store.database.moments import microseconds
from app.store.records.audit import Audit
from tests.store.ledger.till import CENT, HAIKU, Till, close_till, open_till, reservation


async def test_a_new_key_shows_what_was_asked_for(till: Till) -> None:
    team = await till.teams.create({"name": "ops"})
    shown, secret = await till.keys.create(
        {
            "name": "ci",
            "max_budget_usd": "10.00",
            "budget_window": "none",
            "models": [HAIKU],
            "model_budgets": {HAIKU: "1.5"},
            "rpm": 60,
            "tpm": 100_000,
            "max_parallel": 4,
            "conversation_budget_usd": "2",
            "expires_at": "2030-01-01",
            "team": "ops",
            "metadata": {"owner": "ann"},
        }
    )
    assert re.fullmatch(r"tk-[A-Za-z0-9_-]{43}", secret)
    assert shown.pop("prefix") == secret[:9]
    assert re.fullmatch(r"key_[0-9a-f]{16}", shown.pop("id"))
    assert shown.pop("created_at").endswith("Z")
    assert shown == {
        "name": "ci",
        "expires_at": "2030-01-01T23:59:59.999999Z",
        "revoked_at": None,
        "last_used_at": None,
        "team": team["id"],
        "models": [HAIKU],
        "rpm": 60,
        "tpm": 100_000,
        "max_parallel": 4,
        "max_budget_usd": "10.00",
        "budget_window": "none",
        "conversation_budget_usd": "2.00",
        "window_started_at": None,
        "resets_at": None,
        "spent_usd": "0.00",
        "reserved_usd": "0.00",
        "remaining_usd": "10.00",
        "lifetime_spent_usd": "0.00",
        "model_budgets": {HAIKU: "1.50"},
        "model_spend": {
            HAIKU: {"spent_usd": "0.00", "reserved_usd": "0.00", "remaining_usd": "1.50"}
        },
        "metadata": {"owner": "ann"},
    }


async def test_a_key_is_found_by_its_secret_as_the_pipeline_needs_it(till: Till) -> None:
    await till.teams.create({"name": "paid", "max_budget_usd": "5.00"})
    _, secret = await till.keys.create(
        {"name": "n", "models": [HAIKU], "team": "paid", "model_budgets": {HAIKU: "0.02"}}
    )
    assert till.keys.find_cached(secret) is None
    while True:
        key = await till.keys.find(secret)
        cached = till.keys.find_cached(secret)
        if cached is not None:  # it may have taken the second for which it is known
            break
    assert cached is key
    assert key is not None
    assert (key.models, key.team_limited, key.limited) == ((HAIKU,), True, True)
    assert key.model_budgets_nano_usd == {HAIKU: 20_000_000}
    assert key.max_budget_nano_usd is None
    assert await till.keys.find("tk-unknown") is None


async def test_a_key_that_ended_is_found_with_its_end(till: Till) -> None:
    shown, secret = await till.keys.create({"name": "n"})
    found = await till.keys.find(secret)
    assert found is not None
    assert (found.revoked_at, found.expires_at, found.secret_ends_at) == (None, None, None)
    revoked = await till.keys.revoke(shown["id"])
    assert revoked["revoked_at"] is not None
    found = await till.keys.find(secret)
    assert found is not None
    assert found.revoked_at == datetime.fromisoformat(revoked["revoked_at"])
    assert await till.keys.revoke(shown["id"]) == revoked
    soon = datetime.now(UTC) + timedelta(seconds=60)
    _, expiring = await till.keys.create({"name": "n", "expires_at": soon.isoformat()})
    found = await till.keys.find(expiring)
    assert found is not None
    assert found.expires_at == soon


ENDS = [
    # as it is given, the last instant at which it works
    ("2030-01-01", "2030-01-01T23:59:59.999999Z"),
    ("20300101", "2030-01-01T23:59:59.999999Z"),
    ("2028-02-29", "2028-02-29T23:59:59.999999Z"),
    ("9999-12-31", "9999-12-31T23:59:59.999999Z"),
    ("2030-01-01T00:00:00", "2030-01-01T00:00:00.000000Z"),
    ("2030-01-01T12:00:00+02:00", "2030-01-01T10:00:00.000000Z"),
]


@pytest.mark.parametrize(("given", "ends"), ENDS)
async def test_a_date_names_the_end_of_its_day(till: Till, given: str, ends: str) -> None:
    shown, _ = await till.keys.create({"name": "n", "expires_at": given})
    assert shown["expires_at"] == ends


async def test_today_is_an_end_and_the_past_is_none(till: Till) -> None:
    now = datetime.now(UTC)
    shown, _ = await till.keys.create({"name": "n", "expires_at": now.date().isoformat()})
    assert shown["expires_at"] == f"{now.date()}T23:59:59.999999Z"
    yesterday = (now - timedelta(days=1)).date().isoformat()
    for past in (yesterday, (now - timedelta(seconds=1)).isoformat(), "0001-01-01"):
        for refused in (
            till.keys.create({"name": "late", "expires_at": past}),
            till.keys.update(shown["id"], {"expires_at": past}),
        ):
            with pytest.raises(BadRequest, match="has passed") as caught:
                await refused
            assert caught.value.param == "expires_at"
    assert len((await till.keys.list())["data"]) == 1


async def test_a_key_shows_when_it_was_last_used(till: Till) -> None:
    key, other = await till.key(), await till.key()
    await till.call(reservation(key), CENT)
    asked = reservation(key)
    await till.call(asked, CENT)
    last = (await till.row(asked))["created_at"]
    assert (await till.keys.get(key.id))["last_used_at"] == last
    listed = {shown["id"]: shown["last_used_at"] for shown in (await till.keys.list())["data"]}
    assert listed == {key.id: last, other.id: None}


async def test_a_change_elsewhere_is_seen_after_a_second_at_most(till: Till) -> None:
    shown, secret = await till.keys.create({"name": "n"})
    assert await till.keys.find(secret) is not None
    other = till.keys.__class__(till.database)
    await other.revoke(shown["id"])
    await asyncio.sleep(1.05)
    assert till.keys.find_cached(secret) is None
    found = await till.keys.find(secret)
    assert found is not None
    assert found.revoked_at is not None


async def test_of_all_who_call_at_once_one_asks_the_database(till: Till) -> None:
    _, secret = await till.keys.create({"name": "n"})
    asking = [asyncio.ensure_future(till.keys.find(secret)) for _ in range(8)]
    await asyncio.sleep(0)
    asking[0].cancel()
    left, *found = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(left, asyncio.CancelledError)
    assert found[0] is not None
    assert all(key is found[0] for key in found)  # each reading makes its own


async def test_what_was_read_before_a_change_is_not_kept(till: Till) -> None:
    shown, secret = await till.keys.create({"name": "n"})
    before = asyncio.ensure_future(till.keys.find(secret))
    await till.keys.revoke(shown["id"])
    found = await till.keys.find(secret)
    assert found is not None
    assert found.revoked_at is not None
    await before
    assert till.keys.find_cached(secret) is found


async def test_after_a_rotation_both_secrets_work_for_the_overlap(till: Till) -> None:
    shown, old = await till.keys.create({"name": "n"})
    rotated, new = await till.keys.rotate(shown["id"], overlap_s=1)
    assert rotated["prefix"] == new[:9]
    for secret in (old, new):
        found = await till.keys.find(secret)
        assert found is not None
        assert found.id == shown["id"]
    await asyncio.sleep(1.1)
    for secret, over in ((old, True), (new, False)):
        found = await till.keys.find(secret)
        assert found is not None
        ends_at = found.secret_ends_at
        assert (ends_at is not None and ends_at <= datetime.now(UTC)) is over


async def test_a_rotation_without_overlap_ends_every_older_secret_at_once(till: Till) -> None:
    shown, first = await till.keys.create({"name": "n"})
    _, second = await till.keys.rotate(shown["id"], overlap_s=600)
    _, third = await till.keys.rotate(shown["id"])
    ends = []
    for secret in (first, second, third):
        found = await till.keys.find(secret)
        assert found is not None
        ends.append(found.secret_ends_at)
    assert [end is not None and end <= datetime.now(UTC) for end in ends] == [True, True, False]


async def test_null_removes_a_limit_and_the_rest_stays(till: Till) -> None:
    shown, _ = await till.keys.create({"name": "n", "max_budget_usd": "1.00", "rpm": 5})
    changed = await till.keys.update(shown["id"], {"max_budget_usd": None})
    assert (changed["max_budget_usd"], changed["remaining_usd"], changed["rpm"]) == (None, None, 5)


async def test_a_raised_budget_counts_what_was_spent(till: Till) -> None:
    key = await till.key(max_budget_usd="0.01")
    await till.call(reservation(key, CENT), CENT)
    changed = await till.keys.update(key.id, {"max_budget_usd": "0.03"})
    assert (changed["spent_usd"], changed["remaining_usd"]) == ("0.01", "0.02")
    await till.call(reservation(key, 2 * CENT), CENT)


async def test_a_window_shows_when_it_began_and_resets(till: Till) -> None:
    shown, _ = await till.keys.create(
        {"name": "n", "max_budget_usd": "1.00", "budget_window": "week"}
    )
    began = datetime.fromisoformat(shown["window_started_at"])
    resets = datetime.fromisoformat(shown["resets_at"])
    assert (began.weekday(), (resets - began).days) == (0, 7)
    assert began <= datetime.now(UTC) < resets


async def test_what_a_key_spent_in_other_windows_is_in_its_lifetime(till: Till) -> None:
    key = await till.key(budget_window="day")
    await till.call(reservation(key, CENT), CENT)
    changed = await till.keys.update(key.id, {"budget_window": "month"})
    assert (changed["spent_usd"], changed["lifetime_spent_usd"]) == ("0.00", "0.01")


BAD_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({}, "name"),
    ({"name": ""}, "name"),
    ({"name": "  "}, "name"),
    ({"name": 3}, "name"),
    ({"name": "n" * 201}, "name"),
    ({"name": "n", "max_budget_usd": 10}, "max_budget_usd"),
    ({"name": "n", "max_budget_usd": 10.5}, "max_budget_usd"),
    ({"name": "n", "max_budget_usd": "-1"}, "max_budget_usd"),
    ({"name": "n", "max_budget_usd": "NaN"}, "max_budget_usd"),
    ({"name": "n", "max_budget_usd": "1e3"}, "max_budget_usd"),
    ({"name": "n", "max_budget_usd": "0.0000000001"}, "max_budget_usd"),
    ({"name": "n", "max_budget_usd": True}, "max_budget_usd"),
    ({"name": "n", "budget_window": "year"}, "budget_window"),
    ({"name": "n", "models": HAIKU}, "models"),
    ({"name": "n", "models": []}, "models"),
    ({"name": "n", "models": [1]}, "models"),
    ({"name": "n", "model_budgets": {HAIKU: 1}}, f"model_budgets.{HAIKU}"),
    ({"name": "n", "model_budgets": ["x"]}, "model_budgets"),
    ({"name": "n", "rpm": 0}, "rpm"),
    ({"name": "n", "rpm": -1}, "rpm"),
    ({"name": "n", "tpm": 1.5}, "tpm"),
    ({"name": "n", "max_parallel": True}, "max_parallel"),
    ({"name": "n", "expires_at": "tomorrow"}, "expires_at"),
    ({"name": "n", "expires_at": 1}, "expires_at"),
    ({"name": "n", "team": "nobody"}, "team"),
    ({"name": "n", "metadata": {"a": 1}}, "metadata"),
    ({"name": "n", "budget": "1.00"}, "budget"),
    ({"name": "n", "conversation_budget_usd": "1e3"}, "conversation_budget_usd"),
    ({"name": "n", "max_budget_usd": "1000000000.01"}, "max_budget_usd"),
    ({"name": "n", "metadata": []}, "metadata"),
    ({"name": "n", "models": [" "]}, "models"),
    ({"name": "n", "model_budgets": {" ": "1.00"}}, "model_budgets"),
    ({"name": "n", "rpm": 10**12 + 1}, "rpm"),
    ({"name": "n", "team": 7}, "team"),
]


@pytest.mark.parametrize(("fields", "param"), BAD_FIELDS)
async def test_a_bad_field_is_named(sqlite_url: str, fields: dict[str, Any], param: str) -> None:
    till = await open_till(sqlite_url)
    with pytest.raises(BadRequest) as refused:
        await till.keys.create(fields)
    assert str(refused.value.param).startswith(param)
    assert (await till.keys.list())["data"] == []
    await close_till(till)


async def test_an_unknown_key_or_team_is_not_found(till: Till) -> None:
    for unknown in (
        till.keys.get("key_x"),
        till.keys.update("key_x", {"rpm": 1}),
        till.keys.revoke("key_x"),
        till.keys.rotate("key_x"),
        till.teams.get("team_x"),
        till.teams.update("team_x", {"name": "n"}),
        till.requests.get("req_x"),
        till.requests.correct("req_x", 1),
    ):
        with pytest.raises(NotFound):
            await unknown


async def test_pages_go_from_the_newest_to_the_oldest_without_a_gap(till: Till) -> None:
    names = [f"key {n}" for n in range(5)]
    for name in names:
        await till.keys.create({"name": name})
    seen, cursor, pages = [], None, 0
    while pages == 0 or cursor is not None:
        page = await till.keys.list(cursor=cursor, limit=2)
        seen += [key["name"] for key in page["data"]]
        cursor, pages = page["next_cursor"], pages + 1
    assert seen == ["key 4", "key 3", "key 2", "key 1", "key 0"]
    assert pages == 3
    for bad in ({"limit": 0}, {"limit": 1_001}, {"cursor": "x"}, {"cursor": "1-"}):
        with pytest.raises(BadRequest):
            await till.keys.list(**bad)


async def test_a_team_name_is_given_once(till: Till) -> None:
    first = await till.teams.create({"name": "ops", "max_budget_usd": "2.00"})
    second = await till.teams.create({"name": "dev"})
    with pytest.raises(BadRequest) as refused:
        await till.teams.create({"name": "ops"})
    assert refused.value.param == "name"
    with pytest.raises(BadRequest):
        await till.teams.update(second["id"], {"name": "ops"})
    changed = await till.teams.update(first["id"], {"name": "ops", "max_budget_usd": None})
    assert changed["remaining_usd"] is None
    assert [team["name"] for team in (await till.teams.list())["data"]] == ["dev", "ops"]


async def test_every_change_is_in_the_audit_log_and_no_secret(till: Till) -> None:
    shown, secret = await till.keys.create({"name": "n"}, actor="ann")
    await till.keys.update(shown["id"], {"rpm": 5})
    _, newer = await till.keys.rotate(shown["id"], 60)
    await till.keys.revoke(shown["id"])
    team = await till.teams.create({"name": "t"})
    page = await till.audit.list(limit=3)
    rest = await till.audit.list(cursor=page["next_cursor"])
    entries = page["data"] + rest["data"]
    assert [(entry["action"], entry["target"]) for entry in entries] == [
        ("team.create", team["id"]),
        ("key.revoke", shown["id"]),
        ("key.rotate", shown["id"]),
        ("key.update", shown["id"]),
        ("key.create", shown["id"]),
    ]
    assert [entry["actor"] for entry in entries] == ["admin"] * 4 + ["ann"]
    details = [entry["details"] for entry in entries]
    assert details[0] == {"before": None, "after": {"name": "t"}}
    assert details[1]["before"] == {"revoked_at": None}
    assert details[1]["after"]["revoked_at"].endswith("Z")
    assert details[2]["before"] == {"prefix": secret[:9]}
    assert (details[2]["after"], details[2]["overlap_s"]) == ({"prefix": newer[:9]}, 60)
    assert details[3] == {"before": {"rpm": None}, "after": {"rpm": 5}}
    assert details[4] == {"before": None, "after": {"name": "n"}}
    assert rest["next_cursor"] is None
    assert secret not in str(entries)
    assert newer not in str(entries)


async def test_a_change_tells_what_it_was_before_and_nothing_that_stayed(till: Till) -> None:
    team = await till.teams.create({"name": "t", "max_budget_usd": "5.00"})
    await till.teams.update(team["id"], {"max_budget_usd": None, "budget_window": "day"})
    key = await till.key(max_budget_usd="1.00", models=["haiku"])
    await till.keys.update(key.id, {"max_budget_usd": "2.5", "team": "t", "models": None})
    newest, _, of_team, _ = (await till.audit.list())["data"]
    assert newest["details"] == {
        "before": {"max_budget_usd": "1.00", "team": None, "models": ["haiku"]},
        "after": {"max_budget_usd": "2.50", "team": team["id"], "models": None},
    }
    assert of_team["details"] == {
        "before": {"max_budget_usd": "5.00", "budget_window": "none"},
        "after": {"max_budget_usd": None, "budget_window": "day"},
    }


async def test_what_every_worker_tells_is_heard_once(till: Till) -> None:
    before, after = {"routing.threshold": "0.5"}, {"routing.threshold": "0.4"}
    told = {"actor": "config file", "action": "config.reload", "target": "config.yaml"}
    await asyncio.gather(
        *(Audit(till.database).add_once(**told, before=before, after=after) for _ in range(4))
    )
    await till.audit.add_once(**told, before=after, after=before)
    await till.audit.add(actor="dashboard", action="login", target="key_1", details={})
    entries = (await till.audit.list())["data"]
    assert [entry["details"] for entry in entries] == [
        {},
        {"before": after, "after": before},
        {"before": before, "after": after},
    ]


def stored_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_the_secret_is_nowhere_in_the_database(sqlite_url: str, tmp_path: Path) -> None:
    till = await open_till(sqlite_url)
    shown, secret = await till.keys.create({"name": "hidden"})
    _, newer = await till.keys.rotate(shown["id"], 60)
    await close_till(till)
    stored = stored_bytes(tmp_path)
    assert b"hidden" in stored
    for each in (secret, newer):
        assert each[3:].encode() not in stored
        assert each[12:].encode() not in stored


def test_moments_are_exact_to_the_microsecond() -> None:
    assert microseconds(datetime(2026, 11, 21, 19, 0, 0, 1, tzinfo=UTC)) == 1_795_287_600_000_001
