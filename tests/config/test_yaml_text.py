from __future__ import annotations

from decimal import Decimal

import pytest

from app.config.problems import ConfigError
from app.config.yaml_text import plain, read_yaml

SCALARS = [
    ("3e-6", Decimal("0.000003")),
    ("1.35e-5", Decimal("0.0000135")),
    ("0.0000027", Decimal("0.0000027")),
    ("0.1", Decimal("0.1")),
    (".5", Decimal("0.5")),
    ("5.", Decimal(5)),
    ("-1.5E+3", Decimal(-1500)),
    ("+2.5", Decimal("2.5")),
    ("0.30000000000000000000000000000000004", Decimal("0.30000000000000000000000000000000004")),
    (".inf", Decimal("Infinity")),
    ("-.INF", Decimal("-Infinity")),
    ("0", 0),
    ("-7", -7),
    ("33554432", 33_554_432),
    ("true", True),
    ("False", False),
    ("", None),
    ("~", None),
    ("null", None),
    ("off", "off"),
    ("yes", "yes"),
    ("010", "010"),
    ("0x1F", "0x1F"),
    ("1_000", "1_000"),
    ("1:30", "1:30"),
    ("2026-10-07", "2026-10-07"),
    ("1e9999999", "1e9999999"),
    ("9" * 61, "9" * 61),
    ("nan", "nan"),
    ("a b", "a b"),
]


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_an_unquoted_scalar_means_what_yaml_1_2_says(text: str, value: object) -> None:
    read = plain(text)
    assert read == value
    assert type(read) is type(value)


def test_not_a_number_is_recognised() -> None:
    number = plain(".nan")
    assert isinstance(number, Decimal)
    assert number.is_nan()


def test_quoted_scalars_stay_text() -> None:
    tree = read_yaml("""{a: "3e-6", b: '1', c: "true", d: "", e: 3e-6}""", "f").tree
    assert tree == {"a": "3e-6", "b": "1", "c": "true", "d": "", "e": Decimal("3e-6")}


def test_block_text_keys_and_references_are_read() -> None:
    text = "a: |\n  1\n  2\n5: x\nb: &list [1, two]\nc: *list\n"
    tree = {"a": "1\n2\n", "5": "x", "b": [1, "two"], "c": [1, "two"]}
    assert read_yaml(text, "f").tree == tree


def test_an_empty_file_is_an_empty_mapping() -> None:
    assert read_yaml("# nothing\n", "f").tree == {}


def test_lines_are_known_and_fall_back_to_what_stands_above() -> None:
    document = read_yaml("a:\n  b:\n    - x\n    - y\nc: 1\n", "f")
    assert document.line(("a", "b", 1)) == 4
    assert document.line(("a", "b", "absent")) == 2
    assert document.line(("c",)) == 5
    assert document.line(("absent",)) is None


BROKEN = [
    # text                        key path   value                             line
    ("a: 1\na: 2\n", "a", "given twice", 2),
    ("a: {b: 1, b: 2}", "a.b", "given twice", 1),
    ("a:\n  - {x: 1, x: 1}\n", "a.0.x", "given twice", 2),
    ("a: &a [1, *a]", "a.1", "a loop of references", 1),
    ("a: &a {b: *a}", "a.b", "a loop of references", 1),
    ("a: !!python/object:os.system x", "a", "tag 'tag:yaml.org,2002:python/object:os.system'", 1),
    ("a: !!float 3", "a", "tag 'tag:yaml.org,2002:float'", 1),
    ("a: !secret x", "a", "tag '!secret'", 1),
    ("? [1, 2]\n: x\n", "", "a key that is a list or mapping", 1),
    ("a: {\n", "", "expected the node content, but found '<stream end>'", 2),
    ("a: 1\n---\nb: 2\n", "", "but found another document", 2),
    ("a: 1\n b: 2\n", "", "mapping values are not allowed here", 2),
    ("a: \x01", "", "unreadable text", None),
    ("[" * 5_000, "", "nested too deeply", None),
]


@pytest.mark.parametrize(("text", "path", "value", "line"), BROKEN)
def test_what_is_not_plain_yaml_is_refused_with_its_place(
    text: str, path: str, value: str, line: int | None
) -> None:
    with pytest.raises(ConfigError) as caught:
        read_yaml(text, "some.yaml")
    problem = caught.value.problems[0]
    assert (caught.value.file, problem.key_path, problem.value) == ("some.yaml", path, value)
    assert problem.line == line


def test_every_problem_of_a_file_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        read_yaml("a: 1\na: 2\nb: !x 1\n", "f")
    assert [problem.key_path for problem in caught.value.problems] == ["a", "b"]
    assert str(caught.value) == (
        "f, line 2: a: given twice; allowed: each key once\n"
        "f, line 3: b: tag '!x'; allowed: no tags"
    )
