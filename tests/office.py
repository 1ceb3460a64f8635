"""The back office as one member of staff meets it."""

from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from orders.ids import new_id
from tests.config.builders import make_user

ALL_CLIENTS = "orders.access_all_clients"


class Office:
    """`groups` and `permissions` are the person's own; staff who sees nothing has none."""

    def __init__(self, *permissions: str, groups: tuple[str, ...] = ()) -> None:
        self.user = make_user(f"staff-{new_id()}", *permissions, groups=groups)
        User.objects.filter(pk=self.user.pk).update(is_staff=True)
        self._http = Client()
        self._http.force_login(self.user)

    def get(self, name: str, /, *arguments: object, **query: str) -> Any:
        return self._http.get(reverse(f"admin:{name}", args=arguments), query)

    def follow(self, address: str) -> Any:
        """Where a link of a page leads."""
        return self._http.get(address)

    def post(self, name: str, /, *arguments: object, **form: object) -> Any:
        return self._http.post(reverse(f"admin:{name}", args=arguments), form, follow=True)

    def send(self, address: str, /, **form: object) -> str:
        """The page to which a form of that address leads."""
        return str(self._http.post(address, form, follow=True).content.decode())

    def page(self, name: str, /, *arguments: object, **query: str) -> str:
        response = self.get(name, *arguments, **query)
        assert response.status_code == 200
        return str(response.content.decode())

    def queries(self, name: str, /, *arguments: object) -> int:
        with CaptureQueriesContext(connection) as queries:
            self.page(name, *arguments)
        return len(queries)
