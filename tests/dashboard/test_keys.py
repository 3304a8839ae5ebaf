"""Keys and teams: found, made, changed, rotated and revoked from pages."""

from __future__ import annotations

import html
import re
import sqlite3
from contextlib import closing
from typing import Any

from tests.dashboard.browsing import Browsing, check_looks, visitor
from tests.running import Gateway

BODY = {"model": "haiku", "max_tokens": 20, "messages": [{"role": "user", "content": "Hi"}]}


def secret_on(text: str) -> str:
    found = re.search(r'<code id="secret">([^<]+)</code>', text)
    assert found is not None, text
    return html.unescape(found[1])


def latest(served: Gateway, action: str) -> dict[str, Any]:
    entries = served.admin("GET", "audit")["data"]
    found: dict[str, Any] = next(each for each in entries if each["action"] == action)
    return found


def test_a_key_is_made_used_changed_rotated_and_revoked_from_its_pages(served: Gateway) -> None:
    team = served.admin("POST", "teams", {"name": "research"})["id"]
    with visitor(served) as operator:
        form = {
            "name": "made on a page",
            "team": team,
            "max_budget_usd": "$5.00",
            "budget_window": "month",
            "models": "haiku",
            "budget of claude-sonnet-4-6": "1.50",
            "rpm": "",
            "expires_at": "2031-01-31",
        }
        made = operator.post("/ui/keys/new", form, "/ui/keys/new")
        assert made.status_code == 200
        secret = secret_on(made.text)
        key = served.own_key(secret)
        assert (key["name"], key["team"], key["max_budget_usd"]) == (
            *("made on a page", team, "5.00"),
        )
        assert (key["models"], key["model_budgets"]) == (["haiku"], {"claude-sonnet-4-6": "1.50"})
        assert key["expires_at"] == "2031-01-31T23:59:59.999999Z"
        assert latest(served, "key.create")["actor"] == "dashboard"
        assert served.chat(secret, BODY).status_code == 200

        path = f"/ui/keys/{key['id']}"
        shown = operator.get(path).text
        assert secret not in shown
        assert key["prefix"] in shown
        changed = operator.post(
            f"{path}/edit", {**form, "max_budget_usd": "6", "models": ""}, f"{path}/edit"
        )
        assert changed.headers["location"] == path
        assert served.own_key(secret)["max_budget_usd"] == "6.00"
        assert served.own_key(secret)["models"] is None
        noted = latest(served, "key.update")
        assert noted["actor"] == "dashboard"
        assert set(noted["details"]["after"]) == {"max_budget_usd", "models"}

        rotated = operator.post(f"{path}/rotate", {"overlap_s": "0"}, path)
        newer = secret_on(rotated.text)
        assert newer != secret
        assert served.own_key(newer)["id"] == key["id"]

        wrong = operator.post(f"{path}/revoke", {"confirm": "made on a pag"}, path)
        assert wrong.status_code == 400
        assert served.own_key(newer)["revoked_at"] is None
        gone = operator.post(f"{path}/revoke", {"confirm": "made on a page"}, path)
        assert gone.headers["location"] == path
        assert latest(served, "key.revoke")["actor"] == "dashboard"
        assert served.admin("GET", f"keys/{key['id']}")["revoked_at"] is not None
        assert "Rotate" not in operator.get(path).text


def test_a_form_that_says_nonsense_comes_back_with_it_and_why(served: Gateway) -> None:
    before = len(served.admin("GET", "keys?limit=1000")["data"])
    with visitor(served) as operator:
        for field, value, told in (
            ("max_budget_usd", "ten", "not a plain decimal amount"),
            ("max_budget_usd", "-1", "not a plain decimal amount"),
            ("rpm", "0", "must be a whole number from 1"),
            ("rpm", "many", "must be a whole number from 1"),
            ("expires_at", "2001-01-01", "has passed"),
            ("name", "  ", "a key needs one"),
            ("budget of claude-sonnet-4-6", "x", "not a plain decimal amount"),
        ):
            form = {"name": "<i>kept</i>", field: value}
            answer = operator.post("/ui/keys/new", form, "/ui/keys/new")
            assert answer.status_code == 400, field
            assert told in answer.text, (field, answer.text)
            assert "<i>kept" not in answer.text
            if field != "name":
                assert 'value="&lt;i&gt;kept&lt;/i&gt;"' in answer.text
    assert len(served.admin("GET", "keys?limit=1000")["data"]) == before


def test_no_form_is_taken_without_the_pages_token(served: Gateway) -> None:
    served.key(name="safe")
    (key, *_) = served.admin("GET", "keys")["data"]
    with visitor(served) as operator:
        for path in (
            *("/ui/keys/new", f"/ui/keys/{key['id']}/edit", f"/ui/keys/{key['id']}/rotate"),
            *(f"/ui/keys/{key['id']}/revoke", "/ui/teams/new"),
        ):
            for token in ({}, {"csrf": "wrong"}):
                answer = operator.http.post(path, data={"confirm": "safe", "name": "x", **token})
                assert answer.status_code == 400
                assert "out of date" in answer.text
    assert served.admin("GET", f"keys/{key['id']}") == key


