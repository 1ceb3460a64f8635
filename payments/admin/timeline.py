"""A saga's steps, calls and events in the order they happened."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from fraud.facts import Stage
from fraud.models import Decision
from orders.admin.marks import Tone, badge, in_words, link
from payments.admin.marks import DECISION_TONES, OUTCOME_TONES, pretty
from payments.admin.narrative import event_sentence, has_stopped, is_unexpected, sentence
from payments.interventions.actions import ACTIONS
from payments.models import SagaEvent, SagaExecution, SagaStep
from payments.redaction import redact

Direction = SagaExecution.Direction

CLOCK_GRAIN: Final = timedelta(milliseconds=1)
"""The databases' clocks may cut an event's time to this, while a step's is finer: an event comes after its step."""
CLOCKS_APART: Final = timedelta(seconds=1)
"""The database's clock and the one a worker carries on with are never this far apart."""
STOPS: Final = frozenset({"completed", "compensated", "needs_attention", "failed_compensation", "resolved"})
"""After these no step follows, unless a person sees to it."""
LET_GO_ON: Final = frozenset({"retried", "resumed"})
"""What people do so that a step which stood is carried on."""
MOMENT: Final = timedelta(microseconds=1)
SCREENING_STEPS: Final[Mapping[str, str]] = {
    Stage.BEFORE_AUTHORIZATION: "screen_order",
    Stage.AFTER_AUTHORIZATION: "screen_authorization",
}
FIRST_CALLS, LAST_CALLS = 10, 30
"""A step that asks for a day what became of its request makes thousands of calls: its first and last ones are shown."""

_EVENT_TONES: Final[Mapping[str, Tone]] = {
    "completed": "good",
    "compensation_started": "bad",
    "compensated": "quiet",
    "failed_over": "busy",
    "parked": "busy",
    "needs_attention": "alarm",
    "failed_compensation": "alarm",
    "crashed": "alarm",
    "intervention_requested": "alarm",
}
_TITLES: Final[Mapping[str, str]] = {action.event: action.title for action in ACTIONS.values()}
"""What people did is called as the button is with which they did it."""
_GIVEN: Final[Mapping[str, str]] = {
    "said": "Answer",
    "evidence": "Evidence",
    "result": "Stated",
    "approved_by": "Approved by",
    "note": "Who wrote",
    "intervention": "Intervention",
}
"""What an event keeps of what people gave with it, and were told."""


@dataclass(frozen=True, slots=True)
class CallView:
    """One exchange with a gateway or carrier. `request` and `answer` are HTML, redacted."""

    number: int
    operation: str
    address: str
    ended: str
    is_answered: bool
    request: SafeString | str
    answer: SafeString | str


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened; `since` is how long after the beginning, `about` a link to what it happened to."""

    at: datetime
    since: str
    title: str
    told: str
    mark: SafeString
    tone: Tone
    is_event: bool = False
    is_undoing: bool = False
    facts: list[tuple[str, object]] = field(default_factory=list)
    calls: list[CallView] = field(default_factory=list)
    calls_left_out: int = 0
    about: SafeString | str = ""


def of(
    saga: SagaExecution,
    steps: Iterable[SagaStep],
    events: Iterable[SagaEvent],
    decisions: Iterable[Decision],
    *,
    links_interventions: bool = False,
) -> list[Entry]:
    """`decisions` are those of this saga that the reader may see, who may see interventions if those are linked."""
    steps, events = list(steps), list(events)
    by_step = {SCREENING_STEPS.get(decision.stage, ""): decision for decision in decisions}
    entries = [
        _of_step(step, saga, [*_of_decision(by_step.get(step.name)), *_of_word(step, links_interventions)], events)
        for step in steps
    ]
    entries += (_of_event(event, saga, _moment(event, steps)) for event in _with_end(events, saga))
    return sorted(entries, key=lambda entry: (entry.at, not entry.is_event))


def _with_end(events: Iterable[SagaEvent], saga: SagaExecution) -> Iterator[SagaEvent]:
    """A success leaves no event: the saga's own row says when it came."""
    yield from events
    if saga.state == SagaExecution.State.COMPLETED and saga.finished_at:
        yield SagaEvent(saga=saga, kind="completed", created_at=saga.finished_at)


def _moment(event: SagaEvent, steps: Iterable[SagaStep]) -> datetime:
    """When it happened: steps and events are stamped by two clocks, and the commit that tells of turning back has
    already walked the first steps back.
    """
    written = event.created_at + CLOCK_GRAIN
    if event.kind == "compensation_started":
        failed = [step.finished_at for step in steps if step.state == SagaStep.State.FAILED and _is_forward(step)]
        return max((at + MOMENT for at in failed if at and at < written + CLOCKS_APART), default=written)
    if event.kind in STOPS:
        before = (step.started_at + MOMENT for step in steps if step.started_at < written + CLOCKS_APART)
        return max((written, *before))
    return written


def _is_forward(step: SagaStep) -> bool:
    return step.direction == Direction.FORWARD


def _of_step(
    step: SagaStep, saga: SagaExecution, facts: list[tuple[str, object]], events: Iterable[SagaEvent]
) -> Entry:
    calls, left_out = _shown(step.calls)
    outcome, tone = _mark(step, saga)
    # What people have stated has happened when they did so, however long before that the step was begun.
    at = (step.finished_at if _stated_in(step) else None) or step.started_at
    return Entry(
        at=at,
        since=duration(at - saga.created_at),
        title=in_words(step.name).capitalize(),
        told=told_of(step, saga),
        mark=badge(outcome, tone),
        tone=tone,
        is_undoing=not _is_forward(step),
        facts=[*facts, *_took(step, events), *_facts(step)],
        calls=calls,
        calls_left_out=left_out,
    )


