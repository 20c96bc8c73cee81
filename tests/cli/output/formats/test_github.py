from pathlib import Path

import pytest

from tests.cli.output.formats.outcomes import BROKEN, ERROR, HOSTILE, STRANGE, crowded
from trilock.cli.output.formats.github import FORMAT, render, step_summary


@pytest.fixture(autouse=True)
def summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(file))
    return file


def test_annotations_name_file_and_line() -> None:
    title = "delay@production%2C live%3A bundle 2"
    broken = "models/delay/bundles/2 would break (FIT001): it expects 'wind' (mend: keep it)"
    assert render(BROKEN).splitlines() == [
        f"::error file=feature_repo/features.py,line=12,title=CON001 {title}::{broken}",
        f"::warning title=POL001 {title}::the waiver expired (mend: renew it)",
        "feature repository feature_repo: incompatible",
        "breaks delay@production: bundle 2 is live",
    ]


@pytest.mark.parametrize(
    ("errors", "warnings", "annotated", "last"),
    [
        (10, 10, 20, "repository: incompatible"),
        (11, 0, 10, "1 finding more: see the step summary"),
        (25, 25, 20, "30 findings more: see the step summary"),
    ],
)
def test_no_more_than_github_shows(errors: int, warnings: int, annotated: int, last: str) -> None:
    lines = render(crowded(errors, warnings)).splitlines()

    assert sum(line.startswith("::") for line in lines) == annotated
    assert lines[-1] == last


def test_everything_goes_into_the_step_summary(summary: Path) -> None:
    assert FORMAT.afterwards is not None
    summary.write_text("of another step\n")

    FORMAT.afterwards(crowded(25, 25))

    text = summary.read_text()
    assert text.startswith("of another step\n### repository: incompatible")
    assert text.count("| error | CON001 |") == 25
    assert text.count("| warning | POL001 |") == 25
    assert text.count(ERROR.message.replace("_", "\\_")) == 25


def test_without_a_summary_nothing_is_written(
    summary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY")
    assert FORMAT.afterwards is not None

    FORMAT.afterwards(BROKEN)

    assert not summary.exists()
    assert render(crowded(11, 0)).endswith("1 finding more: see the text format\n")


def test_what_was_found_makes_no_command_and_no_markup() -> None:
    annotation = render(STRANGE).splitlines()[0]

    assert annotation.startswith("::error file=weird name%2C 100%25.py,line=1,title=NEW001 a ")
    assert annotation.count("::") == 2
    cell = step_summary(STRANGE).splitlines()[-1]
    assert cell.count("|") - cell.count("\\|") == 6
    assert "<b>" not in cell.replace("\\<", "")
    assert HOSTILE not in cell
