"""Teams: a budget over several keys."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, or_, select, update

from app.core.errors import BadRequest, NotFound
from app.store.database.engine import Database, FailClosed, clock_us
from app.store.database.moments import iso
from app.store.database.tables import teams
from app.store.ledger.following import follow_team
from app.store.ledger.windows import Sums, budget_fields, current_periods, read_sums
from app.store.records import audit
from app.store.records.columns import columns
from app.store.records.fields import Fields, NewTeam, TeamChange, checked, clean_text
from app.store.records.pages import DEFAULT_LIMIT, Page, before, checked_limit, page


class Teams:
    """The admin API's teams, as its JSON objects."""

    def __init__(self, database: Database) -> None:
        self._database = FailClosed(database)

    async def create(self, fields: Fields, *, actor: str = audit.ADMIN) -> dict[str, Any]:
        """Raises BadRequest with `param`; a name is given once."""
        given = checked(NewTeam, fields).given()
        values = {"budget_window": "none", **columns(given)}

        def create(connection: Connection) -> dict[str, Any]:
            _refuse_taken_name(connection, values["name"], None)
            team_id = f"team_{secrets.token_hex(8)}"
            connection.execute(
                insert(teams).values(id=team_id, created_us=clock_us(connection), **values)
            )
            audit.note(
                connection,
                actor=actor,
                action="team.create",
                target=team_id,
                details=audit.changed(None, given),
            )
            return _read(connection, team_id)

        return await self._database.write(create)

    async def list(self, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT) -> Page:
        """Newest first.  Raises BadRequest."""
        limit = checked_limit(limit)
        statement = (
            select(teams)
            .where(*before(cursor, teams.c.created_us, teams.c.id))
            .order_by(teams.c.created_us.desc(), teams.c.id.desc())
            .limit(limit + 1)
        )

        def read(connection: Connection) -> Page:
            rows = connection.execute(statement).all()
            objects = _objects(connection, rows)
            return page(rows, limit, lambda row: objects[row.id])

        return await self._database.run(read)

    async def get(self, team_id: str) -> dict[str, Any]:
        """Raises NotFound."""
        return await self._database.run(lambda connection: _read(connection, team_id))

    async def named(self, name_or_id: str) -> str:
        """The team's id.  Raises NotFound."""

        def read(connection: Connection) -> str:
            found = connection.execute(ids_of_team(clean_text(name_or_id.strip()))).scalar()
            if found is None:
                raise NotFound(f"there is no team {name_or_id!r}")
            return str(found)

        return await self._database.run(read)

    async def update(
        self, team_id: str, fields: Fields, *, actor: str = audit.ADMIN
    ) -> dict[str, Any]:
        """Change what `fields` names; None removes the limit.  Raises BadRequest, NotFound."""
        given = checked(TeamChange, fields).given()
        values = columns(given)

        def change(connection: Connection) -> dict[str, Any]:
            was = _read(connection, team_id)
            if "name" in values:
                _refuse_taken_name(connection, values["name"], team_id)
            if values:
                connection.execute(update(teams).where(teams.c.id == team_id).values(**values))
                if "budget_window" in values:
                    follow_team(connection, team_id, values["budget_window"])
            becomes = _read(connection, team_id)
            if values:
                details = audit.changed(
                    *({name: of[name] for name in given} for of in (was, becomes))
                )
                audit.note(
                    connection, actor=actor, action="team.update", target=team_id, details=details
                )
            return becomes

        return await self._database.write(change)


def ids_of_team(name_or_id: str) -> Select[tuple[str]]:
    """The team's id, or none."""
    return select(teams.c.id).where(or_(teams.c.id == name_or_id, teams.c.name == name_or_id))


def team_named(connection: Connection, name_or_id: str) -> str:
    """The team's id.  Raises BadRequest when there is none."""
    found = connection.execute(ids_of_team(name_or_id)).scalar()
    if found is None:
        raise BadRequest(f"there is no team {name_or_id!r}", param="team")
    return str(found)


def _refuse_taken_name(connection: Connection, name: str, own_id: str | None) -> None:
    found = connection.execute(select(teams.c.id).where(teams.c.name == name)).scalar()
    if found is not None and found != own_id:
        raise BadRequest(f"there is a team {name!r} already", param="name")


def _read(connection: Connection, team_id: str) -> dict[str, Any]:
    rows = connection.execute(select(teams).where(teams.c.id == team_id)).all()
    if not rows:
        raise NotFound(f"there is no team {team_id!r}")
    return _objects(connection, rows)[team_id]


def _objects(connection: Connection, rows: Sequence[Row[Any]]) -> dict[str, dict[str, Any]]:
    now_us = clock_us(connection)
    periods = current_periods([(row.id, row.budget_window) for row in rows], now_us)
    sums = read_sums(connection, "team", periods)
    return {
        row.id: {
            "id": row.id,
            "name": row.name,
            "created_at": iso(row.created_us),
            **budget_fields(
                row.max_budget_nano_usd, row.budget_window, sums.get(row.id, Sums()), now_us
            ),
        }
        for row in rows
    }