def test_keys_are_found_by_name_prefix_id_and_what_is_left(served: Gateway) -> None:
    spent = served.key(name="Nearly spent 50%_", max_budget_usd="0.0006")
    served.key(name="Unlimited")
    assert served.chat(spent, BODY).status_code == 200
    key = served.own_key(spent)
    used = float(key["spent_usd"]) / 0.0006
    served.admin("PATCH", f"keys/{key['id']}", {"max_budget_usd": key["spent_usd"]})
    assert 0 < used < 1
    with visitor(served) as operator:
        for query in (
            "q=nearly+SPENT",
            "q=50%25_",
            f"q={key['prefix']}",
            f"q={key['id']}",
            "only=near",
            "sort=-used",
        ):
            (first, *rest) = operator.get(f"/ui/keys.json?{query}").json()["data"]
            assert first == served.admin("GET", f"keys/{key['id']}"), query
            if not query.startswith("sort"):
                assert rest == [], query
        assert operator.get("/ui/keys.json?q=50__").json()["data"] == []
        names = [k["name"] for k in operator.get("/ui/keys.json?only=unlimited").json()["data"]]
        assert "Unlimited" in names
        assert "Nearly spent 50%_" not in names
        assert operator.get("/ui/keys?only=nonsense").status_code == 400
        assert operator.get("/ui/keys?cursor=nonsense").status_code == 400


def test_a_team_is_made_and_changed_from_its_pages(served: Gateway) -> None:
    with visitor(served) as operator:
        form = {"name": "from a page", "max_budget_usd": "20", "budget_window": "week"}
        made = operator.post("/ui/teams/new", form, "/ui/teams/new")
        path = made.headers["location"]
        served.key(name="its own key", team="from a page")
        assert "its own key" in operator.get(path).text
        again = operator.post("/ui/teams/new", form, "/ui/teams/new")
        assert again.status_code == 400
        assert "already" in again.text
        form = {**form, "max_budget_usd": ""}
        assert operator.post(f"{path}/edit", form, f"{path}/edit").status_code == 303
        team = served.admin("GET", f"teams/{path.rpartition('/')[2]}")
        assert (team["max_budget_usd"], team["budget_window"]) == (None, "week")
        assert operator.get(f"{path}.json").json() == team
        assert team in operator.get("/ui/teams.json").json()["data"]
        assert latest(served, "team.update")["actor"] == "dashboard"


def test_key_and_team_pages_are_accessible_and_fit_a_phone(
    browser: Browsing, served: Gateway
) -> None:
    team = served.admin("POST", "teams", {"name": "محرك البحث " + "ط" * 180})["id"]
    secret = served.key(
        name="<script>alert(1)</script>" + "x" * 170,
        team=team,
        max_budget_usd="0.000001",
        model_budgets={"haiku": "1.00"},
    )
    assert served.chat(secret, BODY).status_code == 402
    path = f"/ui/keys/{served.own_key(secret)['id']}"
    check_looks(browser, "/ui/keys", "/ui/keys/new", path, f"{path}/edit", "/ui/keys?q=nothing")
    check_looks(browser, "/ui/teams", f"/ui/teams/{team}", f"/ui/teams/{team}/edit")


def test_a_secret_is_shown_once_and_copied(browser: Browsing) -> None:
    with browser.page() as page:
        page.goto("/ui/keys/new")
        page.fill("#name", "from a browser")
        page.click("button.primary")
        secret = page.inner_text("#secret")
        page.click("[data-copy]")
        assert page.evaluate("navigator.clipboard.readText()") == secret
        page.click("text=I have stored it")
        assert secret not in page.content()
        assert page.inner_text("h1") == "from a browser"


def test_a_key_whose_name_nobody_can_type_is_revoked_all_the_same(served: Gateway) -> None:
    for name in ("two\nlines", "a\u202egnp.exe", "\x1b"):
        made = served.admin("POST", "keys", {"name": name})
        path = f"/ui/keys/{made['id']}"
        with visitor(served) as operator:
            empty = operator.post(f"{path}/revoke", {"confirm": " "}, path)
            assert empty.status_code == 400
            typed = {"two\nlines": "two lines"}.get(name, made["id"])
            assert operator.post(f"{path}/revoke", {"confirm": typed}, path).status_code == 303
        assert served.admin("GET", f"keys/{made['id']}")["revoked_at"] is not None


def test_a_csv_has_all_keys_also_those_of_the_next_pages(served: Gateway) -> None:
    database = served.folder / "data" / "tollkeeper.db"
    served.admin("POST", "keys", {"name": "one of many", "max_budget_usd": "1"})
    with closing(sqlite3.connect(database, timeout=20)) as ledger, ledger:
        cursor = ledger.execute("SELECT * FROM keys WHERE name = 'one of many'")
        names = [each[0] for each in cursor.description]
        (row,) = cursor.fetchall()
        place, marks = names.index("id"), ",".join("?" * len(names))
        many = [(*row[:place], f"key_of_many_{n}", *row[place + 1 :]) for n in range(1_100)]
        ledger.executemany(f"INSERT INTO keys VALUES ({marks})", many)  # noqa: S608 - our own
    with visitor(served) as operator:
        lines = operator.get("/ui/keys.csv?q=one+of+many&cursor=").text.splitlines()
        assert len(lines) == 1 + 1 + 1_100
        assert len({line.partition(",")[0] for line in lines[1:]}) == 1_101
        page = operator.get("/ui/keys.json?q=one+of+many").json()
        assert (len(page["data"]), page["next_cursor"] is None) == (1_000, False)
