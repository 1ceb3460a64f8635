"""Where the browser is, if there is one."""

import shutil
from dataclasses import dataclass

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
MISSING = "not found (no chromium, or no chromedriver, on PATH): the browser tests are skipped"
HAS_LOOKED = "PAYDESK_BROWSER_HAS_LOOKED"
"""In the environment of the second database's run: what a page looks like does not depend on the database, and
every page is rendered on both by other tests."""


@dataclass(frozen=True, slots=True)
class Programs:
    browser: str
    driver: str


def find() -> Programs | None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    return Programs(browser, driver) if browser and driver else None
