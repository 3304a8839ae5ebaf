"""A database's URL as people write it: read leniently, shown without its secrets.

Passwords are often pasted as they are, with `@`, `/`, `#` or `?` in them. Where the URL can't be
read otherwise, everything up to the last `@` is taken for user and password.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

DEFAULT_PORT = 5_432
_POSTGRES = re.compile(r"(?P<scheme>postgres(?:ql)?(?:\+\w+)?)://(?P<rest>.*)", re.DOTALL)
_SCHEME = re.compile(r"[A-Za-z][\w.+-]*://")
_PLACE = re.compile(r"(?P<hosts>[^/?]*)(?:/(?P<database>[^?]*))?(?:\?(?P<query>.*))?", re.DOTALL)
_HOST = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*)(?::(?P<port>\d*))?")
_SECRETS = re.compile(r"(?i)\b((?:ssl)?password=)[^&\s]*")


def parsed(text: str) -> URL:
    """Raises ValueError, which says what the URL is or lacks and never repeats it."""
    found = _POSTGRES.fullmatch(text)
    if found is None:
        try:
            return make_url(text)
        except (ArgumentError, ValueError):
            raise ValueError("is not a database's URL") from None
    login, place = _split(found["rest"])
    where = _PLACE.fullmatch(place)
    if where is None:
        raise ValueError("is not a database's URL")
    query: dict[str, str | tuple[str, ...]] = dict(
        parse_qsl(where["query"] or "", keep_blank_values=True)
    )
    user, has_password, password = (login or "").partition(":")
    if "password" in query:  # as libpq allows
        has_password, password = ":", str(query.pop("password"))
    else:
        password = unquote(password)
    host, port = _address(where["hosts"], query)
    return URL.create(
        found["scheme"],
        username=str(query.pop("user", "")) or unquote(user) or None,
        password=password if has_password else None,
        host=host,
        port=port,
        database=str(query.pop("dbname", "")) or unquote(where["database"] or "") or None,
        query=query,
    )


def shown(text: str) -> str:
    """The URL without its secrets, whatever is in it."""
    scheme = _SCHEME.match(text)
    if scheme is None:
        return "(not a URL)"
    rest = text[scheme.end() :]
    login, place = _split(rest)
    if login is not None:
        user, has_password, _ = login.partition(":")
        place = f"{user}:***@{place}" if has_password else f"{user}@{place}"
    shown_text = scheme[0] + _SECRETS.sub(r"\1***", place)
    return "".join(each if each.isprintable() else "�" for each in shown_text)


def _split(rest: str) -> tuple[str | None, str]:
    """User and password (None without any), and the place behind them."""
    head, _, query = rest.partition("?")
    authority = re.split(r"[/#]", head, maxsplit=1)[0]
    stray = "@" in query and "=" not in query.partition("@")[0]  # a password with a `?` in it
    if head.count("@") == 1 and "@" in authority and not stray:
        cut = head.index("@")
    elif stray:
        cut = rest.rindex("@")
    elif "@" in head:
        cut = head.rindex("@")
    else:
        return None, rest
    return rest[:cut], rest[cut + 1 :]


def _address(hosts: str, query: dict[str, str | tuple[str, ...]]) -> tuple[str | None, int | None]:
    """One host and port; several, as libpq takes them, go into the query as SQLAlchemy does."""
    if "," in hosts:
        query["host"] = tuple(h if ":" in h else f"{h}:{DEFAULT_PORT}" for h in hosts.split(","))
        return None, None
    found = _HOST.fullmatch(hosts)
    if found is None or (found["port"] and int(found["port"]) > 65_535):
        raise ValueError("has no valid host and port")
    host = unquote(found["host"]).strip("[]")
    return host or None, int(found["port"]) if found["port"] else None
