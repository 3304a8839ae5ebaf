"""Database URLs as people write them: what they mean, and that their secrets stay secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.store.database.engine import open_database
from app.store.database.postgres_options import postgres_options
from app.store.database.url import parsed, shown

READ = [
    # URL behind the scheme                  user, password, host, port, database
    ("u:p@h/db", ("u", "p", "h", None, "db")),
    ("u:p@h:5433/db", ("u", "p", "h", 5433, "db")),
    ("u:p@ss/w#rd@h:5/db?sslmode=require", ("u", "p@ss/w#rd", "h", 5, "db")),
    ("u:p#x@h/db", ("u", "p#x", "h", None, "db")),
    ("u:p/x@h/db", ("u", "p/x", "h", None, "db")),
    ("u:p?x@h/db", ("u", "p?x", "h", None, "db")),
    ("u:p@x?y@h/db", ("u", "p@x?y", "h", None, "db")),
    ("u:a:b:c@h/db", ("u", "a:b:c", "h", None, "db")),
    ("u:100%@h/db", ("u", "100%", "h", None, "db")),
    ("u:a%40b%2Fc%23d%25e%3A@h/db", ("u", "a@b/c#d%e:", "h", None, "db")),
    ("u@h/db?password=se%40cret", ("u", "se@cret", "h", None, "db")),
    ("h/db?user=u&dbname=other", ("u", None, "h", None, "other")),
    ("h:5432/db?options=-c%20a@b", (None, None, "h", 5432, "db")),
    ("u:p@h/db?options=a@b", ("u", "p", "h", None, "db")),
    ("u:p@[::1]:5/db", ("u", "p", "::1", 5, "db")),
    ("postgres:@/postgres?host=/tmp/socket", ("postgres", "", None, None, "postgres")),
]


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg"])
@pytest.mark.parametrize(("text", "parts"), READ)
def test_a_url_is_read_as_it_is_meant(scheme: str, text: str, parts: tuple[Any, ...]) -> None:
    url = parsed(f"{scheme}://{text}")
    assert (url.username, url.password, url.host, url.port, url.database) == parts


SECRETS = ["hunter2", "hun@ter2", "hun/ter2", "hun#ter2", "hun?ter2", "hun%ter2", "hun:ter2"]
SECRETS += ["@/#%:?hunter2", "hunter2@", "hun@ter/2#x?y", "hunter2/", "hun%40ter2"]


@pytest.mark.parametrize("rest", ["@h/db", "@h:99999/db", "@h/db?nonsense=1", "@h:x/db", "@", "@h"])
@pytest.mark.parametrize("secret", SECRETS)
def test_no_part_of_a_password_is_ever_told(secret: str, rest: str) -> None:
    url = f"postgresql://user:{secret}{rest}"
    told = shown(url)
    try:
        open_database(url)
    except ValueError as error:
        told += str(error)
    for part in ("hun", "ter2", "2#x"):
        assert part not in told
    assert "user:***@" in told


def test_secrets_among_the_parameters_are_not_told_either() -> None:
    told = shown("postgresql://u@h/db?password=hunter2&sslmode=require&sslpassword=key")
    assert told == "postgresql://u@h/db?password=***&sslmode=require&sslpassword=***"


@pytest.mark.parametrize("text", ["", "nonsense", "://", "postgresql://u:p@h:99999/db"])
def test_what_is_no_url_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="database"):
        open_database(text)


def test_several_hosts_get_the_usual_port() -> None:
    url = parsed("postgresql://u:p@one,two:6000/db?target_session_attrs=primary")
    assert url.query["host"] == ("one:5432", "two:6000")
    assert postgres_options(url).connect == {"target_session_attrs": "primary"}


def test_parameters_of_libpq_reach_the_driver(tmp_path: Path) -> None:
    root = tmp_path / "root.crt"
    root.write_text("")
    options = postgres_options(
        parsed(
            f"postgresql://u:p@h/db?sslmode=verify-full&sslrootcert={root}&connect_timeout=9"
            "&application_name=bills&options=-c%20statement_timeout%3D5s&channel_binding=prefer"
        )
    )
    assert dict(options.place.query) == {}
    assert str(options.connect["dsn"]).startswith("postgresql:///?sslmode=verify-full&sslrootcert=")
    assert options.settings == {
        "application_name": "bills",
        "options": "-c statement_timeout=5s",
    }
    assert (options.connect_timeout_s, options.pooled) == (9.0, False)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("channel_binding=require", "one of disable, prefer, not 'require'; use sslmode"),
        ("sslmode=sometimes", "sslmode in the database's URL must be one of disable, allow"),
        ("sslrootcert=/no/such/file", "sslrootcert in the database's URL names no file"),
        ("connect_timeout=soon", "must be whole seconds, not 'soon'"),
        ("target_session_attrs=standby", "must be one of any, primary, read-write"),
        ("keepalives=1", "has the parameter 'keepalives', which is not supported; supported are"),
        ("pgbouncer=perhaps", "must be one of true, false"),
    ],
)
def test_a_parameter_that_can_not_be_honoured_is_refused_in_a_sentence(
    query: str, told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        open_database(f"postgresql://u:p@h/db?{query}")
