"""Copies of a SQLite database, whole even while somebody writes it."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy the database in *source* to the new file *target*, readable by its owner only.

    The copy is marked as one: the server that is ever started on it begins a new
    generation, since what comes after the copy in the original never happened in it.

    Raises:
        FileExistsError: *target* is there already.
        sqlite3.Error: *source* is no database of trilock, or cannot be read.
        OSError: *target* cannot be written.
    """
    unfinished = target.with_name(f"{target.name}.part")
    unfinished.unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL, 0o600))
    try:
        there = f"{source.absolute().as_uri()}?mode=rw"  # rw: never make it
        with (
            closing(sqlite3.connect(there, uri=True)) as original,
            closing(sqlite3.connect(unfinished)) as copy,
        ):
            original.backup(copy)
            # One file, with nothing beside it that a copy of the copy would miss.
            copy.execute("PRAGMA journal_mode=DELETE")
            copy.execute("UPDATE store SET restored = 1")
            copy.commit()
            _require_intact(copy)
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        # Unlike a rename, a link never replaces what somebody else has put there.
        os.link(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)


def _require_intact(copy: sqlite3.Connection) -> None:
    (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise sqlite3.DatabaseError(found)
