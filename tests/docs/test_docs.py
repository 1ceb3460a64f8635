"""Everything somebody can set, meet or run is in the documentation, and the documentation leads nowhere wrong."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from django.apps import apps
from django.core.management import get_commands

from config import settings

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = tuple(sorted([*ROOT.glob("*.md"), *ROOT.glob("benchmarks/*.md"), *ROOT.glob("docs/**/*.md")]))
PRODUCT: Final = ("config", "reconciliation", "payments", "fraud", "orders", "tests")
NOT_OURS: Final = frozenset({"PYTEST_XDIST_WORKER"})

READING: Final = r'''env\.\w+\(\s*"([A-Z][A-Z0-9_]+)"|(?:environ(?:ment)?|variables)(?:\.get\(|\[)"([A-Z][A-Z0-9_]+)"'''
"""How code asks for a variable: of the settings' reader, or of the environment itself."""

EVERY_KIND: Final = """
import django, json
django.setup()
from config.problems import every_kind
print(json.dumps([[kind.status, kind.code, kind.retriable] for kind in every_kind()]))
"""


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def rows(text: str) -> Iterator[list[str]]:
    """The cells of every table row."""
    for line in re.findall(r"^\|(.*)\|$", text, re.MULTILINE):
        yield [cell.strip() for cell in line.split(" | ")]


def first_names(text: str) -> set[str]:
    """What the first cells of a page's tables name in backticks."""
    return {name for row in rows(text) for name in re.findall(r"`([^`]+)`", row[0])}


def variables_read() -> set[str]:
    """What the settings ask for, and whatever the code reads beside them."""
    return {name for app in PRODUCT for path in (ROOT / app).rglob("*.py") for name in _read_by(path)} - NOT_OURS


def _read_by(path: Path) -> list[str]:
    if path.name.startswith("test_"):
        return []
    found = re.findall(READING, path.read_text(encoding="utf-8"))
    return [name for names in found for name in names if name]


def prose(path: Path) -> str:
    """A page without its code."""
    return re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)


def anchors(path: Path) -> set[str]:
    """What a heading is called in an address, as the usual hosts build it."""
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_every_environment_variable_is_documented_and_no_other() -> None:
    documented = {name for name in first_names(page("configuration.md")) if re.fullmatch(r"[A-Z][A-Z0-9_]+", name)}

    assert documented == variables_read()
    assert set(settings.env.names) <= documented


def test_every_error_code_is_documented_with_its_status_and_whether_to_retry() -> None:
    # In a process of its own: here other tests may have declared errors that nobody will ever meet.
    kinds = subprocess.run([sys.executable, "-c", EVERY_KIND], cwd=ROOT, capture_output=True, text=True, check=True)
    expected = {(str(status), code, "yes" if again else "no") for status, code, again in json.loads(kinds.stdout)}
    documented = [row for row in rows(page("errors.md")) if row[0].isdigit()]

    assert {(row[0], row[1].strip("`"), row[2]) for row in documented} == expected
    assert len(documented) == len(expected)


def test_every_management_command_is_documented_and_no_other() -> None:
    ours = {app.name for app in apps.get_app_configs() if app.name in PRODUCT}
    commands = {name for name, app in get_commands().items() if app in ours}
    section = page("commands.md").partition("## manage.py")[2]

    assert {name.split()[0] for name in first_names(section)} == commands


def test_every_make_target_is_documented_and_no_other() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    targets |= set(re.findall(r"^(lint-[a-z]+):", makefile, re.MULTILINE))
    section = page("commands.md").partition("## manage.py")[0]

    assert {name.removeprefix("make ") for name in first_names(section)} == targets


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", prose(path))
    broken = []
    for link in (link for link in links if not re.match(r"[a-z]+:", link)):
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)

    assert broken == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_page_names_a_path_of_somebodys_machine(path: Path) -> None:
    places = re.compile(r"(?<![\w.~-])/(?:home|Users|root|tmp|work|workspace)/[\w.-]+|\b[A-Z]:\\\w+")

    assert places.findall(path.read_text(encoding="utf-8")) == []


def test_every_decision_is_in_the_list_of_decisions() -> None:
    decisions = {path.name for path in (ROOT / "docs" / "adr").glob("[0-9]*.md")}

    assert set(re.findall(r"\((\d{4}-[\w-]+\.md)\)", page("adr/README.md"))) == decisions
