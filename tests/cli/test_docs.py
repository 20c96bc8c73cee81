"""docs/cli.md and the program say the same."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from trilock.cli.app import app
from trilock.cli.exits import Exit

DOCS = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
SECTIONS = dict(
    re.findall(r"^### `(.+?)`\n(.*?)(?=^###? |\Z)", DOCS, flags=re.DOTALL | re.MULTILINE)
)


def commands(group: Any, *path: str) -> Iterator[tuple[str, Any]]:
    """Yield every command with its whole name."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *path, name)
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(commands(typer.main.get_command(app), "trilock"))


def test_every_command_has_a_section_and_every_section_a_command() -> None:
    assert set(SECTIONS) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_help(name: str) -> None:
    command = COMMANDS[name]

    assert command.help
    assert len(command.help.split("\n")[0]) <= 60, "the list of commands would cut it"
    for parameter in command.params:
        assert parameter.help, parameter.name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_in_its_section_and_no_other(name: str) -> None:
    options = {
        option
        for parameter in COMMANDS[name].params
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("--")
    }
    usage = "\n".join(line for line in SECTIONS[name].splitlines() if line.startswith("    "))

    assert set(re.findall(r"--[a-z][a-z-]*", usage)) == options - {"--help"}


def test_the_exit_codes_are_those_of_the_program() -> None:
    table = DOCS.split("## Exit codes")[1].split("##")[0]

    assert [int(code) for code in re.findall(r"^\| (\d+) \|", table, flags=re.MULTILINE)] == sorted(
        Exit
    )
