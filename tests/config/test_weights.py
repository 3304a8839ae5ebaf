from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from app.config.catalog import routing_rules
from app.config.problems import ConfigError
from app.config.settings import read_settings
from app.config.weights import SHIPPED, read_weights, shipped_weights
from app.core.features import MEASURED
from app.core.scoring import Feature, Weights

SMALL = """\
name: mine
base: 0.1
features:
  words: {weight: 0.4, full_at: 100}
  proof: {weight: 0.2, full_at: 1, words: [Prove, "false"], why: A proof is wrong as a whole.}
  role: {weight: -0.1, full_at: 2, words: [brief], of: system}
"""


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "weights.yaml"
    file.write_text(text)
    return file


def test_a_file_becomes_weights(tmp_path: Path) -> None:
    assert read_weights(written(tmp_path, SMALL)) == Weights(
        (
            Feature("words", 0.4, 100),
            Feature("proof", 0.2, 1, ("prove", "false")),
            Feature("role", -0.1, 2, ("brief",), "system"),
        ),
        base=0.1,
        name="mine",
    )


REFUSED = [
    ("weight: 0.4", "weight: 2", "features.words.weight: 2"),
    ("weight: 0.4", "weight: .nan", "features.words.weight: NaN"),
    ("full_at: 100", "full_at: 0", "features.words.full_at: 0"),
    ("full_at: 100", "full_at: 100, words: [a]", "features.words: 1 words"),
    ("proof: {", "prooof: {weights: 1, ", "unknown key 'weights'"),
    ("words: [brief], ", "", "features.role: no words"),
    ("[brief]", "[be brief]", "features.role.words.0"),
    ("name: mine", "", "name: nothing is given"),
]


@pytest.mark.parametrize(("old", "new", "told"), REFUSED)
def test_a_file_with_a_mistake_is_refused_by_its_key(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        read_weights(written(tmp_path, SMALL.replace(old, new, 1)))
    assert told in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        read_weights(tmp_path / "none.yaml")
    assert str(tmp_path / "none.yaml") in str(refused.value)


def test_every_shipped_feature_says_why_and_everything_counted_has_a_weight() -> None:
    features = yaml.safe_load(SHIPPED.read_text())["features"]
    assert all(row["why"] for row in features.values())
    assert set(MEASURED) <= set(features)
    assert 10 <= len(features) <= 30
    assert len(shipped_weights().features) == len(features)
    assert all(feature.weight for feature in shipped_weights().features)


def test_the_configuration_may_name_weights_beside_itself(tmp_path: Path) -> None:
    written(tmp_path, SMALL)
    config = tmp_path / "config.yaml"
    config.write_text("routing: {weights: weights.yaml}\n")
    assert routing_rules(read_settings(config, {})).weights.name == "mine"
    config.write_text("routing: {weights: other.yaml}\n")
    with pytest.raises(ConfigError):
        routing_rules(read_settings(config, {}))
    config.write_text("routing: {}\n")
    assert routing_rules(read_settings(config, {})).weights is shipped_weights()
