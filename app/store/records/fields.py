"""What an admin may say about a key or a team: each field told once, checked as it comes in."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from app.core.budgets import WINDOWS, Window
from app.core.errors import BadRequest
from app.core.money import MOST_USD, nano_usd
from app.store.database.moments import last_us

MOST_NAME_CHARS = 200
MOST_LIST_ITEMS = 500
MOST_COUNT = 10**12
MOST_OVERLAP_S = 30 * 86_400
# Stored and shown, but not yet enforced.
UNSERVED = ("rpm", "tpm", "max_parallel")

Fields = Mapping[str, object]
Model = TypeVar("Model", bound=BaseModel)


def clean_text(text: str) -> str:
    """The text without what a database can't store: NUL and lone surrogates."""
    return text.replace("\0", "�").encode("utf-8", "replace").decode()


def _name(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value.strip()) <= MOST_NAME_CHARS:
        raise ValueError(f"must be a text of 1 to {MOST_NAME_CHARS} characters")
    return clean_text(value.strip())


def _amount(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError('must be a decimal text of USD such as "10.00"')  # noqa: TRY004
    nano_usd(value)
    return value


def _window(value: object) -> object:
    if value is None:
        return "none"
    if value not in WINDOWS:
        raise ValueError(f"must be one of {', '.join(WINDOWS)}")
    return value


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_COUNT:
        raise ValueError(f"must be a whole number from 1 to {MOST_COUNT}, or null")
    return value


def _listed(value: object) -> list[object]:
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise ValueError("must be a list of model ids, or null for all")  # noqa: TRY004
    if not 0 < len(value) <= MOST_LIST_ITEMS:
        raise ValueError(f"must list 1 to {MOST_LIST_ITEMS} models, or be null for all")
    return list(value)


def _mapped(value: object) -> dict[object, object]:
    if not isinstance(value, Mapping) or len(value) > MOST_LIST_ITEMS:
        raise ValueError(f"must be an object of at most {MOST_LIST_ITEMS} fields")
    return dict(value)


def _plain(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a text")  # noqa: TRY004
    return clean_text(value)


def _moment(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a date or an ISO 8601 time")  # noqa: TRY004
    try:
        last_us(value, param="expires_at")
    except BadRequest as error:
        raise ValueError(error.message.removeprefix("expires_at ")) from error
    return value


_AMOUNT = {
    "type": "string",
    "pattern": r"^[0-9]{1,10}(\.[0-9]{1,9})?$",
    "description": f"USD, an exact decimal text, at most {MOST_USD}.",
}
_NAME = {"type": "string", "minLength": 1, "maxLength": MOST_NAME_CHARS, "pattern": r"\S"}
_COUNT = {"type": "integer", "minimum": 1, "maximum": MOST_COUNT}

Name = Annotated[str, BeforeValidator(_name), WithJsonSchema(_NAME)]
Usd = Annotated[str, BeforeValidator(_amount), WithJsonSchema(_AMOUNT)]
Count = Annotated[int, BeforeValidator(_count), WithJsonSchema(_COUNT)]
Plain = Annotated[str, BeforeValidator(_plain)]
Moment = Annotated[str, BeforeValidator(_moment)]


class Asked(BaseModel):
    """Fields as an admin gives them; one that is not known is refused with the nearest name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _known(cls, fields: Any) -> Any:  # noqa: ANN401 - whatever was sent
        if isinstance(fields, Mapping):
            named = cls.model_fields.items()
            refuse_unknown("field", fields, [field.alias or name for name, field in named])
        return fields

    def given(self) -> dict[str, Any]:
        """The fields that were named, with their values."""
        return self.model_dump(exclude_unset=True)


class BudgetFields(Asked):
    """A limit and how often it starts again."""

    max_budget_usd: Usd | None = None
    budget_window: Annotated[Window, BeforeValidator(_window)] = "none"


class KeyFields(BudgetFields):
    """What may be said of a key beside its name; None is no limit."""

    models: (
        Annotated[
            list[Name], BeforeValidator(_listed), Field(min_length=1, max_length=MOST_LIST_ITEMS)
        ]
        | None
    ) = None
    model_budgets: Annotated[dict[Name, Usd | None], BeforeValidator(_mapped)] | None = None
    conversation_budget_usd: Usd | None = None
    rpm: Count | None = None
    tpm: Count | None = None
    max_parallel: Count | None = None
    expires_at: Annotated[
        Moment | None, Field(description="A date, to whose end it works, or an ISO 8601 time.")
    ] = None
    team: Annotated[Name | None, Field(description="A team's id or name.")] = None
    metadata: Annotated[dict[Plain, Plain], BeforeValidator(_mapped)] | None = None


class NewKey(KeyFields):
    name: Name


class KeyChange(KeyFields):
    name: Name = Field(default_factory=str)


class NewTeam(BudgetFields):
    name: Name


class TeamChange(BudgetFields):
    name: Name = Field(default_factory=str)


class Rotation(Asked):
    overlap_s: Annotated[int, Field(strict=True, ge=0, le=MOST_OVERLAP_S)] = 0


def checked(model: type[Model], fields: Fields) -> Model:
    """The fields as a value of `model`.  Raises BadRequest with `param`."""
    try:
        return model.model_validate(dict(fields))
    except ValidationError as error:
        raise refusal(error.errors(include_url=False)) from error


def refusal(problems: Iterable[Any]) -> BadRequest:
    """The first problem that pydantic found, as ours, with the path of its field."""
    first = next(iter(problems))
    context = first.get("ctx", {})
    where = [part for part in first["loc"] if isinstance(part, str)]
    if where and where[0] in ("body", "query", "path"):
        del where[0]
    path = context.get("param") or ".".join(p for p in where if p != "[key]") or None
    message = (
        "is missing"
        if first["type"] == "missing"
        else str(context.get("error") or first["msg"].replace("Input should be", "must be", 1))
    )
    if path is None or "param" in context:
        return BadRequest(message, param=path)
    joined = " " if message.startswith(("must ", "is ")) else ": "
    return BadRequest(f"{path}{joined}{message}", param=path)


def refuse_unknown(kind: str, given: Iterable[Any], known: Iterable[str]) -> None:
    """Raise PydanticCustomError naming the first that is not known, and what it may have meant."""
    names = sorted(known)
    for name in given:
        if name not in names:
            raise PydanticCustomError(
                "unknown", "{error}", {"error": unknown(kind, str(name), names), "param": str(name)}
            )


def unknown(kind: str, name: str, known: Sequence[str]) -> str:
    """The sentence about a name that stands for nothing."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {kind} {name[:100]!r}; {hint}known: {', '.join(known) or 'none'}"


def unserved(fields: Fields) -> list[str]:
    """The limits among `fields` that this version stores and does not yet enforce."""
    return [name for name in UNSERVED if fields.get(name) is not None]
