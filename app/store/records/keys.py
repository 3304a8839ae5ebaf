"""Virtual keys: made, looked up by their secret, changed, rotated, revoked."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, delete, insert, null, or_, select, update

from app.core.errors import BadRequest, NotFound
from app.core.keys import Key
from app.store.database.engine import Database, FailClosed, clock_us
from app.store.database.moments import US_PER_S, iso
from app.store.database.tables import key_secrets, keys, teams
from app.store.ledger.following import follow_key
from app.store.records import audit
from app.store.records.columns import columns
from app.store.records.fields import Fields, KeyChange, NewKey, Rotation, checked
from app.store.records.key_names import key_named
from app.store.records.key_views import LAST_USED, key_from_row, key_objects
from app.store.records.pages import DEFAULT_LIMIT, Page, before, checked_limit, page
from app.store.records.teams import team_named

SECRET_BYTES = 32
PREFIX_CHARS = 9
CACHE_S = 1.0
MOST_CACHED = 10_000
REMEMBERED_S = 30 * 86_400  # so long whoever shows a replaced secret is told that it was replaced


class Keys:
    """Keys as core values for the pipeline, and as the admin API's JSON objects.

    A look-up is remembered for a second from its start and shared by all who ask while it runs:
    that long a key revoked elsewhere or a replaced secret may still pass here; the ledger refuses
    it at its hold. `models` and `model_budgets` are stored as they are given: whoever knows the
    catalog checks and resolves them.
    """

    def __init__(self, database: Database) -> None:
        self._database = FailClosed(database)
        self._found: dict[bytes, tuple[float, Key | None]] = {}
        self._changes = 0
        self._asking: dict[tuple[int, bytes], asyncio.Task[Key | None]] = {}

    async def create(
        self, fields: Fields, *, actor: str = audit.ADMIN, secret: str | None = None
    ) -> tuple[dict[str, Any], str]:
        """The key's object and its secret, which is stored nowhere.  Raises BadRequest."""
        given = checked(NewKey, fields).given()
        values = {"budget_window": "none", **columns(given)}
        secret = secret or new_secret()

        def create(connection: Connection) -> dict[str, Any]:
            _fit(connection, values)
            key_id = f"key_{secrets.token_hex(8)}"
            connection.execute(
                insert(keys).values(
                    id=key_id,
                    prefix=secret[:PREFIX_CHARS],
                    created_us=clock_us(connection),
                    **values,
                )
            )
            connection.execute(insert(key_secrets).values(sha256=_sha256(secret), key_id=key_id))
            audit.note(
                connection,
                actor=actor,
                action="key.create",
                target=key_id,
                details=audit.changed(None, given),
            )
            return _read(connection, key_id)

        return await self._change(create), secret

    async def list(self, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT) -> Page:
        """Newest first.  Raises BadRequest."""
        limit = checked_limit(limit)
        statement = (
            select(keys, LAST_USED)
            .where(*before(cursor, keys.c.created_us, keys.c.id))
            .order_by(keys.c.created_us.desc(), keys.c.id.desc())
            .limit(limit + 1)
        )

        def read(connection: Connection) -> Page:
            rows = connection.execute(statement).all()
            objects = key_objects(connection, rows)
            return page(rows, limit, lambda row: objects[row.id])

        return await self._database.run(read)

    async def get(self, key_id: str) -> dict[str, Any]:
        """Raises NotFound."""
        return await self._database.run(lambda connection: _read(connection, key_id))

    async def named(self, text: str) -> str:
        """The id of the key of that id, name or prefix.  Raises NotFound and BadRequest."""
        return await self._database.run(lambda connection: key_named(connection, text))

    async def names(self, ids: Iterable[str]) -> dict[str, str]:
        """The keys' names by id; ids of no key are left out."""
        statement = select(keys.c.id, keys.c.name).where(keys.c.id.in_(list(ids)))
        rows = await self._database.run(lambda connection: connection.execute(statement).all())
        return {row.id: row.name for row in rows}

    async def update(
        self, key_id: str, fields: Fields, *, actor: str = audit.ADMIN
    ) -> dict[str, Any]:
        """Change what `fields` names; None removes a limit.  Raises BadRequest, NotFound.

        A key whose `budget_window` changes begins that window with nothing spent; calls that run
        go on in it. A conversation's budget finds what was spent in its window without it.
        """
        given = checked(KeyChange, fields).given()
        values = columns(given)

        def change(connection: Connection) -> dict[str, Any]:
            was = _read(connection, key_id)
            _fit(connection, values)
            if values:
                connection.execute(update(keys).where(keys.c.id == key_id).values(**values))
                _follow(connection, was, values)
            becomes = _read(connection, key_id)
            if values:
                details = audit.changed(
                    *({name: of[name] for name in given} for of in (was, becomes))
                )
                audit.note(
                    connection, actor=actor, action="key.update", target=key_id, details=details
                )
            return becomes

        return await self._change(change)

    async def rotate(
        self, key_id: str, overlap_s: int = 0, *, actor: str = audit.ADMIN
    ) -> tuple[dict[str, Any], str]:
        """A new secret; the old one works for `overlap_s` more.  Raises BadRequest, NotFound."""
        checked(Rotation, {"overlap_s": overlap_s})
        secret = new_secret()

        def rotate(connection: Connection) -> dict[str, Any]:
            was = _read(connection, key_id)
            if was["revoked_at"] is not None:
                raise BadRequest(f"the key {key_id!r} is revoked")
            now_us = clock_us(connection)
            ends_us = now_us + overlap_s * US_PER_S
            of_key = key_secrets.c.key_id == key_id
            lasts_longer = or_(
                key_secrets.c.valid_until_us.is_(None), key_secrets.c.valid_until_us > ends_us
            )
            connection.execute(
                update(key_secrets).where(of_key, lasts_longer).values(valid_until_us=ends_us)
            )
            forgotten_us = now_us - REMEMBERED_S * US_PER_S
            connection.execute(
                delete(key_secrets).where(of_key, key_secrets.c.valid_until_us <= forgotten_us)
            )
            connection.execute(insert(key_secrets).values(sha256=_sha256(secret), key_id=key_id))
            connection.execute(
                update(keys).where(keys.c.id == key_id).values(prefix=secret[:PREFIX_CHARS])
            )
            becomes = _read(connection, key_id)
            details = audit.changed({"prefix": was["prefix"]}, {"prefix": becomes["prefix"]})
            details |= {"overlap_s": overlap_s, "old_secret_until": iso(ends_us)}
            audit.note(connection, actor=actor, action="key.rotate", target=key_id, details=details)
            return becomes

        return await self._change(rotate), secret

    async def revoke(self, key_id: str, *, actor: str = audit.ADMIN) -> dict[str, Any]:
        """End the key for good; a second time changes nothing.  Raises NotFound."""

        def revoke(connection: Connection) -> dict[str, Any]:
            was = _read(connection, key_id)
            if was["revoked_at"] is not None:
                return was
            now_us = clock_us(connection)
            connection.execute(update(keys).where(keys.c.id == key_id).values(revoked_us=now_us))
            details = audit.changed({"revoked_at": None}, {"revoked_at": iso(now_us)})
            audit.note(connection, actor=actor, action="key.revoke", target=key_id, details=details)
            return _read(connection, key_id)

        return await self._change(revoke)

    def find_cached(self, secret: str) -> Key | None:
        """The key if it was found within the last second: no await, no I/O."""
        known = self._found.get(_digest(secret))
        return known[1] if known is not None and time.monotonic() < known[0] else None

    async def find(self, secret: str) -> Key | None:
        """The key of a secret, be it revoked, expired or replaced; None if unknown."""
        digest = _digest(secret)
        known = self._found.get(digest)
        if known is not None and time.monotonic() < known[0]:
            return known[1]
        asked = (self._changes, digest)
        asking = self._asking.get(asked)
        if asking is None:  # of all who call at once with a key, one asks for it
            asking = self._asking[asked] = asyncio.ensure_future(self._look_up(asked))
        return await asyncio.shield(asking)

    async def of_digest(self, sha256: str) -> Key | None:
        """As `find`, by the SHA-256 of the secret in hex; asked of the database each time."""
        return await self._database.run(lambda connection: _find(connection, sha256))

    async def of_id(self, key_id: str) -> Key | None:
        """The key as if it had called, by nobody's secret: for an operator who calls with it."""
        return await self._database.run(lambda connection: _of_id(connection, key_id))

    async def _look_up(self, asked: tuple[int, bytes]) -> Key | None:
        changes, digest = asked
        until = time.monotonic() + CACHE_S
        try:
            key = await self._database.run(lambda connection: _find(connection, digest.hex()))
        finally:
            del self._asking[asked]
        if changes != self._changes:  # what was read may be older than the change
            return key
        while len(self._found) >= MOST_CACHED:
            del self._found[next(iter(self._found))]
        self._found.pop(digest, None)
        self._found[digest] = (until, key)
        return key

    async def _change(self, change: Any) -> dict[str, Any]:  # noqa: ANN401
        changed: dict[str, Any] = await self._database.write(change)
        self._found.clear()
        self._changes += 1
        return changed


