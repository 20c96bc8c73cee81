"""Whether what a commit recorded is there, and whether it is what was recorded.

DVC itself never looks into a cached file again: it restores a corrupt object
without a word. Here a size is compared always, a hash on demand, the manifest
of a folder always. Nothing is written, and DVC's own index is not asked, which
can be out of date.
"""

import hashlib
import json
import math
import re
import time
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from trilock.server.domain.bundle import PipelineOutput
from trilock.server.domain.errors import PlaneUnavailableError
from trilock.server.planes.pipeline.dvc_config import Elsewhere, Places, Store
from trilock.server.planes.pipeline.dvc_state import DIRECTORY, LEGACY_MD5, MD5

CHUNK: Final = 1 << 20
TRUSTED_SECONDS: Final = 24 * 3600.0
"""How long a file that did not change is taken for what it was when it was hashed."""

_PLAIN_DIGEST: Final = re.compile(r"[0-9a-f]{32}")


class ContentHash:
    """The MD5 of a file that is read in pieces; DVC 2 hashed text with Unix line ends."""

    def __init__(self, *, text: bool) -> None:
        self._found = hashlib.md5(usedforsecurity=False)
        self._as_text = hashlib.md5(usedforsecurity=False) if text else None
        self._tail = b""

    def update(self, chunk: bytes) -> None:
        """Take in the next piece."""
        self._found.update(chunk)
        if self._as_text is not None:
            joined = self._tail + chunk
            self._tail = joined[-1:] if joined.endswith(b"\r") else b""
            end = len(joined) - len(self._tail)
            self._as_text.update(joined[:end].replace(b"\r\n", b"\n"))

    def require(self, digest: str) -> None:
        """Do nothing if all that was taken in is what *digest* names.

        Raises:
            DamagedError: It is not.
        """
        found = {self._found.hexdigest()}
        if self._as_text is not None:
            self._as_text.update(self._tail)
            self._tail = b""
            found.add(self._as_text.hexdigest())
        if digest not in found:
            raise DamagedError(f"its hash is {self._found.hexdigest()}, not {digest}")


