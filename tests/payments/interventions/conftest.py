import pytest

from payments.models import SagaExecution
from tests.payments.interventions.builders import unreachable_refund
from tests.sandbox import Sandbox


@pytest.fixture
def refused_for_now(sandbox: Sandbox) -> SagaExecution:
    return unreachable_refund(sandbox)
