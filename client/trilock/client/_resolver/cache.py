"""The last known good live bundles, on disk: one file an alias.

A process that starts while trilock is down begins with these. A file is
replaced whole or not at all and carries a digest, so that a crash or a full
disk leaves the old one or none, never a wrong one. Trouble with the disk is
logged once and never raised: memory serves on.
"""

import contextlib
import json
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from trilock.client.live import LiveBundle

_FORMAT: Final = 1
_SUFFIX: Final = ".trilock.json"
_SKEW_S: Final = 5.0
_log: Final = logging.getLogger("trilock.client")


class DiskCache:
    """Reads and writes live bundles in *folder*, which belongs to one trilock alone."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder)
        self._broken = False

    def load(self) -> Iterator[tuple[LiveBundle, float | None]]:
        """Yield every intact live bundle with its age in seconds.

        None for an age that nobody knows: the clock has gone back since.
        """
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            try:
                live = _decode(path.read_bytes())
                age = time.time() - path.stat().st_mtime
            except (OSError, ValueError, KeyError, TypeError) as error:
                _log.warning("ignoring %s, which is not an intact live bundle: %s", path, error)
            else:
                # A network file system's clock is not quite ours.
                yield live, max(0.0, age) if age > -_SKEW_S else None

    def save(self, live: LiveBundle) -> None:
        """Replace the file of the alias of *live*."""
        try:
            replace_file(self._path(live.alias), _encode(live))
        except OSError as error:
            self._complain(error)
        else:
            self._broken = False

    def confirm(self, alias: str) -> None:
        """Note that what is on disk of *alias* was still so just now."""
        try:
            os.utime(self._path(alias))
        except OSError as error:
            self._complain(error)

    def _path(self, alias: str) -> Path:
        return self._folder / f"{alias.replace('/', '.')}{_SUFFIX}"

    def _complain(self, error: OSError) -> None:
        if not self._broken:
            _log.warning("live bundles are not kept in %s: %s", self._folder, error)
        self._broken = True


def replace_file(path: Path, content: bytes) -> None:
    """Replace *path* whole, or not at all; its folder is made if it is not there.

    Raises:
        OSError: The disk would not.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise


def digest_of(data: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return a digest of *data* that does not depend on the order of keys."""
    import hashlib  # noqa: PLC0415 - late: who keeps nothing on disk need not wait for it

    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _encode(live: LiveBundle) -> bytes:
    data = live.to_json()
    return json.dumps({"format": _FORMAT, "sha256": digest_of(data), "live": data}).encode()


def _decode(content: bytes) -> LiveBundle:
    envelope = json.loads(content)
    if not isinstance(envelope, dict) or envelope.get("format") != _FORMAT:
        raise ValueError(f"format {_FORMAT} was expected")
    data = envelope["live"]
    if envelope["sha256"] != digest_of(data):
        raise ValueError("its digest does not match")
    return LiveBundle.from_json(data)
