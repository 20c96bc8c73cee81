"""Every format has a module, a section in the docs, a test, and survives what is strange."""

import re
from pathlib import Path

import pytest

from tests.cli.output.formats.outcomes import EVERY
from trilock.cli.output import formats
from trilock.cli.output.formats import FORMATS, CheckFormat
from trilock.cli.output.outcome import Outcome

ROOT = Path(__file__).parents[4]


def test_the_command_line_the_modules_the_docs_and_the_tests_name_the_same_formats() -> None:
    folder = Path(formats.__path__[0])
    docs = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8").split("## Output")[1]

    modules = {file.stem for file in folder.glob("*.py")} - {"__init__", "format"}
    tests = {file.stem for file in Path(__file__).parent.glob("test_*.py")} - {"test_catalogue"}

    assert [name.value for name in CheckFormat] == list(FORMATS)
    assert modules == set(FORMATS)
    assert re.findall(r"^### `(\w+)`$", docs, flags=re.MULTILINE) == list(FORMATS)
    assert tests == {f"test_{name}" for name in FORMATS}


@pytest.mark.parametrize("outcome", EVERY)
@pytest.mark.parametrize("name", FORMATS)
def test_nothing_that_was_found_can_steer_a_terminal_or_break_a_line(
    name: str, outcome: Outcome
) -> None:
    written = FORMATS[name].render(outcome)

    assert written.endswith("\n")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f]", written)
