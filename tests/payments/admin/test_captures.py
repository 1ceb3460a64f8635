import re
from typing import Any

import pytest
from django.test import Client

from payments import captures
from payments.models import CaptureStop
from tests.office import Office
from tests.payments.builders import advance, run_checkout
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db

PAGE = "payments_capturestop_changelist"
WHY = "The gateway charges <twice>."


def press(office: Office, do: str, reason: str = WHY) -> Any:
    return office.post(PAGE, do=do, reason=reason)


def banners(html: str) -> int:
    return html.count('class="banner"')


def test_an_operator_stops_captures_and_lets_them_go_on(office: Office, sandbox: Sandbox) -> None:
    html = press(office, "stop").content.decode()
    assert "All captures are stopped." in html
    assert CaptureStop.objects.get().stopped_by == office.user.username
    saga = run_checkout()
    assert saga.waiting_for == "captures_stopped"

    html = press(office, "resume", "Mended.").content.decode()

    assert "Checkouts that waited for it: 1" in html
    assert "Mended." in html
    assert advance(saga).state == "completed"


@pytest.mark.parametrize("do", ["stop", "resume"])
@pytest.mark.parametrize("reason", ["", "   ", "x" * 501])
def test_without_a_reason_nothing_is_switched(office: Office, do: str, reason: str) -> None:
    if do == "resume":
        captures.stop_captures(by="somebody", reason="Before.")

    response = press(office, do, reason)

    assert response.status_code == 400
    assert list(CaptureStop.objects.values_list("is_over", flat=True)) == ([False] if do == "resume" else [])


def test_a_page_that_has_grown_old_does_not_do_the_opposite(office: Office) -> None:
    captures.stop_captures(by="somebody", reason="Before.")

    html = press(office, "stop").content.decode()

    assert "Captures were stopped already by somebody: Before." in html
    assert CaptureStop.objects.get().reason == "Before."


@pytest.mark.parametrize("group", ["Auditor", "Finance", "Fraud analyst"])
def test_who_may_not_stop_captures_changes_nothing(group: str) -> None:
    assert press(Office(groups=(group,)), "stop").status_code == 403
    captures.stop_captures(by="somebody", reason="Before.")
    assert press(Office(groups=(group,)), "resume").status_code == 403

    assert CaptureStop.objects.get().is_over is False


def test_an_auditor_sees_every_stop_and_no_switch() -> None:
    captures.stop_captures(by="ann", reason=WHY)
    captures.resume_captures(by="joe", reason="Mended.")

    html = Office(groups=("Auditor",)).page(PAGE)

    for told in ("ann", "&lt;twice&gt;", "joe", "Mended."):
        assert told in html
    assert "<button" not in html.partition('id="content-main"')[2]


def test_who_may_not_view_it_does_not() -> None:
    assert Office(groups=("Finance",)).get(PAGE).status_code == 403


def test_while_captures_are_stopped_every_page_says_so(office: Office) -> None:
    finance = Office(groups=("Finance",))
    pages = ["index", PAGE, "payments_sagaexecution_changelist", "time_zone"]
    assert {banners(office.page(page)) for page in pages} == {0}

    captures.stop_captures(by="ann", reason=WHY)

    shown = [office.page(page) for page in pages]
    assert {banners(html) for html in shown} == {1}
    assert all("by ann: The gateway charges &lt;twice&gt;." in html for html in shown)
    assert '<a href="/admin/payments/capturestop/">Look at captures</a></p>' in shown[0]
    assert banners(finance.page("index")) == 1
    assert '<a href="/admin/payments/capturestop/">Look at captures</a></p>' not in finance.page("index")


def test_a_stranger_at_the_door_is_not_told(client: Client) -> None:
    captures.stop_captures(by="ann", reason=WHY)

    assert banners(client.get("/admin/login/").content.decode()) == 0


def test_more_stops_take_no_more_queries(office: Office, sandbox: Sandbox) -> None:
    counts = []
    for more in (2, 6):
        for _ in range(more):
            captures.stop_captures(by="ann", reason=WHY)
            run_checkout()
            captures.resume_captures(by="ann", reason=WHY)
        counts.append(office.queries(PAGE))

    assert counts[0] == counts[1]


def test_it_holds_to_the_content_security_policy(office: Office) -> None:
    captures.stop_captures(by="ann", reason=WHY)

    html = office.page(PAGE)

    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)", html)
