"""Which path and method means what."""

import re
from collections.abc import Callable

from payments.sandbox import carrier, control, disputes, gateway, look_ups
from payments.sandbox.calls import Handler
from payments.sandbox.control import Site
from payments.sandbox.messages import Answer, Refusal, Request

Endpoint = Callable[[Site, Request], Answer]


def _call(operation: str, handler: Handler) -> Endpoint:
    """An endpoint whose every call is in the journal."""
    return lambda site, request: site.calls.answer(operation, handler, request)


PATHS: dict[str, dict[str, Endpoint]] = {
    "/v1/charges": {
        "POST": _call("authorize", gateway.authorize),
        "GET": _call("look_up", look_ups.look_up_charges),
    },
    "/v1/charges/{id}": {"GET": _call("look_up", look_ups.look_up_charge)},
    "/v1/charges/{id}/capture": {"POST": _call("capture", gateway.capture)},
    "/v1/charges/{id}/void": {"POST": _call("void", gateway.void)},
    "/v1/charges/{id}/refunds": {"POST": _call("refund", gateway.refund)},
    "/v1/operations": {"GET": _call("look_up", look_ups.look_up_operations)},
    "/v1/operations/{id}": {"GET": _call("look_up", look_ups.look_up_operation)},
    "/v1/shipments": {
        "POST": _call("ship", carrier.ship),
        "GET": _call("look_up", look_ups.look_up_shipments),
    },
    "/v1/shipments/{id}": {"GET": _call("look_up", look_ups.look_up_shipment)},
    "/v1/shipments/{id}/cancel": {"POST": _call("cancel_shipment", carrier.cancel_shipment)},
    "/v1/transactions": {"GET": control.transactions},
    "/journal": {"GET": control.journal},
    "/report.csv": {"GET": control.report_csv},
    "/faults": {"GET": control.list_faults, "POST": control.add_fault, "DELETE": control.clear_faults},
    "/history": {"POST": control.write_history},
    "/healthz": {"GET": control.health},
    "/disputes/{id}": {"POST": _call("close_dispute", disputes.close)},
    "/3ds/{id}": {"GET": control.show_challenge},
    "/3ds/{id}/approve": {"POST": control.approve_challenge},
    "/3ds/{id}/fail": {"POST": control.fail_challenge},
}

_PATTERNS = [
    (re.compile(re.escape(path).replace(r"\{id\}", "(?P<id>[A-Za-z0-9_]{1,64})")), methods)
    for path, methods in PATHS.items()
]


def find_endpoint(method: str, path: str) -> tuple[Endpoint, str]:
    """The endpoint and the id in the path ("" where there is none). Raises Refusal: 404 or 405."""
    for pattern, methods in _PATTERNS:
        if match := pattern.fullmatch(path):
            if method not in methods:
                raise Refusal(405, "method_not_allowed", f"{path} takes {', '.join(methods)}.")
            return methods[method], match.groupdict().get("id", "")
    raise Refusal(404, "not_found", f"There is nothing at {path}.")
