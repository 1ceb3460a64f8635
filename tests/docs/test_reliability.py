"""The page that `make reliability` writes names tests that are there, and every test that has a row."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.crash.matrix import ELSEWHERE

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = ROOT / "docs" / "reliability.md"


def named() -> set[str]:
    return set(re.findall(r"`(tests/[\w/]+\.py::[\w:]+)`", PAGE.read_text(encoding="utf-8")))


def found_in(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Each test of a file, with the names of what decorates it."""
    name = path.relative_to(ROOT).as_posix()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        inner = [(f"{node.name}::", each) for each in node.body] if isinstance(node, ast.ClassDef) else [("", node)]
        for prefix, each in inner:
            if isinstance(each, ast.FunctionDef) and each.name.startswith("test_"):
                yield f"{name}::{prefix}{each.name}", [ast.unparse(line) for line in each.decorator_list]


def test_every_row_names_a_test_that_is_there() -> None:
    files = {ROOT / name.partition("::")[0] for name in named()}
    there = {name for path in files for name, _ in found_in(path)}

    assert named() <= there
    assert named()


def test_every_test_that_has_a_row_is_in_the_table() -> None:
    files = sorted((ROOT / "tests" / "crash").glob("test_*.py"))
    rows = {name for path in files for name, marks in found_in(path) if any(mark.startswith("row(") for mark in marks)}

    assert named() == rows | {row.test for row in ELSEWHERE}
