"""From the dashboard to a failed webhook that is acted on again."""

from payments.models import LedgerPosting, WebhookEvent
from tests.browser.desk import Desk
from tests.payments.webhooks.events import missed_capture, nonsense
from tests.sandbox import Sandbox


def test_a_failed_event_is_found_on_the_dashboard_previewed_and_replayed(desk: Desk, sandbox: Sandbox) -> None:
    event = missed_capture(sandbox)
    desk.sit_down("Operator")
    desk.open()

    desk.follow("Webhooks failed 1")
    desk.click(event.public_id)
    desk.assert_sees("It could not be acted on", "Nobody has replayed it or set it aside.")
    desk.click("See what a replay would change")
    desk.assert_sees("capture of 25.00 USD posted: debit gateway clearing, credit sales", "Nothing was changed yet.")
    assert not LedgerPosting.objects.exists()
    desk.click("Replay")

    desk.assert_sees("failed -> processed", "captured 0.00 USD -> 25.00 USD", "What people did")
    assert (WebhookEvent.objects.get().status, LedgerPosting.objects.get().amount_minor) == ("processed", 25_00)


def test_what_nobody_can_act_on_is_set_aside(desk: Desk, sandbox: Sandbox) -> None:
    event = nonsense()
    desk.sit_down("Operator")
    desk.open(f"/admin/payments/webhookevent/{event.public_id}/change/")

    desk.click("Set aside")
    desk.fill("Why nobody has to act on it", "Sent by a test account.")
    desk.click("Set aside")

    desk.assert_sees("Set aside: Sent by a test account.")
    assert WebhookEvent.objects.get().status == "ignored"
