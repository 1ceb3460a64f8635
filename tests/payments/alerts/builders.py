"""Alerts, time that goes by, and somebody who listens for webhooks."""

import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

from django.db.models import F, Q

from payments.alerts import rounds, services
from payments.models import Alert, AlertNotice, SagaExecution
from tests.orders.builders import make_order

KIND = "missing_gateway"
"""A kind that no watcher looks for."""


def make_alert(subject: str = "", **fields: Any) -> Alert:
    alert = services.raise_alert(fields.pop("kind", KIND), subject, fields.pop("summary", "Something is wrong."))
    Alert.objects.filter(pk=alert.pk).update(**fields)
    return fresh(alert)


def make_stuck_saga(state: str = "failed_compensation", **fields: Any) -> SagaExecution:
    order = fields.pop("order", None) or make_order()
    row = {"definition": "checkout", "version": 1, "business_key": f"{order.public_id}:1", "order": order, **fields}
    return SagaExecution.objects.create(state=state, **row)


def fresh(alert: Alert) -> Alert:
    return Alert.objects.get(pk=alert.pk)


def pass_time(**span: float) -> None:
    """What time would do to alerts and to what is told of them."""
    by = timedelta(**span)
    _shift(Alert, by, "opened_at", "last_seen_at", "notified_at", "acknowledged_at", "snoozed_until")
    _shift(AlertNotice, by, "next_attempt_at")


def _shift(model: Any, by: timedelta, *names: str) -> None:
    for name in names:
        model.objects.exclude(**{name: None}).update(**{name: F(name) - by})


def run_round() -> None:
    rounds.watch()


def notices(alert: Alert, channel: str = "webhook") -> list[tuple[str, str]]:
    rows = AlertNotice.objects.filter(Q(alert=alert), channel=channel).order_by("id")
    return list(rows.values_list("event", "state"))


class Receiver:
    """Keeps what was posted to it: the headers and the very bytes. `answers` are given in turn, the last for ever.

    Answers wait for the `gate`, which is open unless a test shuts it.
    """

    def __init__(self, *answers: int) -> None:
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.answers = list(answers) or [204]
        self.url = ""
        self.gate = Event()
        self.gate.set()

    @property
    def events(self) -> list[str]:
        return [json.loads(body)["type"] for _headers, body in self.posts]

    def answer(self) -> int:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def receiving(
    *answers: int, headers: Mapping[str, str] | None = None, body: bytes = b"", tls: ssl.SSLContext | None = None
) -> Iterator[Receiver]:
    """`headers` and `body` go with every answer."""
    receiver = Receiver(*answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.posts.append(({name.lower(): value for name, value in self.headers.items()}, sent))
            receiver.gate.wait()
            status = receiver.answer()
            self.send_response(status)
            for name, value in {"Location": "/elsewhere", **(headers or {})}.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if status != 204:
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook?token=secret"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.gate.set()
        server.shutdown()
        server.server_close()
        thread.join()
