"""Every command and every reason that docs/oncall.md names is one that there is."""

import re
import shlex
from pathlib import Path
from typing import Final

import click
import pytest
import typer.main

from trilock.cli.app import app
from trilock.server.checks.readiness import ReadinessState
from trilock.v1.error_reason_pb2 import ErrorReason

PAGE: Final = (Path(__file__).parents[2] / "docs" / "oncall.md").read_text(encoding="utf-8")
WRITTEN: Final = {
    line.split("  #")[0].strip()
    for line in re.findall(r"^    (trilock .+)$|`(trilock [^`]+)`", PAGE, flags=re.MULTILINE)
    for line in line
    if line
}
EXAMPLES: Final = {
    "BUNDLE": "16",
    "RELEASE": "4",
    "REVISION": "5",
    "OPERATION": "0123456789abcdef0123456789abcdef",
    "WHY": "mended",
}


@pytest.mark.parametrize("written", sorted(WRITTEN))
def test_every_command_is_one(written: str) -> None:
    _, *words = (EXAMPLES.get(word, word) for word in shlex.split(written))
    command = typer.main.get_command(app)
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]

    command.make_context(command.name, words)


def test_it_tells_the_three_commands_first() -> None:
    assert re.findall(r"^    (trilock \w+)", PAGE, flags=re.MULTILINE)[:3] == [
        "trilock status",
        "trilock rollback",
        "trilock history",
    ]


def test_every_reason_is_one() -> None:
    named = set(re.findall(r"\b[A-Z]+_[A-Z_]+\b", PAGE))
    states = set(re.findall(r"\b(?:UNPROVEN|READY|NOT_READY)\b", PAGE))

    assert {f"ERROR_REASON_{name}" for name in named - states} <= set(ErrorReason.keys())
    assert states <= {state.value for state in ReadinessState}
    assert named
