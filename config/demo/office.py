"""A member of staff at the back office: signs in and sends the forms of its pages, as a browser would."""

import re
from html import unescape
from http.cookies import SimpleCookie
from typing import Final
from urllib.parse import urlencode

import urllib3

from config.demo.registry import Unexpected, require
from config.demo.stack import Stack

SIGN_IN: Final = "/admin/login/"
FOUND: Final = 302


class Office:
    """A session of one person, with its cookies."""

    def __init__(self, stack: Stack, user: str) -> None:
        self._url = stack.url
        self._http = urllib3.PoolManager(retries=False, timeout=20.0)
        self._cookies: dict[str, str] = {}
        self.page = self._path = ""
        self.open(SIGN_IN)
        self._send(SIGN_IN, username=user, password=_password(stack), next="/admin/")
        require("Log out" in self.page, f"{user} could not sign in to the back office")

    def open(self, path: str) -> str:
        """The HTML of a page."""
        self._ask("GET", path)
        return self.page

    def send(self, action: str, **fields: str) -> str:
        """Send the form of the open page whose address ends with `action`; return the page it leads to.

        Raise Unexpected when the page offers no such button.
        """
        found = re.search(rf'\b(?:form)?action="([^"]*/{action}/)"', self.page)
        if found is None:
            raise Unexpected(f"the page has no button to {action}")
        self._send(unescape(found[1]), **fields)
        return self.page

    def fill_in(self, **fields: str) -> str:
        """Send the form of the open page to the page itself, with what it hides; return the page it leads to."""
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', self.page))
        self._send(self._path, **{**hidden, **fields})
        return self.page

    def _send(self, path: str, **fields: str) -> None:
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.page)
        self._ask("POST", path, urlencode({"csrfmiddlewaretoken": token[1] if token else "", **fields}))

    def _ask(self, method: str, path: str, form: str = "") -> None:
        """Ask, and follow where the answer leads: a form that was taken leads to a page."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        if form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        answer = self._http.request(method, self._url + path, body=form or None, headers=headers, redirect=False)
        for cookie in answer.headers.getlist("Set-Cookie"):
            self._cookies |= {name: morsel.value for name, morsel in SimpleCookie(cookie).items()}
        if answer.status == FOUND:
            self._ask("GET", answer.headers["Location"])
            return
        require(answer.status == 200, f"{method} {path} was answered with {answer.status}")
        self.page, self._path = answer.data.decode(), path


def _password(stack: Stack) -> str:
    found = re.search(r"^password +(\S+)$", stack.output, re.MULTILINE)
    if found is None:
        raise Unexpected("the stack has printed no password")
    return found[1]
