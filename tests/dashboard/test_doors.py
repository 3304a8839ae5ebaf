"""Logins, sessions and headers, as any HTTP client sees them."""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import closing

import httpx2
import pytest

from tests.dashboard.browsing import visitor
from tests.running import MASTER_KEY, Gateway, Simulated, gateway

PAGES = ("/ui/requests", "/ui/requests.csv", "/ui/requests.json")


def test_the_front_door_leads_to_the_dashboard(served: Gateway) -> None:
    answer = httpx2.get(f"{served.url}/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/ui")


@pytest.mark.parametrize("path", PAGES)
def test_whoever_is_not_logged_in_is_asked_to_and_led_back(served: Gateway, path: str) -> None:
    answer = httpx2.get(f"{served.url}{path}?tz=Asia/Tokyo")
    assert answer.status_code == 303
    assert answer.headers["location"] == (
        f"/ui/login?next={path.replace('/', '%2F')}%3Ftz%3DAsia%2FTokyo"
    )


def test_the_master_key_opens_the_dashboard_and_stands_nowhere(served: Gateway) -> None:
    with visitor(served) as operator:
        page = operator.get("/ui/requests")
        assert page.status_code == 200
        assert MASTER_KEY not in page.text
        assert MASTER_KEY not in str(operator.http.cookies)
    assert MASTER_KEY not in served.log_text()
    (login, *_) = served.admin("GET", "audit")["data"]
    assert (login["actor"], login["action"], login["target"]) == (
        *("dashboard", "dashboard.login", "operator"),
    )


def test_a_cookie_is_for_this_site_and_for_no_script(served: Gateway) -> None:
    with visitor(served, None) as someone:
        answer = someone.post("/ui/login", {"secret": MASTER_KEY}, "/ui/login")
        (cookie,) = answer.headers.get_list("set-cookie")
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Secure" not in cookie


def test_behind_tls_a_cookie_goes_over_tls_alone(
    upstream: Simulated, tmp_path_factory: pytest.TempPathFactory
) -> None:
    config = 'server: {trusted_proxies: ["127.0.0.1"]}\n'
    with gateway(tmp_path_factory.mktemp("tls"), upstream.url, config=config) as served:
        for scheme, secure in (("https", True), ("http", False)):
            with visitor(served, None) as someone:
                headers = {"x-forwarded-proto": scheme, "x-forwarded-for": "203.0.113.9"}
                form = {"secret": MASTER_KEY}
                answer = someone.post("/ui/login", form, "/ui/login", **headers)
                (cookie,) = answer.headers.get_list("set-cookie")
                assert ("Secure" in cookie) is secure
        (login, *_) = served.admin("GET", "audit")["data"]
        assert login["details"]["address"] == "203.0.113.9"


def test_a_wrong_key_is_refused_in_place_and_five_of_them_for_a_minute(
    upstream: Simulated, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with (
        gateway(tmp_path_factory.mktemp("throttled"), upstream.url) as served,
        visitor(served, None) as someone,
    ):
        for _ in range(5):
            answer = someone.post("/ui/login", {"secret": "mk-wrong-secret"}, "/ui/login")
            assert answer.status_code == 401
            assert "This key is not known here." in answer.text
            assert "mk-wrong-secret" not in answer.text
        late = someone.post("/ui/login", {"secret": MASTER_KEY}, "/ui/login")
        assert late.status_code == 429
        assert 1 <= int(late.headers["retry-after"]) <= 60
        assert "mk-wrong-secret" not in served.log_text()
        assert "dashboard login refused" in served.log_text()


def test_a_login_form_of_another_site_logs_nobody_in(served: Gateway) -> None:
    answer = httpx2.post(f"{served.url}/ui/login", data={"secret": MASTER_KEY, "csrf": "x"})
    assert answer.status_code == 400
    assert "tollkeeper_session" not in answer.headers.get("set-cookie", "")


def test_a_logout_ends_the_session_and_needs_the_pages_token(served: Gateway) -> None:
    with visitor(served) as operator:
        assert operator.http.post("/ui/logout", data={}).status_code == 400
        assert operator.get("/ui/requests").status_code == 200
        answer = operator.post("/ui/logout", {}, "/ui/requests")
        assert (answer.status_code, answer.headers["location"]) == (303, "/ui/login")
        assert operator.get("/ui/requests").status_code == 303


def test_every_answer_forbids_what_is_not_ours_and_is_kept_by_nobody(served: Gateway) -> None:
    with visitor(served) as operator:
        nonces = []
        for path in ("/ui/login?next=x", "/ui/requests", "/ui/nothing", "/"):
            answer = operator.get(path)
            policy = answer.headers["content-security-policy"]
            rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
            assert rules["default-src"] == "'none'"
            assert rules["frame-ancestors"] == rules["base-uri"] == "'none'"
            assert rules["form-action"] == rules["style-src"] == "'self'"
            nonces += re.findall("'nonce-([^']+)'", rules["script-src"])
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["x-request-id"].startswith("req_")
        assert len(set(nonces)) == 4


def test_no_page_has_a_style_or_a_script_in_it(served: Gateway) -> None:
    with visitor(served) as operator:
        text = operator.get("/ui/requests").text
        assert re.findall(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]* src=)", text) == []
        assets = re.findall(r'(?:src|href)="(/ui/static/[^"]+)"', text)
        assert len(assets) == 4
        for path in assets:
            answer = httpx2.get(f"{served.url}{path}")
            assert answer.status_code == 200
            assert "immutable" in answer.headers["cache-control"]


