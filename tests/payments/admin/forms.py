"""Reading the back office's pages about sagas, and filling in their forms."""

import re
from html import unescape
from typing import Any

from payments.models import SagaExecution
from tests.office import Office
from tests.payments.interventions.builders import REASON

ACT, LIST = "payments_sagaexecution_act", "payments_sagaexecution_changelist"
DECIDE, WITHDRAW = "payments_sagaintervention_decide", "payments_sagaintervention_withdraw"


def saga_page(office: Office, saga: SagaExecution) -> str:
    return office.page("payments_sagaexecution_change", saga.public_id)


def offered(html: str) -> list[str]:
    return re.findall(r"/act/(\w+)/\"", html)


def hidden(html: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', html)
    assert found, name
    return unescape(found[1])


def act(office: Office, saga: SagaExecution, action: str, **form: Any) -> str:
    """Fill in the form as it is shown, and send it; the page it leads to."""
    epoch = hidden(office.page(ACT, saga.public_id, action), "epoch")
    answer = office.post(ACT, saga.public_id, action, **{"epoch": epoch, "reason": REASON, **form})
    saga.refresh_from_db()
    return str(answer.content.decode())


def read(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", html))
