"""Money of the reader's day, and of the two weeks before. Ids are in the order of time, so a day is a range of them."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Case, Count, IntegerField, QuerySet, Sum, Value, When
from django.utils.translation import ngettext

from config.dashboard.figures import Figure, listing, visible
from fraud.models import Decision
from orders.admin.days import day_start
from orders.admin.marks import in_words, money
from orders.ids import first_id
from orders.models import Order
from payments.models import ChargeAttempt, LedgerPosting, Refund, SagaExecution

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

DAYS: Final = 14
CHECKOUT: Final = "checkout"
State, Status = SagaExecution.State, ChargeAttempt.Status
SUCCEEDED: Final = frozenset({State.COMPLETED})
FAILED: Final = frozenset({State.COMPENSATED, State.FAILED_COMPENSATION, State.RESOLVED})


@dataclass(frozen=True, slots=True)
class DayOfCheckouts:
    """Checkouts begun that day; those neither succeeded nor failed are under way."""

    start: datetime
    succeeded: int
    failed: int
    under_way: int

    @property
    def total(self) -> int:
        return self.succeeded + self.failed + self.under_way

    @property
    def rate(self) -> int | None:
        """Per cent of the ended ones that succeeded."""
        ended = self.succeeded + self.failed
        return round(100 * self.succeeded / ended) if ended else None


def last_days(now: datetime) -> Sequence[datetime]:
    """Their beginnings, today's last."""
    return [day_start(now, days_ago=days) for days in reversed(range(DAYS))]


def checkouts(user: "User | AnonymousUser", days: Sequence[datetime]) -> list[DayOfCheckouts] | None:
    """None when the person may not see sagas."""
    if not user.has_perm("payments.view_sagaexecution"):
        return None
    rows = visible(SagaExecution.objects.filter(definition=CHECKOUT, pk__gte=first_id(days[0])), user, "order__client")
    ends = [When(pk__lt=first_id(end), then=Value(day)) for day, end in enumerate(days[1:])]
    in_days = rows.annotate(day=Case(*ends, default=Value(len(days) - 1), output_field=IntegerField()))
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    for day, state, count in in_days.order_by().values_list("day", "state").annotate(count=Count("pk")):
        counts[day][state] = count
    if any(of_day[State.RESOLVED] for of_day in counts.values()):
        _tell_resolved_apart(counts, in_days)
    return [_day(start, counts[day]) for day, start in enumerate(days)]


def _tell_resolved_apart(counts: Mapping[int, Counter[str]], in_days: QuerySet[Any]) -> None:
    """What people have resolved counts by what its order has come to. Asked for alone: these are few."""
    delivered = in_days.filter(state=State.RESOLVED, order__status=Order.Status.COMPLETED)
    for day, count in delivered.order_by().values_list("day").annotate(count=Count("pk")):
        counts[day][State.COMPLETED] += count
        counts[day][State.RESOLVED] -= count


def _day(start: datetime, counts: Counter[str]) -> DayOfCheckouts:
    succeeded, failed = (sum(counts[state] for state in states) for states in (SUCCEEDED, FAILED))
    return DayOfCheckouts(start, succeeded, failed, counts.total() - succeeded - failed)


def declined_since(user: "User | AnonymousUser", start: datetime) -> Mapping[str, int] | None:
    """How many of the charges begun since then were declined, by the reason; None when the person may not see them."""
    if not user.has_perm("payments.view_chargeattempt"):
        return None
    declined = ChargeAttempt.objects.filter(pk__gte=first_id(start), status=Status.DECLINED)
    rows = visible(declined, user, "order__client").order_by()
    return dict(rows.values_list("decline_code").annotate(Count("pk")))


