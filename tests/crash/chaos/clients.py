"""Clients, their customers and a reviewer, over HTTP: each repeats a request under its key until it knows."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import urllib3
from urllib3.exceptions import HTTPError

from tests.crash.chaos.plan import Errand
from tests.crash.world import Told

ADDRESS: Final = {"country": "US"}
FOR_A_PERSON: Final = ("needs_attention", "failed_compensation")
SAYS_NOTHING: Final = (429, 500, 503)


class GivenUpError(Exception):
    """Nobody could say within the client's patience what became of its request."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes

    def json(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed

    @property
    def code(self) -> str:
        """An error's code, else nothing."""
        return str(self.json().get("code", "")) if self.status >= 400 else ""

    @property
    def says_something(self) -> bool:
        return self.status not in SAYS_NOTHING and self.code != "idempotency_in_flight"


class Clients:
    """`patience`, in seconds, is how long one of them asks before it gives up. What was heard is counted."""

    def __init__(self, url: str, sandbox_url: str, *, tokens: Mapping[str, str], name: str, patience: float) -> None:
        self.told: list[Told] = []
        self.answers: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        self.done = 0
        self._url = url
        self._sandbox_url = sandbox_url
        self._tokens = tokens
        self._name = name
        self._patience = patience
        self._lock = threading.Lock()
        self._http = urllib3.PoolManager(maxsize=64, retries=False, timeout=8.0)
        self._chance = Random(name)

    def run(self, errands: Iterable[Errand], *, at_once: int) -> "Running":
        """Begin to work them off, so many at once."""
        pool = ThreadPoolExecutor(at_once, thread_name_prefix="client")
        return Running(pool, [pool.submit(self._run, errand) for errand in errands])

    def _run(self, errand: Errand) -> None:
        deadline = time.monotonic() + self._patience
        try:
            end = Shopping(self, errand, deadline).run()
        except GivenUpError as error:
            end = f"given up: {error}"
        with self._lock:
            self.ends[end] += 1
            self.done += 1

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        who: str = "client",
        key: str,
        deadline: float,
        **headers: str,
    ) -> Answer:
        """Ask again and again, until an answer says something; raise GivenUpError."""
        while time.monotonic() < deadline:
            answer = self._ask(method, path, body, who, key, headers)
            if answer is not None and answer.says_something:
                return answer
            self.pause(0.1, 0.5)
        raise GivenUpError(path.rpartition("/")[2])

    def _ask(self, method: str, path: str, body: Any, who: str, key: str, headers: Mapping[str, str]) -> Answer | None:
        sent = {"Authorization": f"Bearer {self._tokens[who]}", "Content-Type": "application/json", **headers}
        if key:
            sent["Idempotency-Key"] = key
        content = json.dumps(body) if body is not None else None
        try:
            response = self._http.request(method, f"{self._url}/v1/{path}", body=content, headers=sent)
        except HTTPError:
            self.count("no answer")
            return None
        self.count(str(response.status))
        if key:
            self.told.append(Told(key, response.status, response.data, "Idempotent-Replayed" in response.headers))
        return Answer(response.status, response.data)

    def click(self, url: str, button: str) -> None:
        """The customer answers the challenge, if the gateway's page is there."""
        address = self._sandbox_url + url[url.index("/3ds/") :]
        try:
            self._http.request("POST", f"{address}/{button}", fields={}, encode_multipart=False, redirect=False)
        except HTTPError:
            self.count("no challenge page")

    def count(self, answer: str) -> None:
        with self._lock:
            self.answers[answer] += 1

    def pause(self, least: float, most: float) -> None:
        time.sleep(self._chance.uniform(least, most))

    def key(self, what: str, errand: Errand) -> str:
        return f"{what}-{self._name}-{errand.number}"


class Running:
    """Clients at work."""

    def __init__(self, pool: ThreadPoolExecutor, futures: Sequence[Any]) -> None:
        self._pool = pool
        self._futures = futures

    def is_over(self) -> bool:
        return all(future.done() for future in self._futures)

    def result(self) -> None:
        """Wait, and raise what any of them raised."""
        for future in self._futures:
            future.result()
        self._pool.shutdown()


