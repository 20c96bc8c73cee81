"""Tells the story on a terminal or into a file: headed steps, what was typed, what was seen.

On a terminal what takes long shows a clock that runs; in a file it has a line
when it is done. Nothing is ever folded outside a terminal.
"""

import sys
import textwrap
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

_WIDE: Final = 10_000
_COLUMNS: Final = 116
_LINES: Final = 2
"""How much of one line of a command's output is shown; the logs have the rest."""


def place(path: Path) -> str:
    """Return how *path* is told: as seen from the current folder, if it is below."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


class Narrator:
    """Writes to one stream, and knows how long everything took."""

    def __init__(self, stream: TextIO | None = None) -> None:
        stream = stream or sys.stdout
        width = None if stream.isatty() else _WIDE
        self._console = Console(
            file=stream, width=width, highlight=False, markup=False, emoji=False
        )
        self._columns = min(_COLUMNS, self._console.width - 4)
        self._began = time.monotonic()

    def elapsed(self) -> float:
        """Return the seconds since the beginning."""
        return time.monotonic() - self._began

    def say(self, text: str = "", *, style: str = "") -> None:
        """Write one line as it is."""
        self._console.print(Text(text, style=style), soft_wrap=True)

    def head(self, number: int, title: str) -> None:
        """Begin a step."""
        self.say()
        self.say(f"[{self.elapsed():5.1f} s]  {number}. {title}", style="bold")

    def explain(self, text: str) -> None:
        """Say in words what happens."""
        self.say(f"    {text}")

    def typed(self, command: str) -> None:
        """Show what an operator types."""
        self.say()
        self.say(f"    $ {command}", style="cyan")

    def printed(self, line: str) -> None:
        """Show one line of what it prints."""
        indent = " " * (len(line) - len(line.lstrip()) + 4)
        shown = textwrap.wrap(
            line,
            width=self._columns,
            max_lines=_LINES,
            placeholder=" ...",
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for part in shown or [""]:
            self.say(f"    {part}".rstrip())

    def noted(self, text: str) -> None:
        """Add a remark to what a command has printed."""
        self.say(f"    ({text})", style="dim")

    def proven(self, name: str, evidence: str, *, holds: bool) -> None:
        """Show a proof."""
        style = "green" if holds else "bold red"
        self.say(f"    {'proof' if holds else 'FAILED'}  {name}: {evidence}", style=style)

    def seen(self, text: str) -> None:
        """Show evidence: what was found when something was looked at."""
        self.say(f"    => {text}", style="green")

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Show for how long the block runs, and then how long it ran."""
        began = time.monotonic()
        with self.waiting(what):
            yield
        self.say(f"    {time.monotonic() - began:5.1f} s  {what}")

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Show for how long the block runs, on a terminal; elsewhere nothing."""
        if not self._console.is_terminal:
            yield
            return
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console, transient=True) as progress:
            progress.add_task(f"   {what}")
            yield

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Write a table."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*map(Text, row))
        with self._console.capture() as captured:
            self._console.print(table)
        for line in captured.get().splitlines():
            self._console.out(f"    {line.rstrip()}", highlight=False)
