"""The demo's own folder: emptied only if a demo made it, and used by one demo at a time."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

MARKER: Final = ".trilock-demo"
"""The file by which a folder is known to be a demo's."""

_IN_NO_ADDRESS: Final = frozenset('%?#$"\\')
"""What a database's address, or Feast's settings, would read as something else."""


class FolderError(Exception):
    """The folder cannot be the demo's; the message says why, in one line."""


@contextmanager
def claimed(folder: Path) -> Iterator[Path]:
    """Yield *folder* as an absolute path, empty, and keep every other demo out meanwhile.

    Raises:
        FolderError: It holds what no demo made, another demo uses it, or it cannot be made.
    """
    folder = folder.absolute()
    marker = folder / MARKER
    if odd := sorted(_IN_NO_ADDRESS.intersection(str(folder))):
        raise FolderError(f"{folder} has {' '.join(odd)} in it: say another folder with --dir")
    with ExitStack() as stack:
        try:
            if folder.exists() and not marker.is_file() and any(folder.iterdir()):
                raise FolderError(
                    f"{folder} is not empty and no demo made it: say another folder with --dir"
                )
            folder.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context(marker.open("a"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _empty(folder)
        except BlockingIOError:
            raise FolderError(
                f"another demo runs in {folder}: say another folder with --dir"
            ) from None
        except OSError as error:
            raise FolderError(f"{folder} cannot be used: {error.strerror or error}") from error
        yield folder


def _empty(folder: Path) -> None:
    for found in folder.iterdir():
        if found.name == MARKER:
            continue
        if found.is_dir() and not found.is_symlink():
            shutil.rmtree(found)
        else:
            found.unlink()
