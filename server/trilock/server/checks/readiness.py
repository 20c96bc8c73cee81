"""Could this bundle be made live again, right now? Looked at before anybody needs it.

What serving needs is told apart from what a rebuild needs: a rollback is a
switch, so it only ever waits for the former.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from trilock.server.domain.bundle import Bundle
from trilock.server.domain.errors import PlaneUnavailableError, TrilockError
from trilock.server.domain.ports import Connections, Planes

_THREADS: Final = ThreadPoolExecutor(max_workers=6, thread_name_prefix="readiness")


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


def readiness(connections: Connections, bundle: Bundle, *, seconds: float) -> Readiness:
    """Look at everything that serving *bundle* needs, all at once, for at most *seconds*.

    What does not answer in time leaves the bundle UNPROVEN; what answers that
    something is gone makes it NOT_READY.
    """
    try:
        planes = connections.planes(bundle.ref.model)
    except TrilockError as error:
        return Readiness(state=ReadinessState.UNPROVEN, problems=(str(error),))
    model = _THREADS.submit(_model_problems, planes, bundle)
    features = _THREADS.submit(_feature_problems, planes, bundle)
    pipeline = _THREADS.submit(_pipeline_problems, planes, bundle)
    missing: list[str] = []
    silent: list[str] = []
    for name, look in (("model registry", model), ("feature store", features)):
        _collect(name, look, seconds=seconds, missing=missing, silent=silent)
    rebuild: list[str] = []
    _collect("pipeline", pipeline, seconds=seconds, missing=rebuild, silent=rebuild)
    state = (
        ReadinessState.NOT_READY
        if missing
        else ReadinessState.UNPROVEN
        if silent
        else ReadinessState.READY
    )
    return Readiness(state=state, problems=(*missing, *silent), rebuild_problems=tuple(rebuild))


def _collect(
    name: str,
    look: Future[tuple[str, ...]],
    *,
    seconds: float,
    missing: list[str],
    silent: list[str],
) -> None:
    try:
        missing.extend(look.result(timeout=seconds))
    except PlaneUnavailableError as error:
        silent.append(str(error))
    except TimeoutError:
        silent.append(f"{name} did not answer within {seconds:g} s")
    except TrilockError as error:
        missing.append(str(error))
    except Exception as error:  # noqa: BLE001 - a look may fail in any vendor's way; a rollback may not
        silent.append(f"{name}: {type(error).__name__}: {error}")


def _model_problems(planes: Planes, bundle: Bundle) -> tuple[str, ...]:
    return planes.registry.verify(bundle.model_version)


def _feature_problems(planes: Planes, bundle: Bundle) -> tuple[str, ...]:
    schema = bundle.feature_schema
    project = schema.ref.project
    found = planes.features.definition(schema.capture, project=project)
    if found is None:
        return (f"Feast project {project} is not deployed",)
    if found != schema.capture.definition_digest:
        return (f"Feast project {project} does not define what {schema.ref} recorded",)
    return tuple(
        f"view {view.view} of {project} was never filled"
        for view in planes.features.views(schema.capture, project=project)
        if view.fed_until is None
    )


def _pipeline_problems(planes: Planes, bundle: Bundle) -> tuple[str, ...]:
    return planes.pipeline.verify(bundle.pipeline_commit).problems
