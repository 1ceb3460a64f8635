"""Money of the reader's day, and of the two weeks before. Ids are in the order of time, so a day is a range of them."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Case, Count, IntegerField, QuerySet, Sum, Value, When

from config.dashboard.figures import Figure, listing, visible
from fraud.models import Decision
from orders.admin.days import day_start, first_id
from orders.admin.marks import in_words, money
from payments.models import ChargeAttempt, Refund, SagaExecution

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


@dataclass(frozen=True, slots=True)
class Charges:
    """Charges begun in a span of time."""

    captured: Mapping[str, int]
    """Minor units by currency."""
    captured_count: int
    declined: Mapping[str, int]
    """How many by the reason."""


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
    return [_day(start, counts[day]) for day, start in enumerate(days)]


def _day(start: datetime, counts: Counter[str]) -> DayOfCheckouts:
    succeeded, failed = (sum(counts[state] for state in states) for states in (SUCCEEDED, FAILED))
    return DayOfCheckouts(start, succeeded, failed, counts.total() - succeeded - failed)


def charges_since(user: "User | AnonymousUser", start: datetime) -> Charges | None:
    """None when the person may not see charges."""
    if not user.has_perm("payments.view_chargeattempt"):
        return None
    captured: Counter[str] = Counter()
    declined: Counter[str] = Counter()
    count_captured = 0
    rows = _charges(user, start).filter(status__in=(Status.CAPTURED, Status.DECLINED))
    sums = rows.values_list("status", "currency", "decline_code").annotate(Sum("captured_minor"), Count("pk"))
    for status, currency, code, amount, count in sums:
        if status == Status.DECLINED:
            declined[code] += count
        else:
            captured[currency] += amount
            count_captured += count
    return Charges(captured, count_captured, declined)


def declined_since(user: "User | AnonymousUser", start: datetime) -> Mapping[str, int] | None:
    if not user.has_perm("payments.view_chargeattempt"):
        return None
    rows = _charges(user, start).filter(status=Status.DECLINED).values_list("decline_code")
    return dict(rows.annotate(Count("pk")))


def _charges(user: "User | AnonymousUser", start: datetime) -> QuerySet[Any]:
    return visible(ChargeAttempt.objects.filter(pk__gte=first_id(start)), user, "order__client").order_by()


def today(
    user: "User | AnonymousUser",
    checkouts: Sequence[DayOfCheckouts] | None,
    charges: Charges | None,
    start: datetime,
) -> list[Figure]:
    figures = _of_checkouts(checkouts[-1]) if checkouts else []
    figures += _of_charges(charges) if charges else []
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


def _of_charges(charges: Charges) -> list[Figure]:
    url = listing("payments_chargeattempt", created="today", status__exact=Status.CAPTURED.value)
    amounts = [money(amount, currency) for currency, amount in sorted(charges.captured.items())] or ["0"]
    note = f"{charges.captured_count:,} charges of today" + (" in all" if len(amounts) > 1 else "")
    captured = [Figure("Captured", amount, url, note) for amount in amounts]
    declined = listing("payments_chargeattempt", created="today", status__exact=Status.DECLINED.value)
    return [*captured, Figure("Declined", f"{sum(charges.declined.values()):,}", declined, "by the card's issuer")]


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


def declines(charges: Charges | None) -> list[Figure]:
    found = charges.declined if charges else {}
    return [
        Figure(in_words(code or "no reason given"), f"{count:,}", declined_url(code, created="today"))
        for code, count in sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
    ]


def declined_url(code: str, **query: object) -> str:
    reason = {"decline_code": code} if code else {}
    return listing("payments_chargeattempt", status__exact=Status.DECLINED.value, **reason, **query)
