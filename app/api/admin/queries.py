"""What `/admin` takes in its queries and in the bodies that no key or team is made of."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StrictBool

from app.store.records.fields import Asked, Plain, Usd
from app.store.records.refusals import REFUSAL_FILTERS
from app.store.records.request_filters import COST_SOURCES, FILTERS, SORTS, STATES
from app.store.reports.query import GROUPS, SPEND_FILTERS
from app.store.reports.query import SORTS as SPEND_SORTS

MOST_NOTE_CHARS = 500
SIGNS = ("", "-")
_GROUP = "|".join(GROUPS)
_DAY_OR_MOMENT = {"anyOf": [{"type": "string", "format": kind} for kind in ("date", "date-time")]}
# What the store checks stands in the description alone: the store's refusal says more.
TimeFrom = Annotated[
    str | None,
    Field(
        alias="from",
        description="A day, UTC, or a moment; included.",
        json_schema_extra=_DAY_OR_MOMENT,
    ),
]
TimeTo = Annotated[
    str | None,
    Field(
        alias="to",
        description="A day, UTC, or a moment; excluded.",
        json_schema_extra=_DAY_OR_MOMENT,
    ),
]
Format = Annotated[
    Literal["json", "csv"] | None,
    Field(description="Instead of an `accept` header; CSV holds all rows, whatever the limit."),
]
TeamName = Annotated[str | None, Field(description="A team's id or name.")]
ModelName = Annotated[str | None, Field(description="A model's id, an alias or a tier.")]


Zone = Annotated[
    str | None,
    Field(description="A zone of the IANA database, of whose days the report is; else UTC."),
]


class PageQuery(BaseModel):
    cursor: Annotated[str | None, Field(description="`next_cursor` of the page before.")] = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class SpendQuery(BaseModel):
    group_by: Annotated[
        str,
        Field(
            description=f"Any combination of {', '.join(GROUPS)}, with commas between.",
            json_schema_extra={"pattern": f"^({_GROUP})(,({_GROUP}))*$"},
        ),
    ] = "key"
    since: TimeFrom = None
    until: TimeTo = None
    tz: Annotated[
        str | None,
        Field(description="An IANA time zone, where days, months and hours begin. Without: UTC."),
    ] = None
    key_id: str | None = None
    team: TeamName = None
    model: ModelName = None
    user: str | None = None
    tag: str | None = None
    sort: Annotated[
        str | None,
        Field(
            description="A column of the answer, descending with a `-` before it.",
            json_schema_extra={"enum": [f"{sign}{name}" for name in SPEND_SORTS for sign in SIGNS]},
        ),
    ] = None
    cursor: Annotated[str | None, Field(description="`next_cursor` of the page before.")] = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 1000
    format: Format = None

    def filters(self) -> dict[str, str]:
        """Those that were given."""
        return _given(self, SPEND_FILTERS)


class SavingsQuery(BaseModel):
    since: TimeFrom = None
    until: TimeTo = None
    tz: Zone = None


class RequestsQuery(PageQuery):
    key_id: str | None = None
    team: TeamName = None
    model: ModelName = None
    status: Annotated[
        str | None,
        Field(
            description="An HTTP status, or a state.",
            json_schema_extra={"pattern": f"^([1-5][0-9][0-9]|{'|'.join(STATES)})$"},
        ),
    ] = None
    state: Annotated[str | None, Field(json_schema_extra={"enum": [*STATES]})] = None
    tag: str | None = None
    user: str | None = None
    conversation: str | None = None
    min_cost_usd: Annotated[
        str | None, Field(json_schema_extra={"pattern": r"^[0-9]{1,9}(\.[0-9]{1,9})?$"})
    ] = None
    cost_source: Annotated[
        str | None,
        Field(
            description="How far the cost can be trusted.",
            json_schema_extra={"enum": [*COST_SOURCES]},
        ),
    ] = None
    format: Format = None
    sort: Annotated[
        str,
        Field(description="Newest or dearest first.", json_schema_extra={"enum": [*SORTS]}),
    ] = "created"
    since: TimeFrom = None
    until: TimeTo = None

    def filters(self) -> dict[str, str]:
        """Those that were given."""
        return _given(self, FILTERS)


class RefusalsQuery(PageQuery):
    key_id: str | None = None
    code: Annotated[str | None, Field(description="As in the error that was answered.")] = None
    since: TimeFrom = None
    until: TimeTo = None

    def filters(self) -> dict[str, str]:
        """Those that were given."""
        return _given(self, REFUSAL_FILTERS)


class Correction(Asked):
    """What a call really cost."""

    cost_usd: Usd
    note: Annotated[Plain, Field(max_length=MOST_NOTE_CHARS)] | None = None


class OutcomeNote(Asked):
    """Whether a call's answer did, and what else there is to say."""

    ok: StrictBool
    note: Annotated[Plain, Field(max_length=MOST_NOTE_CHARS)] | None = None


def _given(query: BaseModel, known: tuple[str, ...]) -> dict[str, Any]:
    given = query.model_dump(by_alias=True, exclude_none=True)
    return {name: given[name] for name in known if name in given}
