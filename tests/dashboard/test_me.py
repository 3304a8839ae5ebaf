"""A virtual key opens its own page: read-only, nothing of anybody else's, while it may call."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dashboard.browsing import Browsing, check_looks, visitor
from tests.running import Gateway

BODY = {"model": "haiku", "max_tokens": 20, "messages": [{"role": "user", "content": "Hi"}]}
OTHERS_PAGES = (
    *("/ui", "/ui/requests", "/ui/requests.json", "/ui/keys", "/ui/keys.csv", "/ui/keys/new"),
    *("/ui/teams", "/ui/prices"),
)


def test_a_holder_sees_the_own_key_and_its_calls_and_no_other(served: Gateway) -> None:
    secret, other = served.key(name="mine", max_budget_usd="2.00"), served.key(name="other's")
    mine = served.chat(secret, BODY).headers["x-request-id"]
    others = served.chat(other, BODY).headers["x-request-id"]
    with visitor(served, secret) as holder:
        page = holder.get("/ui/me")
        assert page.status_code == 200
        (login, *_) = served.admin("GET", "audit")["data"]
        key_id = served.own_key(secret)["id"]
        assert (login["action"], login["target"]) == ("dashboard.login", key_id)
        assert mine in page.text
        assert others not in page.text
        assert secret not in page.text
        assert "other" not in page.text.replace("another", "")
        assert holder.get("/ui/me.json").json() == served.own_key(secret)
        (head, *lines) = holder.get("/ui/me.csv").text.splitlines()
        assert head.startswith("\ufeffid,created_at,")
        assert [line.partition(",")[0] for line in lines] == [mine]
        assert holder.get(f"/ui/me/requests/{mine}").status_code == 200
        assert holder.get(f"/ui/me/requests/{mine}.json").json() == served.row(mine)
        for path in (f"/ui/me/requests/{others}", f"/ui/me/requests/{others}.json"):
            assert holder.get(path).status_code == 404
        for path in OTHERS_PAGES:
            answer = holder.get(path)
            assert answer.status_code == 303, path
            home = "/ui/requests" if path == "/ui" else "/ui/me"
            assert answer.headers["location"] in (home, "/ui/me"), path


@pytest.mark.parametrize("what", ["keys/new", "keys/{}/edit", "keys/{}/revoke", "teams/new"])
def test_a_holder_changes_nothing(served: Gateway, what: str) -> None:
    secret = served.key(name="holder")
    before = served.own_key(secret)
    with visitor(served, secret) as holder:
        form = {"name": "x", "confirm": "holder"}
        answer = holder.post(f"/ui/{what.format(before['id'])}", form, "/ui/me")
        assert (answer.status_code, answer.headers["location"]) == (303, "/ui/me")
    assert served.own_key(secret) == before


def test_a_revoked_or_replaced_key_ends_its_sessions(served: Gateway) -> None:
    for end in ("revoke", "rotate"):
        secret = served.key(name="soon over")
        key = served.own_key(secret)["id"]
        with visitor(served, secret) as holder:
            assert holder.get("/ui/me").status_code == 200
            if end == "revoke":
                served.admin("DELETE", f"keys/{key}")
            else:
                served.admin("POST", f"keys/{key}/rotate", {})
            answer = holder.get("/ui/me")
            assert answer.headers["location"] == "/ui/login?next=%2Fui%2Fme"
        with visitor(served, None) as someone:
            refused = someone.post("/ui/login", {"secret": secret}, "/ui/login")
            assert refused.status_code == 401
            told = "was revoked" if end == "revoke" else "was replaced by a newer one"
            assert told in refused.text


def test_a_holder_reads_why_a_call_was_refused(served: Gateway) -> None:
    secret = served.key(name="poor", max_budget_usd="0.000001")
    refused: Any = served.chat(secret, BODY)
    assert refused.status_code == 402
    request_id = refused.headers["x-request-id"]
    with visitor(served, secret) as holder:
        assert f"/ui/me/requests/{request_id}" in holder.get("/ui/me").text
        page = holder.get(f"/ui/me/requests/{request_id}").text
        assert "402 budget_exceeded" in page
        assert "The budget that was too small" in page


def test_the_master_key_has_no_page_of_its_own(served: Gateway) -> None:
    with visitor(served) as operator:
        assert operator.get("/ui/me").status_code == 404
        assert "/ui/me" not in operator.get("/ui/keys").text


def test_a_holders_pages_are_accessible_and_fit_a_phone(browser: Browsing, served: Gateway) -> None:
    secret = served.key(name="y" * 200, max_budget_usd="1")
    request_id = served.chat(secret, BODY).headers["x-request-id"]
    check_looks(browser, "/ui/me", f"/ui/me/requests/{request_id}", secret=secret)