def _stated_in(step: SagaStep) -> str:
    """The intervention in which people said that it is done, if they did."""
    return str(step.result.get("stated_in", ""))


def told_of(step: SagaStep, saga: SagaExecution) -> str:
    """Its sentence, fit to be shown."""
    gateway = str(saga.context.get("gateway", ""))
    return str(redact(sentence(step, gateway=gateway, has_stopped=has_stopped(step, saga))))


def _mark(step: SagaStep, saga: SagaExecution) -> tuple[str, Tone]:
    if is_unexpected(step):
        return "not as asked", "alarm"
    if not step.outcome and has_stopped(step, saga):
        return "stopped", "alarm"
    outcome = step.outcome or ("waiting" if step.result else step.state)
    return outcome, OUTCOME_TONES.get(outcome, "busy")


def _of_decision(decision: Decision | None) -> Iterator[tuple[str, object]]:
    if decision is None:
        return
    yield "Decision", badge(decision.decision, DECISION_TONES.get(decision.decision, "quiet"))
    yield "Score", decision.score
    if reasons := " ".join(verdict["reason"] for verdict in decision.verdicts if not verdict["shadow"]):
        yield "Why", reasons
    yield "Decided as", link(decision)


def _of_word(step: SagaStep, is_linked: bool) -> Iterator[tuple[str, object]]:
    if is_linked and (stated_in := _stated_in(step)):
        address = reverse("admin:payments_sagaintervention_change", args=[stated_in])
        yield "Stated in", format_html('<a class="id" href="{}">{}</a>', address, stated_in)


def _took(step: SagaStep, events: Iterable[SagaEvent]) -> Iterator[tuple[str, object]]:
    """How long it went on; not while it stood until a person let it go on."""
    if not step.finished_at or not step.key or _stated_in(step):
        return
    resumed = [event.created_at for event in events if event.kind in LET_GO_ON]
    begun = max((at for at in resumed if step.started_at < at < step.finished_at), default=None)
    again = " since a person let it go on" if begun else ""
    finished = timezone.localtime(step.finished_at)
    yield "Took", f"{duration(step.finished_at - (begun or step.started_at))}{again}, until {finished:%H:%M:%S}"


def _facts(step: SagaStep) -> Iterator[tuple[str, object]]:
    # A person who has it tried again gives it new attempts; the calls tell of them all.
    if sent := max(step.attempts, sum(call.get("operation") != "look_up" for call in step.calls)):
        yield "Sent", _times(sent)
    if step.look_ups:
        yield "Asked for in vain", _times(step.look_ups)
    if step.key:
        yield "Key", step.key
    if step.error:
        again = ", may be tried again" if step.error.get("retriable") else ""
        yield "Error", f"{in_words(str(step.error.get('code', '')))}{again}"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _of_event(event: SagaEvent, saga: SagaExecution, at: datetime) -> Entry:
    tone = _EVENT_TONES.get(event.kind, "quiet")
    by = [("By", event.actor)] if event.actor else []
    given = [(name, redact(str(event.after[key]))) for key, name in _GIVEN.items() if event.after.get(key)]
    calls, left_out = _shown(event.after.get("calls", []))
    return Entry(
        at=at,
        since=duration(at - saga.created_at),
        title=_TITLES.get(event.kind) or in_words(event.kind).capitalize(),
        told=redact(event_sentence(event)),
        mark=badge("event", tone),
        tone=tone,
        is_event=True,
        facts=[*by, *given, *_differences(event)],
        calls=calls,
        calls_left_out=left_out,
    )


def _differences(event: SagaEvent) -> Iterator[tuple[str, object]]:
    """What was changed, member by member."""
    before, after = _flat(event.before), _flat(event.after)
    for name in before:
        if name in after and before[name] != after[name]:
            yield in_words(name).capitalize(), redact(f"{_told(before[name])} → {_told(after[name])}")


def _flat(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {**{name: value for name, value in facts.items() if name != "context"}, **facts.get("context", {})}


def _told(value: object) -> str:
    return in_words(str(value)) if value not in ("", None) else "nothing"


def _shown(calls: list[Mapping[str, Any]]) -> tuple[list[CallView], int]:
    views = [_call(number, call) for number, call in _first_and_last(calls)]
    return views, len(calls) - len(views)


def _first_and_last(calls: list[Mapping[str, Any]]) -> list[tuple[int, Mapping[str, Any]]]:
    numbered = list(enumerate(calls, start=1))
    if len(numbered) <= FIRST_CALLS + LAST_CALLS:
        return numbered
    return numbered[:FIRST_CALLS] + numbered[-LAST_CALLS:]


def _call(number: int, call: Mapping[str, Any]) -> CallView:
    status = call.get("status")
    took = f"{call.get('milliseconds', 0):,} ms"
    return CallView(
        number=number,
        operation=in_words(str(call.get("operation", ""))),
        address=redact(str(call.get("url", ""))),
        ended=f"answered {status} in {took}" if status else f"no answer in {took}",
        is_answered=status is not None,
        request=pretty(call.get("request")),
        answer=pretty(call.get("answer")),
    )


def duration(span: timedelta) -> str:
    """A span of time, as coarse as it is long."""
    seconds = span.total_seconds()
    if seconds < 0.001:
        return "under 1 ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:,.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"
