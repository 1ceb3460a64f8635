"""The rows of `make reliability`'s table that stand outside the crash tests name tests that are there."""

import ast
from pathlib import Path
from typing import Final

import pytest

from tests.crash.matrix import ELSEWHERE

ROOT: Final = Path(__file__).resolve().parents[2]


def names_in(path: Path) -> set[str]:
    """As pytest names them behind the file: `Class::test` or `test`."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        inner = [(f"{node.name}::", each) for each in node.body] if isinstance(node, ast.ClassDef) else [("", node)]
        found |= {f"{prefix}{each.name}" for prefix, each in inner if isinstance(each, ast.FunctionDef)}
    return found


@pytest.mark.parametrize("name", [row.test for row in ELSEWHERE])
def test_a_row_names_a_test_that_is_there(name: str) -> None:
    path, _, test = name.partition("::")

    assert test in names_in(ROOT / path)
