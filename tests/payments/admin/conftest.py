import pytest

from tests.office import Office


@pytest.fixture
def office(db: None) -> Office:
    return Office(groups=("Operator",))
