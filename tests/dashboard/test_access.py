from __future__ import annotations

import pytest

from app.dashboard.access.doors import way_back
from app.dashboard.access.session import Session, Signer, opened
from app.dashboard.access.throttle import Throttle

MASTER = "a-master-key-of-someone"


def test_a_session_is_read_by_every_process_that_has_the_master_key() -> None:
    session = opened("holder", 1_000, "ab" * 32)
    cookie = Signer(MASTER).cookie(session)
    assert Signer(MASTER).read(cookie, 1_001) == session
    assert Signer("another-master-key").read(cookie, 1_001) is None
    assert MASTER not in cookie


def test_a_session_ends_after_twelve_hours() -> None:
    cookie = Signer(MASTER).cookie(opened("operator", 1_000))
    assert Signer(MASTER).read(cookie, 1_000 + 12 * 3_600 - 1) is not None
    assert Signer(MASTER).read(cookie, 1_000 + 12 * 3_600) is None


def test_a_cookie_that_was_touched_is_nobodys() -> None:
    signer = Signer(MASTER)
    cookie = signer.cookie(Session("holder", 5_000, "n", "ab" * 32))
    for changed in (
        cookie.replace("holder", "operator"),
        cookie.replace("5000", "9000"),
        cookie[:-1],
        cookie + "=",
        "",
        ".",
        "operator.5000.n.",
        "é" + cookie,
    ):
        assert signer.read(changed, 1) is None


def test_a_forms_token_belongs_to_one_session() -> None:
    signer = Signer(MASTER)
    token = signer.form_token("one")
    assert signer.is_form_token(token, "one")
    assert not signer.is_form_token(token, "other")
    assert not signer.is_form_token("", "one")
    assert not signer.is_form_token("é", "one")


@pytest.mark.parametrize(
    ("wanted", "goes_to"),
    [
        ("/ui/keys?sort=-spent", "/ui/keys?sort=-spent"),
        ("/ui", "/ui"),
        ("", "home"),
        ("//evil.example/ui", "home"),
        ("https://evil.example/ui/keys", "home"),
        ("/\\evil.example/ui", "home"),
        ("/ui\\..\\admin", "home"),
        ("/uiX", "home"),
        ("/admin/keys", "home"),
        ("/ui/login?next=/ui", "home"),
        ("/ui/keys\r\nset-cookie: a=b", "home"),
        ("javascript:alert(1)//ui", "home"),
        ("//[/ui/", "home"),
        ("/ui/[::1", "/ui/[::1"),
        ("/ui/../admin/keys", "home"),
        ("/ui/keys/%2E./%2e%2E/docs?a=b", "home"),
        ("/ui/..", "home"),
        ("/ui/keys?q=../..", "/ui/keys?q=../.."),
        ("/ui/logout", "home"),
        ("/ui/theme/", "home"),
    ],
)
def test_a_login_leads_back_into_the_dashboard_and_nowhere_else(wanted: str, goes_to: str) -> None:
    assert way_back(wanted, "home") == goes_to


def test_an_address_has_five_tries_a_minute() -> None:
    now = [0.0]
    throttle = Throttle(lambda: now[0])
    assert [throttle.wait_s("a") for _ in range(5)] == [0, 0, 0, 0, 0]
    assert throttle.wait_s("a") == 60
    assert throttle.wait_s("b") == 0
    now[0] = 60.0
    assert throttle.wait_s("a") == 0


def test_all_addresses_together_have_sixty_tries_a_minute() -> None:
    throttle = Throttle(lambda: 0.0)
    assert [throttle.wait_s(f"address {n}") for n in range(60)] == [0] * 60
    assert throttle.wait_s("another") == 60


def test_who_gets_in_has_not_failed() -> None:
    throttle = Throttle(lambda: 0.0)
    for _ in range(20):
        assert throttle.wait_s("a") == 0
        throttle.succeeded("a")
