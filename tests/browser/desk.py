"""The back office in a browser, used as a person does: by what is written on a page."""

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3
from django.contrib.auth.models import User
from django.test import Client
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException, TimeoutException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from orders.ids import new_id
from tests.browser.programs import Programs
from tests.config.builders import make_user
from tests.processes import wait_until

FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars --window-size=1280,900"
)
CLICKED = "self::a or self::button or self::summary or self::input[@type='submit']"
FILLED = "input:not([type=hidden]):not([type=submit]), select, textarea"
PASSWORD = "correct horse battery staple"


def launch(programs: Programs, folder: Path) -> WebDriver:
    """A browser with a profile of its own; its console and its requests are recorded."""
    options = Options()
    options.binary_location = programs.browser
    for flag in (*FLAGS.split(), f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return WebDriver(options=options, service=Service(programs.driver))


class Desk:
    """One person's browser, beginning signed out. `faults` are what no page may have."""

    def __init__(self, browser: WebDriver, url: str) -> None:
        self.browser = browser
        self.url = url
        self.browser.execute_cdp_cmd("Network.clearBrowserCookies", {})
        self.browser.get("about:blank")
        self.faults()

    def sit_down(self, *groups: str) -> User:
        """Be signed in as a new member of these groups."""
        user = make_staff(*groups)
        client = Client()
        client.force_login(user)
        session = client.cookies["sessionid"].value
        cookie = {"name": "sessionid", "value": session, "url": self.url, "httpOnly": True}
        self.browser.execute_cdp_cmd("Network.setCookie", cookie)
        return user

    def sign_in(self, username: str, password: str = PASSWORD) -> None:
        """By the form, on whatever page shows it."""
        self.fill("Username", username)
        self.fill("Password", password)
        self.click("Log in")

    def open(self, path: str = "/admin/") -> None:
        self.browser.get(self.url + path)

    def click(self, text: str) -> None:
        """The first thing of this text that can be clicked."""
        self._act(text, lambda: self._clickable(text), WebElement.click)

    def can_click(self, text: str) -> bool:
        """On the page as it is now, once it stands still."""
        seen: list[bool] = self._eventually(lambda: [any(each.is_displayed() for each in self._clickable(text))])
        return seen[0]

    def fill(self, label: str, value: str) -> None:
        """The field that a screen reader would call so, first of all."""

        def write(field: WebElement) -> None:
            if field.tag_name != "select":
                field.clear()
            field.send_keys(value)

        self._act(label, lambda: self._fields(label), write)

    def tick(self, label: str) -> None:
        self._act(label, lambda: self._fields(label), WebElement.click)

    def open_list(self, name: str) -> None:
        """From the dashboard."""
        self.open()
        path = f'//th//a[normalize-space()="{name}"]'
        self._act(name, lambda: self.browser.find_elements(By.XPATH, path), WebElement.click)

    def follow(self, text: str) -> None:
        """A link, or a thing to unfold, that says this among other things."""
        path = f'//*[self::a or self::summary][contains(normalize-space(), "{text}")]'
        self._act(text, lambda: self.browser.find_elements(By.XPATH, path), WebElement.click)

    def find(self, text: str) -> None:
        """By the box at the top of every page."""
        self.fill("Find an order", text)
        self.click("Find")

    def search(self, text: str) -> None:
        self.fill("Search", text)
        self.click("Search")

    @property
    def text(self) -> str:
        """All that can be read on the page."""
        return str(self._eventually(lambda: self.browser.find_element(By.TAG_NAME, "body").text))

    @property
    def path(self) -> str:
        return urlsplit(self.browser.current_url).path

    def sees(self, *texts: str) -> bool:
        shown = self.text
        return all(text in shown for text in texts)

    def assert_sees(self, *texts: str) -> None:
        """All of it, once the page that is on its way has come."""
        is_seen = self._eventually(lambda: self.sees(*texts))
        assert is_seen, f"one of {texts} is not on {self.path}, which says:\n{self.text}"

    def assert_at(self, path: str) -> None:
        """There, once the page that is on its way has come."""
        assert self._eventually(lambda: self.path == path), f"the browser is at {self.path} and not at {path}"

    def assert_sees_no_more(self, text: str) -> None:
        is_gone = self._eventually(lambda: not self.sees(text))
        assert is_gone, f"{text!r} is still on {self.path}"

    def wait_for(self, text: str) -> None:
        """Load the page again and again until the text is there."""

        def look() -> bool:
            self.browser.refresh()
            return self.sees(text)

        wait_until(look)

    def status(self, path: str) -> int:
        """What the server answers to this person, asked beside the browser, which would call a 403 an error."""
        cookies = "; ".join(f"{each['name']}={each['value']}" for each in self.browser.get_cookies())
        return urllib3.request("GET", self.url + path, headers={"Cookie": cookies}, redirect=False, timeout=20.0).status

    def faults(self) -> list[str]:
        """Errors in the console, policies violated and other hosts asked, since this was last called."""
        host = urlsplit(self.url).netloc
        strangers = [url for url in self._requested() if urlsplit(url).netloc not in ("", host)]
        return [*(entry["message"] for entry in self._console()), *(f"asked {url}" for url in strangers)]

    def photograph(self) -> Path:
        """A picture of the page, in a folder that is kept."""
        path = Path(tempfile.mkdtemp(prefix="paydesk-browser-")) / "page.png"
        self.browser.save_screenshot(str(path))
        return path

    def _clickable(self, text: str) -> list[WebElement]:
        is_called = f'normalize-space()="{text}" or @value="{text}" or @aria-label="{text}"'
        return self.browser.find_elements(By.XPATH, f"//*[{CLICKED}][{is_called}]")

    def _fields(self, label: str) -> list[WebElement]:
        fields = self.browser.find_elements(By.CSS_SELECTOR, FILLED)
        return [each for each in fields if each.accessible_name.startswith(label)]

    def _act(self, name: str, find: Callable[[], list[WebElement]], act: Callable[[WebElement], None]) -> None:
        """Do it to the first one shown; found and lost again because its page went, it is looked for anew."""

        def attempt() -> bool:
            shown = next((element for element in find() if element.is_displayed()), None)
            if shown is not None:
                act(shown)
            return shown is not None

        assert self._eventually(attempt), f"there is no {name!r} on {self.path}, which says:\n{self.text}"

    def _eventually(self, look: Callable[[], Any]) -> Any:
        """What is seen once there is something, or None: a page may be replaced while it is looked at."""
        wait = WebDriverWait(self.browser, 5, 0.1, [StaleElementReferenceException, NoSuchElementException])
        try:
            return wait.until(lambda _browser: look())
        except TimeoutException:
            return None

    def _console(self) -> list[dict[str, Any]]:
        """Errors, and whatever is about security: that is where a violated Content-Security-Policy is."""
        entries: list[dict[str, Any]] = self.browser.get_log("browser")
        return [entry for entry in entries if entry["level"] == "SEVERE" or entry.get("source") == "security"]

    def _requested(self) -> Iterator[str]:
        for entry in self.browser.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                yield message["params"]["request"]["url"]


def make_staff(*groups: str, password: str | None = None, is_staff: bool = True) -> User:
    user = make_user(f"staff-{new_id()}", groups=groups)
    user.is_staff = is_staff
    user.set_password(password)
    user.save()
    return user
