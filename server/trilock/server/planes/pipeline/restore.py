"""Bring outputs from caches and remotes into a folder: hashed while copied, all or nothing.

DVC restores a corrupt object without a word (research/mlflow_dvc.md, section 7).
Here a copy that is not what its name says is thrown away and the next place is
tried; if none has it intact, nothing at all is delivered.
"""

import contextlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from trilock.server.domain.bundle import PipelineOutput
from trilock.server.domain.errors import AlreadyExistsError, NotReadyError, PreconditionError
from trilock.server.planes.pipeline.dvc_config import Places, Store
from trilock.server.planes.pipeline.dvc_objects import (
    CHUNK,
    ContentHash,
    DamagedError,
    object_path,
    parse_manifest,
)
from trilock.server.planes.pipeline.dvc_state import DIRECTORY, LEGACY_MD5, MD5, is_external

InGit = Callable[[str], dict[str, bytes]]
"""Returns the files of the commit that are an output which git itself holds, by path."""


@dataclass(slots=True, kw_only=True)
class Restoring:
    """Brings outputs into one folder, and keeps what went wrong."""

    folder: Path
    stores: tuple[Store, ...]
    in_git: InGit
    missing: list[str] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)

    def bring(self, output: PipelineOutput) -> None:
        """Bring *output*, or note why it could not be."""
        if not _is_inside(output.path):
            self.missing.append(f"{output.path!r} is outside of the repository")
        elif not output.cached:
            files = self.in_git(output.path)
            if not files:
                self.missing.append(f"{output.path!r} is neither cached by DVC nor in git")
            for path, content in files.items():
                self._target(path).write_bytes(content)
        elif output.digest is None:
            self.missing.append(f"{output.path!r} has no hash: it was never made")
        elif output.algorithm not in (MD5, LEGACY_MD5):
            self.missing.append(f"{output.path!r} is known by its {output.algorithm} only")
        elif output.digest.endswith(DIRECTORY):
            self._folder(output, output.digest)
        else:
            self._file(output.path, output.algorithm, output.digest)

    def _folder(self, output: PipelineOutput, digest: str) -> None:
        files = self._manifest(output, digest)
        if files is None:
            return
        self._target(f"{output.path}/.").mkdir(exist_ok=True)
        for path, each in files:
            if _is_inside(path):
                self._file(f"{output.path}/{path}", output.algorithm, each)
            else:
                self.corrupt.append(f"{output.path!r} lists {path!r}, which is outside of it")

    def _manifest(self, output: PipelineOutput, digest: str) -> tuple[tuple[str, str], ...] | None:
        label = f"the list of files of {output.path!r}"
        damaged: list[str] = []
        for store in self.stores:
            path = object_path(store, algorithm=output.algorithm, digest=digest)
            try:
                return parse_manifest(path.read_bytes(), digest=digest)
            except FileNotFoundError:
                continue
            except (DamagedError, OSError) as error:
                damaged.append(f"{store.label} ({error})")
        self._note(label, damaged)
        return None

    def _file(self, path: str, algorithm: str, digest: str) -> None:
        target = self._target(path)
        damaged: list[str] = []
        for store in self.stores:
            source = object_path(store, algorithm=algorithm, digest=digest)
            try:
                _copy(source, target, digest=digest, text=algorithm == LEGACY_MD5)
            except FileNotFoundError:
                continue
            except (DamagedError, OSError) as error:
                damaged.append(f"{store.label} ({error})")
            else:
                return
        self._note(repr(path), damaged)

    def _note(self, label: str, damaged: list[str]) -> None:
        if damaged:
            self.corrupt.append(f"{label} is corrupt in {', '.join(damaged)}")
        else:
            where = " or ".join(store.label for store in self.stores) or "any folder"
            self.missing.append(f"{label} is not in {where}")

    def _target(self, path: str) -> Path:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        return target


def restore(
    outputs: Sequence[PipelineOutput],
    *,
    into: Path,
    places: Places,
    in_git: InGit,
    fetched: Callable[[], contextlib.AbstractContextManager[tuple[Store | None, str]]],
    has_imports: bool,
    subject: str,
) -> None:
    """Make the folder *into* with every one of *outputs*, or leave nothing.

    Args:
        outputs: What to bring.
        into: A folder that is not there.
        places: Where objects can be.
        in_git: Returns the files that git itself holds.
        fetched: Has DVC fetch what it can into a store of its own, for as long as the block
            runs; asked only if something is missing. With it comes what DVC said.
        has_imports: Whether DVC can bring outputs from other repositories.
        subject: What is restored, for messages.

    Raises:
        AlreadyExistsError: There is something at *into*.
        NotReadyError: Something is missing or corrupt.
        PreconditionError: The folder cannot be written to.
    """
    if into.exists() or into.is_symlink():
        raise AlreadyExistsError(f"folder {into.name!r}", what="and is not overwritten")
    stores = (*places.caches, *places.remotes)
    with _partial(into) as folder:
        work = Restoring(folder=folder, stores=stores, in_git=in_git)
        for output in outputs:
            work.bring(output)
        problems = [*work.corrupt, *work.missing]
        if problems and (places.elsewhere or has_imports):
            with fetched() as (store, said):
                again = Restoring(
                    folder=folder, stores=(*stores, *([store] if store else [])), in_git=in_git
                )
                for output in outputs:
                    again.bring(output)
                problems = [*again.corrupt, *again.missing]
            if problems and said:
                problems.append(f"DVC says: {said}")
        if problems:
            raise NotReadyError(resource=subject, problems=problems)
        folder.rename(into)


@contextlib.contextmanager
def _partial(into: Path) -> Iterator[Path]:
    """Yield a new folder beside *into*, on the same file system; it goes if it is still there."""
    folder = into.with_name(f".{into.name}.{uuid.uuid4().hex}.partial")
    try:
        folder.mkdir(parents=True)
        yield folder
    except OSError as error:
        what = f"{into.parent.name!r} cannot be written to: {error.strerror}"
        raise PreconditionError(what, folder=into.parent.name) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copy(source: Path, target: Path, *, digest: str, text: bool) -> None:
    content = ContentHash(text=text)
    try:
        # Written anew if an earlier place had a damaged copy.
        with source.open("rb") as reader, target.open("wb") as writer:
            while chunk := reader.read(CHUNK):
                content.update(chunk)
                writer.write(chunk)
            writer.flush()
            os.fsync(writer.fileno())
        content.require(digest)
    except DamagedError:
        target.unlink()
        raise


def _is_inside(path: str) -> bool:
    return not is_external(path) and ".." not in PurePosixPath(path).parts and path not in ("", ".")
