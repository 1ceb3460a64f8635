"""What is asked of the sandbox itself: its journal, its reports, its faults, its history, and the challenge page."""

from collections.abc import Callable
from dataclasses import dataclass

from payments.sandbox import challenges, fields, history, pages, report
from payments.sandbox.appointments import expire_everything
from payments.sandbox.calls import Calls, Handler
from payments.sandbox.faults import AT_ONCE, Fault, parse_fault
from payments.sandbox.journal import entries_since
from payments.sandbox.messages import Answer, Refusal, Request, json_answer
from payments.sandbox.records import Charge, find_charge


@dataclass(frozen=True, slots=True)
class Site:
    """What every endpoint works with."""

    calls: Calls
    refuse_connections: Callable[[float], None]
    """Closes the port for so many seconds."""


def health(site: Site, request: Request) -> Answer:
    with site.calls.journal.snapshot() as db:
        db.execute("SELECT 1 FROM entries LIMIT 1")
    return json_answer(200, {"status": "ok"})


def journal(site: Site, request: Request) -> Answer:
    since = request.query.get("since") or "0"
    if not (since.isascii() and since.isdigit() and len(since) < 19):
        raise Refusal(400, "parameter_invalid", "since must be the sequence of an entry, or 0.")
    with site.calls.journal.snapshot() as db:
        return json_answer(200, {"entries": entries_since(db, int(since))})


def report_csv(site: Site, request: Request) -> Answer:
    day = fields.day(request.query)
    with site.calls.journal.snapshot() as db:
        text = report.as_csv(report.movements(db, day))
    disposition = f'attachment; filename="sandbox-{day.isoformat()}.csv"'
    return Answer(200, text.encode(), "text/csv; charset=utf-8", (("Content-Disposition", disposition),))


def transactions(site: Site, request: Request) -> Answer:
    day = fields.day(request.query)
    with site.calls.journal.snapshot() as db:
        moved = report.movements(db, day)
    return json_answer(200, {"transactions": [report.as_json(movement) for movement in moved]})


def list_faults(site: Site, request: Request) -> Answer:
    return json_answer(200, {"faults": site.calls.faults.public()})


def add_fault(site: Site, request: Request) -> Answer:
    fault = parse_fault(fields.parse_object(request.content))
    if fault.fault in AT_ONCE:
        _do_at_once(site, fault)
    else:
        site.calls.faults.add(fault)
    return json_answer(201, {"fault": fault.public(), "faults": site.calls.faults.public()})


def clear_faults(site: Site, request: Request) -> Answer:
    site.calls.faults.clear()
    return list_faults(site, request)


def write_history(site: Site, request: Request) -> Answer:
    body = fields.parse_object(request.content)
    with site.calls.turn() as turn:
        return json_answer(201, history.write_history(turn, body))


def show_challenge(site: Site, request: Request) -> Answer:
    charge = _charge(site, request)
    return pages.challenge_page(charge) if charge else pages.missing_page()


def approve_challenge(site: Site, request: Request) -> Answer:
    return _conclude_challenge(site, request, challenges.approve)


def fail_challenge(site: Site, request: Request) -> Answer:
    return _conclude_challenge(site, request, challenges.fail)


def _conclude_challenge(site: Site, request: Request, handler: Handler) -> Answer:
    """Back to the shop. A second click changes nothing, and goes there too."""
    # The browser sends a form; the click itself says everything.
    click = Request("POST", request.path, target=request.target)
    site.calls.answer("authenticate", handler, click)
    charge = _charge(site, request)
    if charge is None:
        return pages.missing_page()
    return Answer(303, b"", headers=(("Location", charge.return_url or f"/3ds/{charge.id}"),))


def _charge(site: Site, request: Request) -> Charge | None:
    with site.calls.journal.snapshot() as db:
        return find_charge(db, request.target)


def _do_at_once(site: Site, fault: Fault) -> None:
    if fault.fault == "refuse_connection":
        site.refuse_connections(fault.seconds or 0)
        return
    with site.calls.turn() as turn:
        if fault.fault == "forget_keys":
            turn.db.execute("DELETE FROM keys")
        else:
            expire_everything(turn)
