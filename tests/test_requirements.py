"""The lock files are what every command installs: they must fit together, and name no place to install from."""

import re
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements"


def pins(name: str) -> set[str]:
    return set(re.findall(r"^[a-z0-9-]+==[^\\]+", (REQUIREMENTS / name).read_text(), re.MULTILINE))


def test_the_development_lock_holds_all_of_the_runtime_lock() -> None:
    assert pins("runtime.txt") <= pins("dev.txt")


def test_no_lock_names_an_address() -> None:
    texts = [path.read_text() for path in REQUIREMENTS.glob("*.txt")]

    assert len(texts) == 2
    assert not any("://" in text or "--index" in text for text in texts)
