"""The weights that `auto` scores by: the shipped file, or one that config.yaml names."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field

from app.config.fields import Number, Positive, Section, Text, validated
from app.config.problems import ConfigError, Problem, path_text
from app.config.yaml_text import Document, read_yaml
from app.core.features import MEASURED
from app.core.fitting import Fitted
from app.core.scoring import Feature, Weights

SHIPPED = Path(__file__).parent.parent / "weights" / "routing.yaml"

Weight = Annotated[Number, Field(ge=-1, le=1)]
Word = Annotated[Text, Field(min_length=1, max_length=64, pattern=r"^[^\W\d_]+$")]


class FeatureRow(Section):
    """One feature as a file has it; `why` is for whoever reads the file."""

    weight: Weight
    full_at: Positive
    why: Text = ""
    words: tuple[Word, ...] = ()
    of: Literal["turn", "system"] = "turn"


class FittedRow(Section):
    """How weights came about: `rank` is theirs, `first_rank` that of those they began with."""

    labels: Positive
    strong: Positive
    shrinkage: Number
    rank: Number
    first_rank: Number


class WeightsFile(Section):
    """All of a file of weights."""

    fitted: FittedRow | None = None
    name: Annotated[Text, Field(min_length=1, max_length=64)]
    base: Weight
    features: dict[Text, FeatureRow]


@cache
def shipped_weights() -> Weights:
    """Those that come with the gateway."""
    return read_weights(SHIPPED)


def read_weights(file: Path) -> Weights:
    """The weights in a file.  Raises ConfigError with every problem found."""
    try:
        document = read_yaml(file.read_text("utf-8-sig"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise ConfigError(str(file), [Problem("", reason, "a file that can be read")]) from error
    written = validated(WeightsFile, document.tree, document)
    problems = list(_problems(written, document))
    if problems:
        raise ConfigError(document.file, problems)
    features = tuple(
        Feature(name, row.weight, row.full_at, tuple(map(str.lower, row.words)), row.of)
        for name, row in written.features.items()
    )
    return Weights(features, written.base, written.name)


def weights_text(fitted: Fitted, name: str, labels: int, strong: int) -> str:
    """A file of fitted weights; the reasons are those of the shipped ones."""
    shipped = yaml.safe_load(SHIPPED.read_text("utf-8"))["features"]
    features: dict[str, dict[str, Any]] = {}
    for feature in fitted.weights.features:
        row: dict[str, Any] = {"weight": feature.weight, "full_at": feature.full_at}
        if feature.of != "turn":
            row["of"] = feature.of
        if feature.words:
            row["words"] = list(feature.words)
        features[feature.name] = {**row, "why": shipped.get(feature.name, {}).get("why", "")}
    told = {
        "labels": labels,
        "strong": strong,
        "shrinkage": fitted.shrinkage,
        "rank": round(fitted.rank, 4),
        "first_rank": round(fitted.first_rank, 4),
    }
    tree = {"name": name, "fitted": told, "base": fitted.weights.base, "features": features}
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=100)


def _problems(written: WeightsFile, document: Document) -> Iterator[Problem]:
    """What is counted without words is known by its name, anything else by its words."""
    measured = ", ".join(MEASURED)
    for name, row in written.features.items():
        path, line = ("features", name), document.line(("features", name))
        if name not in MEASURED and not row.words:
            yield Problem(path_text(path), "no words", f"words, or one of {measured}", line)
        if name in MEASURED and row.words:
            allowed = "no words: it is counted without them"
            yield Problem(path_text(path), f"{len(row.words)} words", allowed, line)