def test_a_page_that_there_is_not_is_told_as_a_page_and_to_programs_as_json(
    served: Gateway,
) -> None:
    with visitor(served) as operator:
        page = operator.get("/ui/nothing")
        assert page.status_code == 404
        assert "There is no page /ui/nothing." in page.text
        assert page.headers["x-request-id"] in page.text
        wrong = operator.get("/ui/requests.json?state=lost")
        assert wrong.status_code == 400
        assert wrong.json()["error"]["param"] == "state"
        shown = operator.get("/ui/requests?state=lost")
        assert shown.status_code == 400
        assert "State must be one of reserved, settled, released, orphaned." in shown.text


def test_a_theme_is_kept_and_drawn_at_once(served: Gateway) -> None:
    with visitor(served) as operator:
        assert '<html lang="en" data-theme="system">' in operator.get("/ui/requests").text
        form = {"theme": "dark", "next": "/ui/requests?tz=UTC"}
        answer = operator.post("/ui/theme", form, "/ui/requests")
        assert answer.headers["location"] == "/ui/requests?tz=UTC"
        assert '<html lang="en" data-theme="dark">' in operator.get("/ui/requests").text


def test_a_refresh_after_the_session_ended_leads_to_the_login(served: Gateway) -> None:
    answer = httpx2.get(f"{served.url}/ui/requests", headers={"HX-Request": "true"})
    assert answer.status_code == 401
    assert answer.headers["hx-redirect"] == "/ui/login?next=%2Fui%2Frequests"


def test_a_prompt_tried_after_the_session_ended_says_so_in_its_place(served: Gateway) -> None:
    headers = {"accept": "text/event-stream"}
    answer = httpx2.post(f"{served.url}/ui/try", headers=headers, data={"prompt": "hello"})
    assert answer.status_code == 401
    assert answer.json()["error"]["message"] == (
        "you are not logged in any more: load the page again and log in"
    )


def test_while_the_ledger_is_away_every_page_says_that_calls_are_refused(
    upstream: Simulated, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("away")
    with gateway(folder, upstream.url) as served, visitor(served) as operator:
        secret = served.key(name="holder")
        database = folder / "data" / "tollkeeper.db"
        assert database.exists()
        with visitor(served, secret) as holder, sqlite3.connect(database) as locked:
            locked.execute("ALTER TABLE requests RENAME TO requests_away")
            locked.execute("ALTER TABLE keys RENAME TO keys_away")
            locked.commit()
            for who, path in (
                (operator, "/ui/requests"),
                (operator, "/ui/keys"),
                (holder, "/ui/me"),
            ):
                page = who.get(path)
                assert page.status_code == 503, path
                assert "Calls are being refused" in page.text
                assert "No call goes through unpriced" in page.text
                assert page.headers["x-request-id"] in page.text
            assert operator.get("/ui/keys.json").json()["error"]["code"] == "ledger_unavailable"
            locked.execute("ALTER TABLE requests_away RENAME TO requests")
            locked.execute("ALTER TABLE keys_away RENAME TO keys")
            locked.commit()
        assert "✓</span> writable" in operator.get("/ui/keys").text
        with closing(sqlite3.connect(database, isolation_level=None)) as writing:
            writing.execute("BEGIN IMMEDIATE")  # no other may write until it ends
            time.sleep(1.1)  # the line on top is read once a second
            page = operator.get("/ui/keys")
            assert page.status_code == 200
            assert "✕</span> calls are being refused" in page.text
            assert 'title="$0.00, UTC"' in page.text
