import pytest

from payments.models import SagaExecution
from tests.office import Office
from tests.payments.admin.desk import park
from tests.payments.interventions.builders import failed_refund
from tests.sandbox import Sandbox


@pytest.fixture
def office(db: None) -> Office:
    return Office(groups=("Operator",))


@pytest.fixture
def parked(db: None, sandbox: Sandbox) -> SagaExecution:
    return park()


@pytest.fixture
def operator(sandbox: Sandbox) -> Office:
    return Office(groups=("Operator",))


@pytest.fixture
def second(sandbox: Sandbox) -> Office:
    return Office(groups=("Operator",))


@pytest.fixture
def failed(sandbox: Sandbox) -> SagaExecution:
    return failed_refund()
