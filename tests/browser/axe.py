"""Looks at a page with axe-core, and says what would keep people from using it."""

from importlib.resources import files
from typing import Any, Final

from selenium.webdriver.chrome.webdriver import WebDriver

AXE: Final = files("selenium_axe_python").joinpath("axe-core", "axe.min.js").read_text(encoding="utf-8")
GRAVE: Final = ("serious", "critical")


def grave_faults(browser: WebDriver) -> list[str]:
    """The serious and critical faults of the page, in light and in dark."""
    return sorted({fault for scheme in ("light", "dark") for fault in _faults(browser, scheme)})


def _faults(browser: WebDriver, scheme: str) -> list[str]:
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    browser.refresh()  # colours that change while they are looked at are neither the old nor the new ones
    browser.execute_script(AXE)
    found = browser.execute_async_script("axe.run({resultTypes: ['violations']}).then(arguments[0])")
    grave = [rule for rule in found["violations"] if rule["impact"] in GRAVE]
    return [_told(scheme, rule, place) for rule in grave for place in rule["nodes"]]


def _told(scheme: str, rule: dict[str, Any], place: dict[str, Any]) -> str:
    return f"{rule['impact']}: {rule['id']} at {place['target']} ({scheme}): {place['failureSummary']}"
