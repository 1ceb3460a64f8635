"""Who may do what: the groups that exist after `migrate`."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

from django.apps import apps as installed

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "API client": (
        "orders.add_order",
        "orders.change_order",
        "orders.view_order",
        "payments.add_chargeattempt",
        "payments.view_chargeattempt",
        "payments.add_refund",
        "payments.view_refund",
        "payments.view_dispute",
        "payments.view_sagaexecution",
        "payments.view_clientevent",
        "payments.view_eventdelivery",
        "payments.*_webhookendpoint",
        "payments.rotate_webhook_secret",
        "payments.test_webhook_endpoint",
        "payments.resend_event",
        "fraud.view_decision",
    ),
    "Operator": (
        "orders.access_all_clients",
        "orders.view_*",
        "orders.change_order",
        "orders.add_stockitem",
        "orders.change_stockitem",
        "payments.view_*",
        "payments.add_chargeattempt",
        "payments.add_refund",
        "payments.change_alert",
        "payments.add_gatewayroute",
        "payments.change_gatewayroute",
        "payments.delete_gatewayroute",
        "payments.change_sagaexecution",
        "payments.retry_saga",
        "payments.look_up_saga",
        "payments.skip_step",
        "payments.edit_saga_context",
        "payments.resolve_unknown",
        "payments.mark_compensated",
        "payments.compensate_saga",
        "payments.pause_saga",
        "payments.force_complete_saga",
        "payments.force_fail_saga",
        "payments.approve_intervention",
        "payments.answer_dispute",
        "payments.change_webhookevent",
        "payments.replay_webhookevent",
        "payments.stop_captures",
        "payments.force_circuit",
        "payments.*_webhookendpoint",
        "payments.rotate_webhook_secret",
        "payments.test_webhook_endpoint",
        "payments.resend_event",
        "fraud.view_decision",
        "fraud.view_reviewcase",
        "fraud.change_reviewcase",
    ),
    "Fraud analyst": (
        "orders.access_all_clients",
        "orders.view_order",
        "payments.view_chargeattempt",
        "payments.view_dispute",
        "payments.view_refund",
        "fraud.view_*",
        "fraud.change_reviewcase",
        "fraud.add_rule",
        "fraud.change_rule",
        "fraud.add_ruleset",
        "fraud.change_ruleset",
        "fraud.add_listentry",
        "fraud.change_listentry",
        "fraud.delete_listentry",
    ),
    "Finance": (
        "orders.access_all_clients",
        "orders.view_order",
        "payments.view_chargeattempt",
        "payments.view_dispute",
        "payments.view_ledgerposting",
        "payments.view_refund",
        "reconciliation.add_*",
        "reconciliation.change_*",
        "reconciliation.view_*",
    ),
    "Auditor": (
        "orders.access_all_clients",
        "orders.view_*",
        "payments.view_*",
        "fraud.view_*",
        "reconciliation.view_*",
        "admin.view_logentry",
        "auth.view_*",
        "knox.view_authtoken",
    ),
}
"""Permissions by name; `view_*` takes in models that come later."""


def make_groups(*, using: str, apps: Any = installed, **_: Any) -> None:
    """Add what is missing and take nothing away: an administrator may have given a group more.

    `apps` are those of the migrations that have run, where an early one has no groups yet; `flush` names none.
    """
    try:
        group_model, permission_model = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    except LookupError:
        return
    permissions = permission_model.objects.using(using).select_related("content_type")
    by_name = {f"{row.content_type.app_label}.{row.codename}": row for row in permissions}
    for name, patterns in GROUPS.items():
        group, _created = group_model.objects.using(using).get_or_create(name=name)
        group.permissions.add(*(row for full, row in by_name.items() if _is_granted(full, patterns)))


def _is_granted(permission: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(permission, pattern) for pattern in patterns)
