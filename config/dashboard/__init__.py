"""What a person meets first: their queues, today's money, and how the last two weeks went.

Whoever may not see something is not shown how much of it there is, and nobody is shown another client's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from config.dashboard import charts, money, queues
from config.dashboard.figures import Figure

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


@dataclass(frozen=True, slots=True)
class Dashboard:
    queues: Sequence[Figure]
    today: Sequence[Figure]
    declines_today: Sequence[Figure]
    checkouts: charts.Columns | None
    declines: charts.Bars | None


def of(user: "User | AnonymousUser", *, now: datetime) -> Dashboard:
    days = money.last_days(now)
    checkouts = money.checkouts(user, days)
    declined_today = money.declined_since(user, days[-1])
    declined = money.declined_since(user, days[0])
    return Dashboard(
        queues=[figure for queue in queues.ALL for figure in queue(user, now)],
        today=money.today(user, checkouts, declined_today, days[-1]),
        declines_today=money.declines(declined_today),
        checkouts=charts.columns(checkouts) if checkouts is not None else None,
        declines=charts.bars(declined) if declined is not None else None,
    )