class DamagedError(Exception):
    """A copy is not what its name says; the text says what it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    """What was found of one object."""

    intact: tuple[str, ...]
    """Labels of the places that have it."""
    damaged: tuple[str, ...]
    """`the cache (it has 3 bytes, not 10)`."""


@dataclass(slots=True, kw_only=True)
class ObjectCheck:
    """Looks for the objects of outputs, for each once."""

    places: Places
    hashing: bool
    seconds: float
    """For all hashing together."""
    plane: str
    intact: MutableMapping[tuple[str, int, int, int], float] = field(default_factory=dict)
    """Files that were hashed and found intact, and when: kept from check to check."""
    unchecked: list[str] = field(default_factory=list)
    """Problems that are none if a remote that cannot be looked at has the object."""
    _found: dict[tuple[str, str], _Finding] = field(default_factory=dict)
    _deadline: float = field(init=False)

    def __post_init__(self) -> None:
        """Start the clock."""
        self._deadline = time.monotonic() + self.seconds

    @property
    def objects(self) -> int:
        """How many objects were looked for."""
        return len(self._found)

    def problems(self, output: PipelineOutput) -> Iterator[str]:
        """Yield what is wrong with *output*, which is a cached one; a line each.

        Raises:
            PlaneUnavailableError: Hashing takes too long.
        """
        label = repr(output.path)
        if output.digest is None:
            yield f"{label} has no hash: it was never made, or its lock was not committed"
        elif output.algorithm not in (MD5, LEGACY_MD5):
            yield f"{label} is known by its {output.algorithm} only, which is not checked here"
        elif output.digest.endswith(DIRECTORY):
            yield from self._folder_problems(output, output.digest)
        else:
            finding = self._look(output.algorithm, output.digest, size=output.size)
            yield from self._lines(label, output, [(output.path, finding)])

    def _folder_problems(self, output: PipelineOutput, digest: str) -> Iterator[str]:
        label = repr(output.path)
        finding = self._look(output.algorithm, digest, size=None)
        yield from self._lines(f"the list of files of {label}", output, [(output.path, finding)])
        if finding.intact:
            files = self._manifest(output.algorithm, digest)
            found = [
                (f"{output.path}/{path}", self._look(output.algorithm, each, size=None))
                for path, each in files
            ]
            yield from self._lines(label, output, found)

    def _lines(
        self, label: str, output: PipelineOutput, found: list[tuple[str, _Finding]]
    ) -> Iterator[str]:
        """Yield one line for all that is lost of an output, and one for all that is damaged."""
        lost = [path for path, each in found if not each.intact and not each.damaged]
        damaged = [(path, each) for path, each in found if each.damaged]
        if lost:
            which = _which(lost, of=len(found), output=output)
            line = f"{label} is not in {self._everywhere()}{which}"
            if self.places.elsewhere:
                self.unchecked.append(line)
            yield line
        if damaged:
            first = damaged[0][1]
            rest = f"; {first.intact[0]} has it intact" if first.intact else ""
            which = _which([path for path, _ in damaged], of=len(found), output=output)
            yield f"{label} is corrupt in {', '.join(first.damaged)}{rest}{which}"

    def _everywhere(self) -> str:
        labels = [store.label for store in (*self.places.caches, *self.places.remotes)]
        text = " or ".join(labels) or "any folder of this machine"
        return text + "".join(_aside(each) for each in self.places.elsewhere)

    def _look(self, algorithm: str, digest: str, *, size: int | None) -> _Finding:
        key = (algorithm, digest)
        if key not in self._found:
            intact: list[str] = []
            damaged: list[str] = []
            for store in (*self.places.caches, *self.places.remotes):
                path = object_path(store, algorithm=algorithm, digest=digest)
                try:
                    self._check(path, algorithm=algorithm, digest=digest, size=size)
                except FileNotFoundError:
                    continue
                except (DamagedError, OSError) as error:
                    what = error.strerror if isinstance(error, OSError) else str(error)
                    damaged.append(f"{store.label} ({what})")
                else:
                    intact.append(store.label)
            self._found[key] = _Finding(intact=tuple(intact), damaged=tuple(damaged))
        return self._found[key]

    def _check(self, path: Path, *, algorithm: str, digest: str, size: int | None) -> None:
        """Return if the copy at *path* is intact.

        Raises:
            FileNotFoundError: There is none.
            DamagedError: It is not what its name says.
        """
        bytes_there = path.stat().st_size
        if size is not None and bytes_there != size:
            raise DamagedError(f"it has {bytes_there} bytes, not {size}")
        if digest.endswith(DIRECTORY):
            parse_manifest(path.read_bytes(), digest=digest)
        elif self.hashing:
            self._check_hash(path, digest, text=algorithm == LEGACY_MD5)

    def _check_hash(self, path: Path, digest: str, *, text: bool) -> None:
        state = path.stat()
        seen = (str(path), state.st_ino, state.st_size, state.st_mtime_ns)
        if self.intact.get(seen, -math.inf) > time.monotonic() - TRUSTED_SECONDS:
            return
        content = ContentHash(text=text)
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                if time.monotonic() > self._deadline:
                    what = f"hashing took longer than {self.seconds:g} s"
                    raise PlaneUnavailableError(plane=self.plane, what=what)
                content.update(chunk)
        content.require(digest)
        self.intact[seen] = time.monotonic()

    def _manifest(self, algorithm: str, digest: str) -> tuple[tuple[str, str], ...]:
        for store in (*self.places.caches, *self.places.remotes):
            path = object_path(store, algorithm=algorithm, digest=digest)
            try:
                return parse_manifest(path.read_bytes(), digest=digest)
            except (DamagedError, OSError):
                continue
        return ()  # deleted between two looks; the next check tells


def object_path(store: Store, *, algorithm: str, digest: str) -> Path:
    """Return where *store* keeps an object."""
    folder = store.path if algorithm == LEGACY_MD5 else store.path / "files" / "md5"
    return folder / digest[:2] / digest[2:]


def parse_manifest(raw: bytes, *, digest: str) -> tuple[tuple[str, str], ...]:
    """Return path and digest of every file in a folder.

    Raises:
        DamagedError: *raw* is not the manifest that *digest* names.
    """
    found = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    if found != digest.removesuffix(DIRECTORY):
        raise DamagedError(f"its hash is {found}, not {digest.removesuffix(DIRECTORY)}")
    try:
        entries: list[dict[str, Any]] = json.loads(raw)
        files = tuple((str(entry["relpath"]), str(entry["md5"])) for entry in entries)
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedError("it is not a list of files") from error
    if not all(_PLAIN_DIGEST.fullmatch(each) for _, each in files):
        raise DamagedError("it lists something that is not an MD5 digest")
    return files


def _which(paths: list[str], *, of: int, output: PipelineOutput) -> str:
    if paths == [output.path]:
        return ""
    return f": {len(paths)} of {of} files, the first is {paths[0]!r}"


def _aside(place: Elsewhere) -> str:
    return f"; {place.label} is not checked here: {place.why}"