class Shopping:
    """One errand."""

    def __init__(self, clients: Clients, errand: Errand, deadline: float) -> None:
        self._clients = clients
        self._errand = errand
        self._deadline = deadline

    def run(self) -> str:
        """How it ended, in a few words."""
        order = self._place()
        with self._meanwhile(order):
            answer = self._pay(order)
        if answer.status == 201:
            self._give_back(answer.json()["charge"])
        if answer.status == 202:
            return f"in front of a person: {answer.json()['saga']['state']}"
        self._checkout(order)  # once more: what it is answered is compared with what was answered first
        return f"{answer.status} {answer.code or answer.json()['order']['status']}"

    def _place(self) -> dict[str, Any]:
        errand = self._errand
        body = {
            "reference": f"errand-{errand.number}",
            "currency": "USD",
            "customer": {"id": self._clients.key("customer", errand), "email": "jo@example.com"},
            "lines": [{"sku": errand.sku, "quantity": errand.quantity, "unit_amount": errand.unit_amount}],
            "billing": {**ADDRESS, "postal_code": "10001"},
            "shipping": {**ADDRESS, "postal_code": errand.postal_code},
        }
        answer = self._ask("POST", "orders", body, what="place")
        assert answer.status == 201, answer.body
        return answer.json()

    @contextmanager
    def _meanwhile(self, order: Mapping[str, Any]) -> Iterator[None]:
        """What else its client does at the same time: sends it twice, changes its mind."""
        acts: list[Callable[[Mapping[str, Any]], object]] = []
        if self._errand.is_sent_twice:
            acts.append(self._checkout)
        if self._errand.cancels_after is not None:
            acts.append(self._cancel)
        threads = [threading.Thread(target=self._quietly, args=(act, order)) for act in acts]
        for thread in threads:
            thread.start()
        yield
        for thread in threads:
            thread.join()

    def _quietly(self, act: Callable[[Mapping[str, Any]], object], order: Mapping[str, Any]) -> None:
        try:
            act(order)
        except GivenUpError:
            self._clients.count("given up")

    def _cancel(self, order: Mapping[str, Any]) -> None:
        time.sleep(self._errand.cancels_after or 0)
        self._ask("POST", f"orders/{order['id']}/cancel", {}, what="cancel")

    def _pay(self, order: Mapping[str, Any]) -> Answer:
        """Until the checkout is over, or a person has it."""
        while True:
            answer = self._checkout(order)
            if answer.status != 202 or answer.json()["saga"]["state"] in FOR_A_PERSON:
                return answer
            self._help_on(answer.json())
            self._clients.pause(0.2, 0.8)

    def _checkout(self, order: Mapping[str, Any]) -> Answer:
        body = {"payment_method": self._errand.payment_method}
        headers = {"Prefer": "respond-async"} if self._errand.prefers_async else {}
        return self._ask("POST", f"orders/{order['id']}/checkout", body, what="pay", **headers)

    def _help_on(self, body: Mapping[str, Any]) -> None:
        if body["next_action"]:
            self._clients.click(body["next_action"]["url"], self._errand.button)
        elif body["order"]["status"] == "in_review":
            self._review(body["order"]["id"])

    def _review(self, order: str) -> None:
        found = self._ask("GET", f"fraud/decisions?order={order}", who="operator")
        for decision in found.json()["results"]:
            if decision["decision"] in ("review", "challenge"):
                body = {"verdict": self._errand.verdict, "note": "Seen."}
                path = f"fraud/decisions/{decision['id']}/review"
                self._ask("POST", path, body, what=f"review-{decision['id']}", who="operator")

    def _give_back(self, charge: Mapping[str, Any]) -> None:
        for number, part in enumerate(self._errand.gives_back):
            body = {"amount": max(1, int(charge["amount"] * part)), "reason": "A scratch."}
            while self._ask("POST", f"charges/{charge['id']}/refunds", body, what=f"back-{number}").status == 202:
                self._clients.pause(0.2, 0.8)

    def _ask(
        self, method: str, path: str, body: Any = None, *, what: str = "", who: str = "client", **headers: str
    ) -> Answer:
        key = self._clients.key(what, self._errand) if what else ""
        return self._clients.ask(method, path, body, who=who, key=key, deadline=self._deadline, **headers)
