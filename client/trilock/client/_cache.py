"""The last known good live bundles, on disk: one file an alias.

A process that starts while trilock is down begins with these. A file is
replaced whole or not at all and carries a digest, so that a crash or a full
disk leaves the old one or none, never a wrong one. Trouble with the disk is
logged once and never raised: memory serves on.
"""

import contextlib
import hashlib
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
_log: Final = logging.getLogger("trilock.client")


class DiskCache:
    """Reads and writes live bundles in *folder*, which belongs to one trilock alone."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder)
        self._broken = False

    def load(self) -> Iterator[tuple[LiveBundle, float]]:
        """Yield every intact live bundle with its age in seconds."""
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            try:
                live = _decode(path.read_bytes())
                age = max(0.0, time.time() - path.stat().st_mtime)
            except (OSError, ValueError, KeyError, TypeError) as error:
                _log.warning("ignoring %s, which is not an intact live bundle: %s", path, error)
            else:
                yield live, age

    def save(self, live: LiveBundle) -> None:
        """Replace the file of the alias of *live*."""
        path = self._path(live.alias)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with draft.open("wb") as file:
                file.write(_encode(live))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink()
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


def _encode(live: LiveBundle) -> bytes:
    data = live.to_json()
    return json.dumps({"format": _FORMAT, "sha256": _digest(data), "live": data}).encode()


def _decode(content: bytes) -> LiveBundle:
    envelope = json.loads(content)
    if not isinstance(envelope, dict) or envelope.get("format") != _FORMAT:
        raise ValueError(f"format {_FORMAT} was expected")
    data = envelope["live"]
    if envelope["sha256"] != _digest(data):
        raise ValueError("its digest does not match")
    return LiveBundle.from_json(data)


def _digest(data: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