def today(
    user: "User | AnonymousUser",
    checkouts: Sequence[DayOfCheckouts] | None,
    declined: Mapping[str, int] | None,
    start: datetime,
) -> list[Figure]:
    figures = _of_checkouts(checkouts[-1]) if checkouts else []
    figures += _of_captures(user, start) if user.has_perm("payments.view_ledgerposting") else []
    figures += _of_declines(declined) if declined is not None else []
    figures += _of_refunds(user, start) if user.has_perm("payments.view_refund") else []
    return figures + (_of_screening(user, start) if user.has_perm("fraud.view_decision") else [])


def _of_checkouts(day: DayOfCheckouts) -> list[Figure]:
    begun = {"definition": CHECKOUT, "created": "today"}
    ended = f"{day.succeeded:,} of {day.succeeded + day.failed:,} ended ones"
    rate = "–" if day.rate is None else f"{day.rate} %"  # noqa: RUF001  the same dash as elsewhere in the back office
    completed = listing("payments_sagaexecution", **begun, state__exact=State.COMPLETED.value)
    everything = listing("payments_sagaexecution", **begun)
    return [
        Figure("Checkouts", f"{day.total:,}", everything, f"{day.under_way:,} under way"),
        Figure("Success rate", rate, completed, ended),
    ]


def _of_captures(user: "User | AnonymousUser", start: datetime) -> list[Figure]:
    """Money taken, whenever its charge was begun: a number for each currency."""
    taken = LedgerPosting.objects.filter(kind=LedgerPosting.Kind.CAPTURE, posted_at__gte=start)
    rows = visible(taken, user, "charge__order__client").order_by()
    sums = sorted(rows.values_list("currency").annotate(Sum("amount_minor"), Count("pk")))
    query = {"kind__exact": LedgerPosting.Kind.CAPTURE.value, "posted_at__gte": start.isoformat(" ")}
    url = listing("payments_ledgerposting", **query)
    shown = [(money(amount, currency), count) for currency, amount, count in sums] or [("0", 0)]
    return [
        Figure("Captured", amount, url, f"in {count:,} {ngettext('capture', 'captures', count)}")
        for amount, count in shown
    ]


def _of_declines(declined: Mapping[str, int]) -> list[Figure]:
    url = listing("payments_chargeattempt", created="today", status__exact=Status.DECLINED.value)
    return [Figure("Declined", f"{sum(declined.values()):,}", url, "by the card's issuer")]


def _of_refunds(user: "User | AnonymousUser", start: datetime) -> list[Figure]:
    """Money that went back; what a gateway refused, or has not done yet, is none."""
    given_back = Refund.objects.filter(pk__gte=first_id(start), status=Refund.Status.SUCCEEDED)
    rows = visible(given_back, user, "charge__order__client").order_by()
    sums = list(rows.values_list("currency").annotate(Sum("amount_minor"), Count("pk")))
    total = sum(count for _currency, _amount, count in sums)
    note = ", ".join(money(amount, currency) for currency, amount, _count in sorted(sums))
    url = listing("payments_refund", created="today", status__exact=Refund.Status.SUCCEEDED.value)
    return [Figure("Refunds", f"{total:,}", url, note or "nothing went back")]


def _of_screening(user: "User | AnonymousUser", start: datetime) -> list[Figure]:
    blocked = Decision.objects.filter(decision="block", pk__gte=first_id(start))
    count = visible(blocked, user, "order__client").count()
    query = {"decision__exact": "block", "created_at__gte": start.isoformat(" ")}
    return [Figure("Blocked", f"{count:,}", listing("fraud_decision", **query), "by the fraud rules")]


def declines(declined: Mapping[str, int] | None) -> list[Figure]:
    return [
        Figure(in_words(code or "no reason given"), f"{count:,}", declined_url(code, created="today"))
        for code, count in sorted((declined or {}).items(), key=lambda pair: (-pair[1], pair[0]))
    ]


def declined_url(code: str, **query: object) -> str:
    reason = {"decline_code": code} if code else {}
    return listing("payments_chargeattempt", status__exact=Status.DECLINED.value, **reason, **query)