def new_secret() -> str:
    return f"tk-{secrets.token_urlsafe(SECRET_BYTES)}"


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _sha256(secret: str) -> str:
    return _digest(secret).hex()


def _find(connection: Connection, sha256: str) -> Key | None:
    row = connection.execute(
        select(keys, teams.c.max_budget_nano_usd.label("team_max_budget_nano_usd"))
        .join_from(key_secrets, keys, keys.c.id == key_secrets.c.key_id)
        .outerjoin(teams, teams.c.id == keys.c.team_id)
        .where(key_secrets.c.sha256 == sha256)
        .add_columns(key_secrets.c.sha256, key_secrets.c.valid_until_us)
    ).one_or_none()
    return None if row is None else key_from_row(row)


def _of_id(connection: Connection, key_id: str) -> Key | None:
    row = connection.execute(
        select(
            keys,
            teams.c.max_budget_nano_usd.label("team_max_budget_nano_usd"),
            null().label("sha256"),
            null().label("valid_until_us"),
        )
        .outerjoin(teams, teams.c.id == keys.c.team_id)
        .where(keys.c.id == key_id)
    ).one_or_none()
    return None if row is None else key_from_row(row)


def _fit(connection: Connection, values: dict[str, Any]) -> None:
    """Put the team's id in place of its name, and refuse an end that has passed."""
    if values.get("team_id") is not None:
        values["team_id"] = team_named(connection, values["team_id"])
    expires_us = values.get("expires_us")
    if expires_us is not None and expires_us <= clock_us(connection):
        raise BadRequest(f"expires_at: {iso(expires_us)} has passed", param="expires_at")


def _follow(connection: Connection, was: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Windows that have another length now, or another limit, are brought up to date."""
    moved = "budget_window" in values
    limits = values.get("conversation_budget_nano_usd") is not None
    limits = limits and was["conversation_budget_usd"] is None
    if moved or limits:
        window = values.get("budget_window", was["budget_window"])
        follow_key(connection, was["id"], window, moved=moved, limits=limits)


def _read(connection: Connection, key_id: str) -> dict[str, Any]:
    rows = connection.execute(select(keys, LAST_USED).where(keys.c.id == key_id)).all()
    if not rows:
        raise NotFound(f"there is no key {key_id!r}")
    return key_objects(connection, rows)[key_id]
