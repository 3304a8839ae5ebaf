"""Whether every name in the settings stands for something, and for one thing only."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta

from app.config.prices import Book, in_force, known
from app.config.problems import KeyPath, Problem, path_text
from app.config.settings import Settings
from app.config.unserved import unserved_settings
from app.core.model_names import AUTO

SOON = timedelta(days=60)


def name_problems(settings: Settings) -> Iterator[Problem]:
    """Names that are taken twice, then names that nothing stands for."""
    yield from _taken_twice(settings)
    yield from _dangling(settings)


def config_warnings(settings: Settings, books: Mapping[str, Book], now: datetime) -> list[str]:
    """What works but should be looked at: models at their end, tiers out of order, no effect."""
    untiered = [] if settings.tiers else ["tiers: there are none, so 'auto' answers nothing"]
    return [
        *untiered,
        *_ending(settings, books, now),
        *_not_ascending(settings, books, now.date()),
        *unserved_settings(settings),
    ]


def _taken_twice(settings: Settings) -> Iterator[Problem]:
    owners = dict.fromkeys([AUTO], "reserved for routing")
    for tier in settings.tiers:
        if tier == AUTO:
            yield _problem(settings, ("tiers", tier), repr(tier), "a name other than 'auto'")
        owners[tier] = "a tier"
    for model_id in settings.models:
        if model_id in owners:
            yield _taken(settings, ("models", model_id), model_id, owners[model_id])
        owners[model_id] = "a model"
    for model_id, model in settings.models.items():
        for n, alias in enumerate(model.aliases):
            if alias in owners:
                yield _taken(settings, ("models", model_id, "aliases", n), alias, owners[alias])
            owners[alias] = f"an alias of {model_id}"


def _dangling(settings: Settings) -> Iterator[Problem]:
    models = set(settings.models)
    models.update(alias for model in settings.models.values() for alias in model.aliases)
    for model_id, model in settings.models.items():
        path: KeyPath = ("models", model_id, "upstream")
        for n, name in enumerate(model.upstream):
            if name not in settings.upstreams:
                yield _unknown(settings, path, name, "an upstream", settings.upstreams)
            elif name in model.upstream[:n]:
                yield _problem(settings, path, repr(name), "each upstream once")
    for tier, name in settings.tiers.items():
        if name not in models:
            yield _unknown(settings, ("tiers", tier), name, "a model", models)
    for first, others in settings.fallbacks.items():
        yield from _dangling_fallbacks(settings, first, others, models)
    name, names = settings.routing.default_model, {AUTO, *settings.tiers, *models}
    if name not in names:
        path = ("routing", "default_model")
        yield _unknown(settings, path, name, "'auto', a tier or a model", names)


def _dangling_fallbacks(
    settings: Settings, first: str, others: Sequence[str], models: set[str]
) -> Iterator[Problem]:
    if first not in models:
        yield _unknown(settings, ("fallbacks", first), first, "a model", models)
    for n, name in enumerate(others):
        path = ("fallbacks", first, n)
        if name not in models:
            yield _unknown(settings, path, name, "a model", models)
        elif _owner(settings, name) == _owner(settings, first):
            yield _problem(settings, path, repr(name), "a model other than the first")
        elif name in others[:n]:
            yield _problem(settings, path, repr(name), "each model once")


def _ending(settings: Settings, books: Mapping[str, Book], now: datetime) -> Iterator[str]:
    """Models that are gone, will be soon, or have no price yet; those of tiers first."""
    by_tiers = {_owner(settings, name) for name in settings.tiers.values()}
    for model_id in sorted(settings.models, key=lambda model_id: model_id not in by_tiers):
        model = known(books, model_id)
        if model is None:
            continue
        used = "; a tier uses it" if model_id in by_tiers else ""
        instead = f", which advises {model.replacement}" if model.replacement else ""
        if model.is_retired(now):
            yield f"models.{model_id}: retired by its vendor{instead}; calls to it are a 404{used}"
        elif model.retires is not None and model.retires - now <= SOON:
            when = f"{model.retires:%Y-%m-%d at %H:%M} UTC"
            yield f"models.{model_id}: retired on {when} by its vendor{instead}{used}"
        elif model.retires_not_before is not None and model.retires_not_before <= now.date():
            since = model.retires_not_before.isoformat()
            yield f"models.{model_id}: its vendor may retire it, from {since} on{used}"
        if not in_force(model.schedule, now.date()):
            since = model.schedule[0].effective_from.isoformat()
            yield f"models.{model_id}: its prices begin on {since}; is the clock right?"


def _owner(settings: Settings, name: str) -> str:
    """The model that a tier names, by its id or an alias."""
    owners = (i for i, model in settings.models.items() if name in model.aliases)
    return name if name in settings.models else next(owners, name)


def _not_ascending(settings: Settings, books: Mapping[str, Book], day: date) -> Iterator[str]:
    dearest = 0
    for tier, name in settings.tiers.items():
        model = known(books, name)
        for prices in in_force(model.schedule, day) if model else ():
            output = prices.steps[0].rates.output
            if output < dearest:
                yield f"tiers.{tier}: cheaper than the one before; the last should be the strongest"
            dearest = max(dearest, output)


def _taken(settings: Settings, path: KeyPath, name: str, owner: str) -> Problem:
    return _problem(settings, path, f"{name!r} is {owner}", "a name that nothing else has")


def _unknown(
    settings: Settings, path: KeyPath, name: str, kind: str, names: Iterable[str]
) -> Problem:
    near = difflib.get_close_matches(name, sorted(names), n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return _problem(settings, path, repr(name), f"{kind} that is configured{hint}")


def _problem(settings: Settings, path: KeyPath, value: str, allowed: str) -> Problem:
    return Problem(path_text(path), value, allowed, settings.document.line(path))
