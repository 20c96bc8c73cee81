"""github: annotations of a workflow run.

GitHub shows ten errors and ten warnings of a step and drops the rest, so no
more are written; everything goes to the step's summary as Markdown.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from trilock.cli.output.formats.format import OutputFormat
from trilock.cli.output.outcome import Item, Level, Outcome, in_words
from trilock.cli.output.streams import clean
from trilock.cli.output.words import count

_AT_MOST: Final = 10
_COMMANDS: Final = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}
_SUMMARY: Final = "GITHUB_STEP_SUMMARY"


def render(outcome: Outcome) -> str:
    """Return *outcome* as workflow commands, and the verdict as a plain line."""
    return "".join(f"{line}\n" for line in _lines(outcome))


def _lines(outcome: Outcome) -> Iterator[str]:
    left = 0
    for level in (Level.ERROR, Level.WARNING):
        found = outcome.counted(level)
        yield from (
            _annotation(item, title=f"{item.rule} {section.title}")
            for section, item in found[:_AT_MOST]
        )
        left += len(found[_AT_MOST:])
    yield clean(f"{outcome.title}: {in_words(outcome.verdict)}")
    yield from (clean(line) for line in outcome.summary)
    if left:
        where = "the step summary" if os.environ.get(_SUMMARY) else "the text format"
        yield f"{count(left, 'finding')} more: see {where}"


def _annotation(item: Item, *, title: str) -> str:
    properties = [("title", title)]
    if item.place is not None:
        properties = [("file", item.place.file), ("line", str(item.place.line)), *properties]
    shown = ",".join(f"{name}={_property(value)}" for name, value in properties)
    message = f"{item.message} (mend: {item.remedy})" if item.remedy else item.message
    return f"::{_COMMANDS[item.level]} {shown}::{_data(message)}"


def _data(text: str) -> str:
    return clean(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def step_summary(outcome: Outcome) -> str:
    """Return all of *outcome* as Markdown."""
    lines = [f"### {_cell(outcome.title)}: {_cell(in_words(outcome.verdict))}", ""]
    lines += [f"{_cell(line)}  " for line in outcome.summary]
    for section in outcome.sections:
        lines += ["", f"#### {_cell(section.title)}: {_cell(in_words(section.verdict))}", ""]
        if section.items:
            lines += ["| | rule | path | finding | mend |", "|---|---|---|---|---|"]
        for item in section.items:
            level = f"waived {item.level}" if item.waived else item.level
            cells = (level, item.rule, item.path, item.message, item.remedy)
            lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    shown = clean(text)
    for character in "\\`*_|<>[]":
        shown = shown.replace(character, f"\\{character}")
    return shown


def _write_summary(outcome: Outcome) -> None:
    file = os.environ.get(_SUMMARY)
    if file:
        with Path(file).open("a", encoding="utf-8") as summary:
            summary.write(step_summary(outcome))


FORMAT = OutputFormat(
    name="github",
    purpose="annotations of a GitHub workflow",
    render=render,
    afterwards=_write_summary,
)
