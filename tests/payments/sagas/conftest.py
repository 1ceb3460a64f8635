from collections.abc import Iterator

import pytest

from payments.sagas import registry


@pytest.fixture(autouse=True)
def no_sagas_of_tests_remain() -> Iterator[None]:
    known = dict(registry._DEFINITIONS)
    yield
    registry._DEFINITIONS.clear()
    registry._DEFINITIONS.update(known)
