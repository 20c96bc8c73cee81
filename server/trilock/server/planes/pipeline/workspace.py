"""A folder in which the outputs of one pipeline commit are, behind a link `current`.

    WORKSPACE/
        current -> 0123...cdef.a1b2c3d4
        0123...cdef.a1b2c3d4/    the outputs of commit 0123...cdef

Each checkout is a fresh folder, and the link changes in one rename, so a reader
sees all of the old outputs or all of the new ones. The folder before it stays,
for those who have opened it; older ones go.
"""

import re
import shutil
import time
import uuid
from pathlib import Path
from typing import Final

from trilock.server.domain.bundle import PipelineCommit
from trilock.server.domain.errors import PreconditionError
from trilock.server.domain.ports import Pipeline

_LINK: Final = "current"
_OURS: Final = re.compile(r"(?P<revision>[0-9a-f]{40})\.[0-9a-f]{8}")
_PARTIAL: Final = re.compile(r"\.[0-9a-f]{40}\.[0-9a-f]{8}\.[0-9a-f]{32}\.partial")
_ABANDONED_SECONDS: Final = 24 * 3600.0
"""A checkout that has not ended by then is one whose process died."""


class FolderWorkspace:
    """Implements Workspace."""

    def __init__(self, folder: Path, pipeline: Pipeline) -> None:
        self._folder = folder
        self._pipeline = pipeline

    def current(self) -> str | None:
        """See Workspace."""
        match = _OURS.fullmatch(self._linked())
        # A link to a folder that somebody deleted leads nowhere.
        return match["revision"] if match and (self._folder / _LINK).is_dir() else None

    def checkout(self, captured: PipelineCommit) -> str:
        """See Workspace."""
        name = f"{captured.revision}.{uuid.uuid4().hex[:8]}"
        before = self._linked()
        self._require_ours()
        self._pipeline.restore(captured, into=self._folder / name)
        try:
            self._switch(name)
            self._clean({name, before})
        except OSError as error:
            what = f"workspace {self._folder.name!r} cannot be switched: {error.strerror}"
            raise PreconditionError(what, folder=self._folder.name) from error
        return name

    def _linked(self) -> str:
        try:
            return str((self._folder / _LINK).readlink())
        except OSError:
            return ""

    def _require_ours(self) -> None:
        link = self._folder / _LINK
        if link.exists() and not link.is_symlink():
            what = f"{_LINK!r} in workspace {self._folder.name!r} is not a link of trilock's"
            raise PreconditionError(f"{what}: move it away", folder=self._folder.name)

    def _switch(self, name: str) -> None:
        link = self._folder / _LINK
        new = self._folder / f".{_LINK}.{uuid.uuid4().hex}"
        new.symlink_to(name)
        try:
            new.replace(link)
        except OSError:
            new.unlink()
            raise

    def _clean(self, kept: set[str]) -> None:
        for each in self._folder.iterdir():
            old = _OURS.fullmatch(each.name) and each.name not in kept
            dead = _PARTIAL.fullmatch(each.name) and (
                time.time() - each.stat().st_mtime > _ABANDONED_SECONDS
            )
            # Two checkouts at once: the other's folder may be the one that is linked by now.
            if (old or dead) and each.name != self._linked():
                shutil.rmtree(each, ignore_errors=True)
