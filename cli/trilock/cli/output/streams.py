"""Data to stdout as a table or as JSON, words to stderr; nothing else writes to either.

Text that came from somewhere else cannot move the cursor, change colours or
forge a line: control characters are shown, not sent.
"""

import json
import sys
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum
from typing import Any, Final, TextIO

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

_WIDE: Final = 10_000
"""Columns of what is not a terminal: a line is never folded there, so that it can be searched."""

_GAP: Final = 2
"""Columns between two cells of a table."""

_PROSE: Final = 20
"""Columns that sentences need to be read."""

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


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    prose: Collection[str] | None = None,
) -> Table:
    """Return a table of *rows*; every cell is shown by `clean(str(cell))`.

    Args:
        columns: Their headers.
        rows: A cell for each column.
        prose: The columns that may be broken into lines; all by default.
    """
    result = Table(box=None, pad_edge=False, header_style="bold", show_header=any(columns))
    for column in columns:
        whole = prose is not None and column not in prose
        result.add_column(column, overflow="fold", no_wrap=whole)
    for row in rows:
        result.add_row(*(Text(clean(str(cell))) for cell in row))
    return result


def write_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    prose: Collection[str] | None = None,
    once: str = "",
) -> None:
    """Write a table of *rows* under a header.

    On a terminal where it would break words, columns that say nothing are left out, and
    *once* is said above it if it is the same in every row; if that is not enough, each
    row is written below the other, a line a cell.

    Args:
        columns: Their headers.
        rows: A cell for each column.
        prose: The columns that may be broken into lines; all by default.
        once: The column that need not be said in every row.
    """
    found = [tuple(clean(str(cell)) for cell in row) for row in rows]
    shown = list(columns)
    named = bool(found) and any(columns)
    if named and not _fits(shown, found, prose=prose):
        same = [at for at, name in enumerate(shown) if name == once]
        same = [at for at in same if len({row[at] for row in found}) == 1]
        for at in same:
            write(found[0][at])
        telling = [
            at
            for at, _ in enumerate(shown)
            if at not in same and any(row[at] != _NOTHING for row in found)
        ]
        shown = [shown[at] for at in telling]
        found = [tuple(row[at] for at in telling) for row in found]
    if named and not _fits(shown, found, prose=prose):
        lines: list[tuple[str, ...]] = [
            pair
            for row in found
            for pair in (
                *(pair for pair in zip(shown, row, strict=True) if pair[1] != _NOTHING),
                ("", ""),
            )
        ]
        shown, found, prose = ["", ""], lines[:-1], None
    render(table(shown, found, prose=prose), sys.stdout)


def _fits(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, prose: Collection[str] | None
) -> bool:
    """Return whether no word has to be broken, and prose has some room."""
    needed = _GAP * (len(columns) - 1)
    for at, name in enumerate(columns):
        cells = [name, *(row[at] for row in rows)]
        whole = max(cell_len(cell) for cell in cells)
        longest = max((cell_len(word) for cell in cells for word in cell.split()), default=0)
        if prose is None:
            needed += longest
        elif name in prose:
            needed += max(longest, min(whole, _PROSE))
        else:
            needed += whole
    return needed <= console(sys.stdout).width


def render(what: RenderableType, stream: TextIO) -> None:
    """Write *what* to *stream*, without the blanks that fill a line."""
    out = console(stream)
    with out.capture() as captured:
        out.print(what)
    stream.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def encodable(glyph: str, *, otherwise: str) -> str:
    """Return *glyph* if stdout can show it."""
    # While something is shown live, stdout is a stand-in that has no encoding.
    stdout = getattr(sys.stdout, "rich_proxied_file", sys.stdout)
    try:
        glyph.encode(stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return otherwise
    return glyph
