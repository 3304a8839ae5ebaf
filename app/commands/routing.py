"""`tollkeeper routing`: weights fitted to labels of one's own, and weights judged by them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from app.commands.catalog import settings_with_all_on
from app.commands.database import on_database
from app.commands.environment import database_url
from app.commands.failure import CommandFailed, WrongUsage
from app.commands.output import Column, say, show_json, show_table
from app.config.catalog import routing_rules
from app.config.settings import Settings
from app.config.weights import read_weights, shipped_weights, weights_text
from app.core.errors import Refusal
from app.core.features import counted
from app.core.fitting import Label, fit, ranked
from app.core.measure import measure
from app.core.scoring import Weights, weighed
from app.dialects.openai_chat.request import parse
from app.store.database.engine import Database
from app.store.records.outcomes import Outcome, scored_outcomes


@dataclass(frozen=True, slots=True)
class Judged:
    """How weights do on labels: `sent` of all, and of those that need it, go to the strong tier."""

    name: str
    rank: float
    sent: float
    sent_rightly: float


def fit_weights(labels: Path | None, config: Path | None, output: Path, *, as_json: bool) -> None:
    """Write fitted weights to a new file.

    Raises ConfigError, WrongUsage for labels that can't be read, CommandFailed for too few.
    """
    if output.exists():
        raise CommandFailed(f"{output} is there already: name another with --output")
    first = shipped_weights()
    known = _labels(labels, settings_with_all_on(config), first)
    try:
        fitted = fit(known, first)
    except ValueError as error:
        raise CommandFailed(str(error)) from error
    strong = sum(label.strong for label in known)
    name = f"fitted {datetime.now(UTC).date().isoformat()}"
    output.write_text(weights_text(fitted, name, len(known), strong), "utf-8")
    if as_json:
        told = {"rank": round(fitted.rank, 4), "first_rank": round(fitted.first_rank, 4)}
        show_json({"file": str(output), "labels": len(known), "strong": strong, **told})
        return
    say(f"{len(known)} labels, {strong} of them need the strong tier")
    say("of two labels the right one scores higher, on labels that the weights have not seen:")
    say(f"{fitted.rank:.1%} of the time; {fitted.first_rank:.1%} with the built-in weights")
    if fitted.rank <= fitted.first_rank:
        say("the built-in weights do as well: keep them")
    say(f"written to {output}; `routing: {{weights: {output}}}` in config.yaml puts it to use")


def judge_weights(
    labels: Path | None, weights: Path | None, config: Path | None, *, as_json: bool
) -> None:
    """Show how the built-in weights, those in use and those of a file do on labels.

    Raises ConfigError, and WrongUsage for labels that can't be read.
    """
    settings = settings_with_all_on(config)
    rules = routing_rules(settings)
    judged = {"built in": shipped_weights()}
    if settings.routing.weights is not None:
        judged["in use"] = rules.weights
    if weights is not None:
        judged[str(weights)] = read_weights(weights)
    found = [
        _judged(name, each, _labels(labels, settings, each), rules.threshold)
        for name, each in judged.items()
    ]
    if as_json:
        show_json({"data": [_row(each) for each in found], "threshold": rules.threshold})
        return
    columns = (
        Column("Weights"),
        *(Column(title, "right", whole=True) for title in ("Ranked\nright", "Sent to\nstrong")),
        Column("Of those\nthat need it", "right", whole=True),
    )
    cells = [
        (each.name, *(f"{share:.1%}" for share in (each.rank, each.sent, each.sent_rightly)))
        for each in found
    ]
    show_table(columns, cells)
    say(f"ranked right: 50 % is chance; sent: by the threshold of {rules.threshold}")
    if len(found) > 1:
        say("on labels that weights were fitted to they do better: see `fitted` in their file")


def _row(judged: Judged) -> dict[str, Any]:
    shares = ("rank", "sent", "sent_rightly")
    return {"weights": judged.name, **{n: round(getattr(judged, n), 4) for n in shares}}


def _judged(name: str, weights: Weights, labels: Sequence[Label], threshold: float) -> Judged:
    if not labels:
        raise CommandFailed("there are no labels")
    sent = [weighed(label.counts, weights).value >= threshold for label in labels]
    needed = [went for went, label in zip(sent, labels, strict=True) if label.strong]
    rightly = sum(needed) / len(needed) if needed else 0.0
    return Judged(name, ranked(labels, weights), sum(sent) / len(sent), rightly)


def _labels(file: Path | None, settings: Settings, weights: Weights) -> list[Label]:
    """The labels in a file, or those of the ledger's calls.  Raises WrongUsage."""
    if file is None:
        return _from_ledger(settings)
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise WrongUsage(f"{file}: {error.strerror}") from error
    return list(_from_lines(lines, file, weights))


def _from_lines(lines: Sequence[bytes], file: Path, weights: Weights) -> Iterator[Label]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield _label(orjson.loads(line), weights)
        except (ValueError, Refusal) as error:
            reason = error.message if isinstance(error, Refusal) else str(error)
            raise WrongUsage(f"{file}, line {number}: {reason}") from error


def _label(given: object, weights: Weights) -> Label:
    """Raises ValueError and Refusal."""
    if not isinstance(given, dict) or not isinstance(given.get("strong"), bool):
        raise ValueError('needs "strong": true or false, and a "request" or "features"')  # noqa: TRY004
    features = given.get("features")
    if features is None:
        request = parse(orjson.dumps(given.get("request")), "auto").request
        counts = counted(request, measure(request), weights.turn_words, weights.system_words)
        return Label(counts, given["strong"])
    if not isinstance(features, dict) or not all(
        type(count) is int and count >= 0 for count in features.values()
    ):
        raise ValueError('"features" must be counts by name')
    return Label(features, given["strong"])


def _from_ledger(settings: Settings) -> list[Label]:
    """What was said of calls that the cheaper tiers answered: one that did not do needed more.

    Of the strongest tier's calls nobody knows whether a cheaper one would have done.
    """
    strongest = tuple(settings.tiers)[-1]

    async def read(database: Database) -> list[Outcome]:
        return await database.run(scored_outcomes)

    outcomes = on_database(database_url(), read)
    return [Label(each.counts, not each.ok) for each in outcomes if each.tier != strongest]
