"""Rows that were read in one go, and are handed out at the pace of whoever asks.

A database must not be kept in one moment by somebody who takes hours: on SQLite
that keeps every writer out, and a replay into the same file would wait for itself.
"""

import pickle
import tempfile
from collections.abc import Iterator
from itertools import islice
from typing import Final, TypeVar

T = TypeVar("T")

_TOGETHER: Final = 500


def spooled(rows: Iterator[T]) -> Iterator[T]:
    """Read all of *rows* into a temporary file now, and return them one by one.

    Whatever their number, a few hundred of them are in memory.

    Raises:
        OSError: There is no room for the file.
    """
    # Closed when the iterator is: nobody else has the file, and it has no name.
    file = tempfile.TemporaryFile()  # noqa: SIM115
    try:
        while some := list(islice(rows, _TOGETHER)):
            pickle.dump(some, file, protocol=pickle.HIGHEST_PROTOCOL)
        pickle.dump([], file)
        file.seek(0)
    except BaseException:
        file.close()
        raise

    def handed_out() -> Iterator[T]:
        with file:
            # What is loaded was written above, to a file that has no name.
            while some := pickle.load(file):  # noqa: S301
                yield from some

    return handed_out()
