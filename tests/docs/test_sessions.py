"""The sessions of the README and of the API's quickstart, pasted at a running stack, say what stands below them."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.docs.session import ROOT, blocks, free_port, running_stack, without_ids

BASH: Final = shutil.which("bash") or ""

Paste = Callable[..., list[str]]
"""Runs a program with blocks of a page as its input; what each of them printed."""

pytestmark = pytest.mark.skipif(not (BASH and shutil.which("curl")), reason="needs bash and curl")


@pytest.fixture
def paste(process_environment: dict[str, str], tmp_path: Path) -> Iterator[Paste]:
    port, sandbox_port = str(free_port()), str(free_port())
    here = {
        ".venv/bin/python": sys.executable,
        ":8000": f":{port}",
        ":8001": f":{sandbox_port}",
        "var/": f"{tmp_path}/",
    }
    environment = process_environment | {"PORT": port, "SANDBOX_PORT": sandbox_port, "CHECKOUT_WAIT_SECONDS": "30"}

    def run(program: str, pasted: list[str], mark: str, **variables: str) -> list[str]:
        script = "".join(f"{block}\n{mark}\n" for block in pasted)
        for there, mine in here.items():
            script = script.replace(there, mine)
        ran = subprocess.run(
            [program], input=script, cwd=ROOT, env=environment | variables, capture_output=True, text=True
        )
        assert ran.stderr == ""
        return without_ids(ran.stdout.replace("\r", "")).split("#\n")

    with running_stack(environment, tmp_path / "stack.log"):
        yield run


def test_the_readmes_commands_print_what_stands_below_them(paste: Paste) -> None:
    session = blocks("README.md", "bash")

    printed = paste(BASH, [commands for commands, _ in session], "echo '#'")

    assert printed[:-1] == [without_ids(shown) for _, shown in session]


def test_the_quickstarts_commands_and_its_python_print_what_stands_below_them(paste: Paste) -> None:
    shell, python = blocks("docs/api.md", "bash"), blocks("docs/api.md", "python")

    printed = paste(BASH, [*(commands for commands, _ in shell), 'echo "$API $TOKEN"'], "echo '#'")
    api, token = printed[len(shell)].split()
    said = paste(sys.executable, [code for code, _ in python], "print('#')", API=api, TOKEN=token)

    assert printed[: len(shell)] == [without_ids(shown) for _, shown in shell]
    assert said[:-1] == [without_ids(shown) for _, shown in python]
