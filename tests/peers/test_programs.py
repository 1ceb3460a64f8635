"""Installing a peer once, and saying why it cannot be had."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.peers import programs
from tests.peers.programs import MissingError, Program


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Its installation writes a line into `installed`."""
    return Program(
        "thing",
        "1.0",
        needs=("sh",),
        installation=lambda folder: [["sh", "-c", f"echo once >> {folder}/installed"]],
        command=lambda folder, port: [],
        environment=lambda port: {},
        cache=tmp_path,
    )


def test_it_is_installed_once(program: Program) -> None:
    programs.obtain(program)
    programs.obtain.cache_clear()
    folder = programs.obtain(program)

    assert (folder / "installed").read_text() == "once\n"


def test_an_installation_that_was_broken_off_is_made_anew(program: Program) -> None:
    program.folder.mkdir(parents=True)
    (program.folder / "installed").write_text("half of\n")

    folder = programs.obtain(program)

    assert (folder / "installed").read_text() == "once\n"


def test_what_it_needs_and_is_not_there_is_named(program: Program) -> None:
    with pytest.raises(MissingError, match="no thing-of-nobody on PATH"):
        programs.obtain(replace(program, needs=("sh", "thing-of-nobody")))


def test_an_installation_that_fails_says_what_it_said_last(program: Program) -> None:
    failing = replace(program, installation=lambda folder: [["sh", "-c", "echo first; echo no network >&2; exit 3"]])

    with pytest.raises(MissingError, match="cannot be installed: no network"):
        programs.obtain(failing)
    assert not list(program.folder.iterdir())


def test_an_installation_that_cannot_begin_says_so(program: Program) -> None:
    with pytest.raises(MissingError, match="cannot be installed"):
        programs.obtain(replace(program, installation=lambda folder: [[str(folder / "nothing")]]))
