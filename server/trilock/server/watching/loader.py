"""Whether a model really loads: tried once in a while, in a worker, beside everything else."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from trilock.server.domain.bundle import Bundle
from trilock.server.domain.errors import TrilockError
from trilock.server.domain.ports import Planes

_SECONDS: Final = 300.0
"""How long loading may take."""

_LOADED_SECONDS: Final = 24 * 3600.0
_FAILED_SECONDS: Final = 600.0
"""After how long it is tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    """What came of it, and until when that counts."""

    problems: tuple[str, ...]
    until: float


class Loader:
    """Knows which versions load; one is tried at a time."""

    def __init__(self, *, tell: Callable[[], None] = lambda: None) -> None:
        """Try nothing yet.

        Args:
            tell: Called when something has become known.
        """
        self._tell = tell
        self._lock = threading.Lock()
        self._tried: dict[str, _Tried] = {}
        self._busy = False

    def problems(self, planes: Planes, bundle: Bundle) -> tuple[str, ...]:
        """Return what the last try of the bundle's model has told; () before there was one.

        If that is long ago, another one is begun, and not waited for.
        """
        if not planes.loads_model:
            return ()
        version = bundle.model_version
        key = f"{version.name}/{version.version}/{version.mlmodel_sha256}/{version.created_ms}"
        with self._lock:
            tried = self._tried.get(key)
            begins = not self._busy and (tried is None or tried.until < time.monotonic())
            self._busy = self._busy or begins
        if begins:
            work = threading.Thread(
                target=self._try, args=(planes, bundle, key), name="loader", daemon=True
            )
            work.start()
        return () if tried is None else tried.problems

    def _try(self, planes: Planes, bundle: Bundle, key: str) -> None:
        try:
            problems = planes.registry.load(bundle.model_version, seconds=_SECONDS)
        except TrilockError as error:
            problems = (str(error),)
        finally:
            with self._lock:
                self._busy = False
        wait = _FAILED_SECONDS if problems else _LOADED_SECONDS
        with self._lock:
            self._tried[key] = _Tried(problems=problems, until=time.monotonic() + wait)
        self._tell()
