"""Could this bundle be made live again, right now? Looked at before anybody needs it.

What serving needs is told apart from what a rebuild needs, and from how fresh it
is: a rollback is a switch, so it only ever waits for the former. By day, and before
a promotion, all of it counts. Outside systems hang; a look that
does is left behind in a daemon thread, which neither keeps the process alive
nor takes anything from looks at other planes.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from trilock.server.domain.bundle import Bundle
from trilock.server.domain.errors import NotFoundError, PlaneUnavailableError, TrilockError
from trilock.server.domain.ports import Connections, Planes

_HOUR: Final = 3600.0
_AT_MOST: Final = 4
"""How many looks at one plane may be under way: more only wait for what hangs already."""


class ReadinessState(StrEnum):
    """The answer."""

    READY = "READY"
    NOT_READY = "NOT_READY"
    UNPROVEN = "UNPROVEN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What a look at one bundle found."""

    state: ReadinessState
    problems: tuple[str, ...] = ()
    """One line each: what is missing, or what did not answer."""
    rebuild_problems: tuple[str, ...] = ()
    """What a rebuild of the pipeline would miss; serving does not need it."""


def readiness(
    connections: Connections,
    bundle: Bundle,
    *,
    seconds: float,
    rebuild: bool = False,
    fresh: bool = False,
    check: Callable[[Planes, Bundle], tuple[str, ...]] | None = None,
) -> Readiness:
    """Look at everything that serving *bundle* needs, all at once, for at most *seconds*.

    What does not answer in time leaves the bundle UNPROVEN; what answers that
    something is gone makes it NOT_READY.

    Args:
        connections: The outside systems.
        bundle: What is to be served.
        seconds: How long all looks together may take.
        rebuild: Whether to look at what a rebuild of its pipeline needs, too: by day,
            something that is lost or corrupt there makes it NOT_READY.
        fresh: Whether features that lag behind more than the settings allow count, too.
        check: Says, in one line each, what else stands against the bundle.
    """
    deadline = time.monotonic() + seconds
    serving = [
        _look(connections, bundle, at="model registry", look=_model_problems),
        _look(connections, bundle, at="feature store", look=_feature_problems),
    ]
    if fresh:
        serving.append(_look(connections, bundle, at="feature lag", look=_lag_problems))
    if check is not None:
        serving.append(_look(connections, bundle, at="check", look=check))
    building = [_look(connections, bundle, at="pipeline", look=_pipeline_answer)] if rebuild else []
    found = [answer.by(deadline, seconds=seconds) for answer in serving]
    missing = [problem for answer in found for problem in answer.missing]
    silent = [problem for answer in found for problem in answer.silent]
    built = [answer.by(deadline, seconds=seconds) for answer in building]
    lost = [problem for answer in built for problem in answer.missing]
    return Readiness(
        state=(
            ReadinessState.NOT_READY
            if missing or lost
            else ReadinessState.UNPROVEN
            if silent
            else ReadinessState.READY
        ),
        problems=tuple(dict.fromkeys([*missing, *silent])),
        rebuild_problems=tuple(
            problem for answer in built for problem in (*answer.missing, *answer.silent)
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What one look found: what is gone, or why that is not known."""

    missing: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """A look under way at one plane."""

    at: str
    problems: Future[tuple[str, ...] | _Answer]

    def by(self, deadline: float, *, seconds: float) -> _Answer:
        """Return the answer, or at *deadline* that there is none after *seconds*."""
        try:
            left = max(0.0, deadline - time.monotonic())
            found = self.problems.result(timeout=left)
            return found if isinstance(found, _Answer) else _Answer(missing=found)
        except NotFoundError as error:
            return _Answer(missing=(str(error),))
        except TimeoutError:
            return _Answer(silent=(f"{self.at} did not answer within {seconds:g} s",))
        except TrilockError as error:
            return _Answer(silent=(str(error),))
        except Exception as error:  # noqa: BLE001 - a look may fail in any vendor's way; a rollback may not
            return _Answer(silent=(f"{self.at}: {type(error).__name__}: {error}",))


class _UnderWay:
    """Counts the looks at each plane, so that hung ones do not pile up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[int, str, str]] = Counter()

    def begin(self, plane: tuple[int, str, str]) -> bool:
        """Count one more, unless there are enough."""
        with self._lock:
            if self._counts[plane] >= _AT_MOST:
                return False
            self._counts[plane] += 1
            return True

    def end(self, plane: tuple[int, str, str]) -> None:
        """Count one less."""
        with self._lock:
            self._counts[plane] -= 1
            if not self._counts[plane]:
                del self._counts[plane]


_under_way: Final = _UnderWay()


def _look(
    connections: Connections,
    bundle: Bundle,
    *,
    at: str,
    look: Callable[[Planes, Bundle], tuple[str, ...] | _Answer],
) -> _Look:
    problems: Future[tuple[str, ...] | _Answer] = Future()
    # Looks under way keep their connections alive, so the id is nobody else's.
    plane = (id(connections), at, bundle.ref.model)
    if not _under_way.begin(plane):
        problems.set_exception(PlaneUnavailableError(plane=at, what="looks at it hang already"))
        return _Look(at=at, problems=problems)

    def run() -> None:
        try:
            # Opening them reads files and loads libraries: that is part of the look.
            found = look(connections.planes(bundle.ref.model), bundle)
        except BaseException as error:  # noqa: BLE001 - told to who waits
            _under_way.end(plane)
            problems.set_exception(error)
        else:
            _under_way.end(plane)
            problems.set_result(found)

    threading.Thread(target=run, name=f"readiness of {at}", daemon=True).start()
    return _Look(at=at, problems=problems)


def _model_problems(planes: Planes, bundle: Bundle) -> tuple[str, ...]:
    return planes.registry.verify(bundle.model_version)


def _feature_problems(planes: Planes, bundle: Bundle) -> tuple[str, ...]:
    schema = bundle.feature_schema
    project = planes.home(schema)
    found = planes.features.definition(schema.capture, project=project)
    if found is None:
        return (f"Feast project {project} is not deployed",)
    if found != schema.capture.definition_digest:
        return (f"Feast project {project} does not define what {schema.ref} recorded",)
    return tuple(
        f"view {view.view} of {project} was never filled"
        for view in planes.features.views(schema.capture, project=project, count=False)
        if view.feedable and view.fed_until is None
    )


def _lag_problems(planes: Planes, bundle: Bundle) -> tuple[str, ...]:
    if planes.max_feature_lag is None:
        return ()
    schema, limit = bundle.feature_schema, planes.max_feature_lag
    project, oldest = planes.home(schema), datetime.now(UTC) - limit
    return tuple(
        f"view {view.view} of {project} is fed until {view.fed_until:%Y-%m-%d %H:%M}Z, "
        f"more than {limit.total_seconds() / _HOUR:g} h ago"
        for view in planes.features.views(schema.capture, project=project, count=False)
        if view.feedable and view.fed_until is not None and view.fed_until < oldest
    )


def _pipeline_answer(planes: Planes, bundle: Bundle) -> _Answer:
    # Only its hash tells that an object is corrupt; the plane remembers what it hashed.
    found = planes.pipeline.verify(bundle.pipeline_commit, hashing=True)
    lost = tuple(problem for problem in found.problems if problem not in found.unchecked)
    return _Answer(missing=lost, silent=found.unchecked)
