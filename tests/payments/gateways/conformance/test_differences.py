"""A difference that names no test would be believed for ever."""

import importlib
from pathlib import Path

import pytest

from tests.payments.gateways.conformance.subjects import SUBJECTS


def _tests() -> set[str]:
    files = Path(__file__).parent.glob("test_*.py")
    modules = [importlib.import_module(f"{__package__}.{file.stem}") for file in files]
    return {name for module in modules for name in dir(module) if name.startswith("test_")}


@pytest.mark.parametrize("name", SUBJECTS)
def test_every_difference_is_of_a_test_there_is(name: str) -> None:
    assert set(SUBJECTS[name].differences) <= _tests()
