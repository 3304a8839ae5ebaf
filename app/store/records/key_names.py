"""A key by what people call it: its id, its name, or how its secret begins."""

from __future__ import annotations

from sqlalchemy import Connection, or_, select

from app.core.errors import BadRequest, NotFound
from app.store.database.tables import keys
from app.store.records.fields import clean_text

MOST_NAMED = 10


def key_named(connection: Connection, text: str) -> str:
    """The id of the one key that `text` names; of several, the one that is not revoked.

    Raises NotFound, and BadRequest where it names several.
    """
    named = clean_text(text.strip())
    if connection.execute(select(keys.c.id).where(keys.c.id == named)).scalar() is not None:
        return named
    shown_prefix = named.removesuffix("...").removesuffix("…")
    found = connection.execute(
        select(keys.c.id, keys.c.prefix, keys.c.revoked_us)
        .where(or_(keys.c.name == named, keys.c.prefix == shown_prefix))
        .order_by(keys.c.created_us.desc(), keys.c.id)
    ).all()
    active = [row for row in found if row.revoked_us is None]
    if len(found) == 1 or len(active) == 1:
        return str((active or found)[0].id)
    if not found:
        raise NotFound(f"there is no key {text!r}")
    some = ", ".join(f"{row.id} ({row.prefix}...)" for row in found[:MOST_NAMED])
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    raise BadRequest(f"{len(found)} keys are called {text!r}, name one by its id: {some}{more}")
