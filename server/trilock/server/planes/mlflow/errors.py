"""What MLflow raises, as what the port raises: one clear line each.

Only a registry's own code says that something does not exist; a 404 of a proxy
in between has another one. What is not understood counts as "does not answer":
whether it was done is then unknown, and nobody concludes that a version is
gone because a token expired.
"""

import re
from typing import Final

from trilock.server.domain.errors import NotFoundError, PlaneUnavailableError, TrilockError

_GONE: Final = "RESOURCE_DOES_NOT_EXIST"
_LINE: Final = 200
_CREDENTIALS: Final = re.compile(r"(?<=://)[^/@\s]+@")


def translated(error: Exception, *, resource: str, plane: str) -> TrilockError:
    """Return the error of the port for *error*, raised while asking for *resource*."""
    if getattr(error, "error_code", None) == _GONE:
        return NotFoundError(f"{resource} in {plane}")
    return PlaneUnavailableError(plane=plane, what=one_line(error))


def one_line(error: BaseException) -> str:
    """Return why *error* happened, without addresses' credentials and never over a line."""
    seen: list[BaseException] = []
    _collect(error, seen)
    if any(isinstance(each, TimeoutError) or "Timeout" in type(each).__name__ for each in seen):
        return "timed out"
    for each in seen:
        # requests' own errors are OSErrors too, with neither number nor text.
        if isinstance(each, OSError) and each.errno is not None and each.strerror:
            return each.strerror.lower()
    text = _CREDENTIALS.sub("", next(iter(str(error).splitlines()), ""))
    return f"{type(error).__name__}: {text}"[:_LINE]


def _collect(error: object, seen: list[BaseException]) -> None:
    """Add *error* and what it was made from: libraries chain in three different ways."""
    if not isinstance(error, BaseException) or any(error is each for each in seen):
        return
    seen.append(error)
    for inner in (error.__cause__, error.__context__, getattr(error, "reason", None), *error.args):
        _collect(inner, seen)
