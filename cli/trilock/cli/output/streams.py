"""Data to stdout as a table or as JSON, words to stderr; nothing else writes to either.

Text that came from somewhere else cannot move the cursor, change colours or
forge a line: control characters are shown, not sent.
"""

import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, Final, TextIO

from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

_WIDE: Final = 10_000
"""Columns of what is not a terminal: a line is never folded there, so that it can be searched."""

_NOTHING: Final = "-"
"""What a cell says that has nothing to say."""


class Format(StrEnum):
    """How data is written."""

    TABLE = "table"
    JSON = "json"


def clean(text: str) -> str:
    r"""Return *text* on one line, with every control character as `\x1b`."""
    return "".join(
        character
        if unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}
        else character.encode("unicode_escape", "surrogatepass").decode()
        for character in text
    )


def console(stream: TextIO) -> Console:
    """Return a console on *stream*."""
    width = None if stream.isatty() else _WIDE
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def words() -> Console:
    """Return the console for words, which is stderr."""
    return console(sys.stderr)


def say(text: str) -> None:
    """Write words, on lines of their own."""
    words().print(Text(text), soft_wrap=True)


def write(text: str) -> None:
    """Write data as it is, on lines of its own."""
    console(sys.stdout).print(Text(text), soft_wrap=True)


def write_json(value: object) -> None:
    """Write *value* as JSON."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_json_line(value: object) -> None:
    """Write *value* as JSON on one line, at once: it is one of a stream."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """Return a table of *rows*; every cell is shown by `clean(str(cell))`."""
    result = Table(box=None, pad_edge=False, header_style="bold", show_header=any(columns))
    for column in columns:
        result.add_column(column, overflow="fold")
    for row in rows:
        result.add_row(*(Text(clean(str(cell))) for cell in row))
    return result


def write_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table of *rows* under a header.

    On a terminal where it would break words, columns that say nothing are left out; if
    that is not enough, each row is written below the other, a line a cell.
    """
    found = [tuple(str(cell) for cell in row) for row in rows]
    shown, named = table(columns, found), bool(found) and any(columns)
    if named and not _fits(shown):
        telling = [at for at, _ in enumerate(columns) if any(row[at] != _NOTHING for row in found)]
        shown = table(
            [columns[at] for at in telling], [[row[at] for at in telling] for row in found]
        )
    if named and not _fits(shown):
        lines = [
            pair
            for row in found
            for pair in (
                *(pair for pair in zip(columns, row, strict=True) if pair[1] != _NOTHING),
                ("", ""),
            )
        ]
        shown = table(["", ""], lines[:-1])
    render(shown, sys.stdout)


def _fits(shown: Table) -> bool:
    out = console(sys.stdout)
    unbounded = out.options.update(max_width=_WIDE)
    return Measurement.get(out, unbounded, shown).minimum <= out.width


def render(what: RenderableType, stream: TextIO) -> None:
    """Write *what* to *stream*, without the blanks that fill a line."""
    out = console(stream)
    with out.capture() as captured:
        out.print(what)
    stream.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def encodable(glyph: str, *, otherwise: str) -> str:
    """Return *glyph* if stdout can show it."""
    try:
        glyph.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return otherwise
    return glyph
