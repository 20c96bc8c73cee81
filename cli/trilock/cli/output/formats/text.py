"""text: for people. Grouped by how much it weighs; coloured on a terminal only."""

import os
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

import typer

from trilock.cli.output.formats.format import OutputFormat
from trilock.cli.output.outcome import Item, Level, Outcome, Section, in_words
from trilock.cli.output.streams import clean
from trilock.cli.output.words import count

_COLOURS: Final = {
    "COMPATIBLE": "green",
    "COMPATIBLE_WITH_WARNINGS": "yellow",
    "INCOMPATIBLE": "red",
    "UNDECIDABLE": "red",
    Level.ERROR: "red",
    Level.WARNING: "yellow",
}


def lines(section: Section, *, colour: bool = False) -> Iterator[str]:
    """Yield the verdict and every finding, the heaviest first, waived ones last."""
    yield _verdict_line(section.title, section.verdict, colour=colour)
    for level in Level:
        found = [item for item in section.items if item.level is level and not item.waived]
        if found:
            yield _painted(f"{count(len(found), level)}:", level, colour=colour)
        yield from _item_lines(found)
    waived = [item for item in section.items if item.waived]
    if waived:
        yield f"{len(waived)} waived:"
    yield from _item_lines(waived)


def _item_lines(items: Sequence[Item]) -> Iterator[str]:
    # A view that is made in another way has a finding for each of its features:
    # how to mend them is said once.
    for (_, remedy), alike in groupby(items, key=lambda one: (one.rule, one.remedy)):
        for item in alike:
            place = f" ({item.place.file}:{item.place.line})" if item.place else ""
            yield clean(f"  {item.rule}  {item.path}: {item.message}{place}")
            if item.waiver:
                yield clean(f"      {item.waiver}")
        if remedy:
            yield clean(f"      mend: {remedy}")


def _verdict_line(title: str, verdict: str, *, colour: bool) -> str:
    return clean(f"{title}: ") + _painted(clean(in_words(verdict)), verdict, colour=colour)


def _painted(words: str, what: str, *, colour: bool) -> str:
    # Colours are put on what is clean already: cleaning would show them as text.
    return typer.style(words, fg=_COLOURS.get(what)) if colour else words


def _all_lines(outcome: Outcome, *, colour: bool) -> Iterator[str]:
    if [section.title for section in outcome.sections] != [outcome.title]:
        yield _verdict_line(outcome.title, outcome.verdict, colour=colour)
    for section in outcome.sections:
        yield from lines(section, colour=colour)
    yield from (clean(line) for line in outcome.summary)


def render(outcome: Outcome) -> str:
    """Return *outcome* for people."""
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return "".join(f"{line}\n" for line in _all_lines(outcome, colour=colour))


FORMAT = OutputFormat(name="text", purpose="people", render=render)
