"""Rules about `app/` that no linter knows."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.house.repository import ROOT, app_modules

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 50
# The last line of defence and the recorder: everywhere else an unforeseen error is a bug.
MAY_CATCH_EVERYTHING = ("app/web/errors.py", "app/telemetry/")
VAGUE_NAMES = {"common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}


def test_no_file_is_longer_than_300_lines() -> None:
    lengths = {name: len((ROOT / name).read_text().splitlines()) for name, _ in app_modules()}
    assert lengths
    assert {name: n for name, n in lengths.items() if n > MAX_FILE_LINES} == {}


def test_no_function_is_longer_than_50_lines() -> None:
    long = [
        f"{name}:{node.lineno} {node.name} has {length} lines"
        for name, tree in app_modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno) > MAX_FUNCTION_LINES
    ]
    assert long == []


def test_only_two_places_catch_everything() -> None:
    found = [
        f"{name}:{line}"
        for name, tree in app_modules()
        if not name.startswith(MAY_CATCH_EVERYTHING)
        for line in catch_alls(tree)
    ]
    assert found == []


def test_a_catch_all_is_recognised_in_each_of_its_forms() -> None:
    source = """
try: pass
except: pass
try: pass
except Exception: pass
try: pass
except (ValueError, builtins.Exception): pass
with contextlib.suppress(Exception): pass
try: pass
except BaseException: pass
try: pass
except BaseException:
    undo()
    raise
try: pass
except ValueError: pass
"""
    assert sorted(catch_alls(ast.parse(source))) == [3, 5, 7, 8, 10]


def test_every_module_says_what_it_is() -> None:
    assert [name for name, tree in app_modules() if not ast.get_docstring(tree)] == []


def test_every_module_with_code_postpones_annotations() -> None:
    eager = [
        name
        for name, tree in app_modules()
        if len(tree.body) > 1
        and not any(
            isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body
        )
    ]
    assert eager == []


def test_no_module_has_state_that_a_function_rebinds() -> None:
    rebinding = [
        f"{name}:{node.lineno}"
        for name, tree in app_modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Global)
    ]
    assert rebinding == []


def test_no_module_or_class_has_a_vague_name() -> None:
    vague = [name for name, _ in app_modules() if is_vague(name.rpartition("/")[2][:-3])]
    vague += [
        f"{name}: {node.name}"
        for name, tree in app_modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name.lower().endswith(tuple(VAGUE_NAMES))
    ]
    assert vague == []


def is_vague(module: str) -> bool:
    return not VAGUE_NAMES.isdisjoint(module.split("_"))


def catch_alls(tree: ast.Module) -> Iterator[int]:
    """Lines that swallow every exception; `except BaseException: …; raise` swallows none."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            caught = names(node.type) if node.type else {"Exception"}
            if isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None:
                caught.discard("BaseException")
        elif isinstance(node, ast.Call) and names(node.func) == {"suppress"}:
            caught = {name for argument in node.args for name in names(argument)}
        else:
            continue
        if caught & {"Exception", "BaseException"}:
            yield node.lineno


def names(expression: ast.expr) -> set[str]:
    """The last part of each name in a possibly dotted expression or a tuple of them."""
    if isinstance(expression, ast.Tuple):
        return {name for element in expression.elts for name in names(element)}
    if isinstance(expression, ast.Attribute):
        return {expression.attr}
    return {expression.id} if isinstance(expression, ast.Name) else set()
