"""The one project that readers read, in place: the live schema's tables are swapped in.

Done is not when definitions agree. A job that was begun under the old
definition goes on writing, into whatever has the table's name; and what was
moved out weeks ago is weeks old. So the swap is followed by waiting for such
jobs, feeding what came since, and comparing values with the sources: only then
the project agrees with the live row. Feeding it again asks for that anew.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from trilock.server.domain.bundle import FeatureCapture, FeatureSchema
from trilock.server.domain.errors import NotReadyError, WaitingError
from trilock.server.domain.names import ModelName
from trilock.server.domain.ports import Comparison, Planes, Progress, Window
from trilock.server.features.filling import filling, is_being_filled, since_last
from trilock.server.planning.feature_window import default_window
from trilock.server.store.database import Database
from trilock.server.store.feature_needs import bundled_schemas
from trilock.server.store.schemas import get_schema

_SHORT: Final = 16

_ONE_GO: Final = timedelta(days=36_500)

_READERS: Final = timedelta(minutes=10)
"""How long readers may take to follow before somebody has to restart them."""

_PATIENCE: Final = timedelta(hours=1)
"""How long a job that was begun under the old definition is waited for."""


def wanted_in_place(schema: FeatureSchema) -> str:
    """Return how the project is when it agrees with *schema*."""
    return _state(schema.capture.definition_digest, holds=schema.project, verified=True)


def observe_in_place(planes: Planes, schema: FeatureSchema, *, project: str) -> str:
    """Return how *project* is."""
    state = planes.features.in_place(schema.capture, project=project)
    return _state(
        planes.features.definition(schema.capture, project=project) or "none",
        holds="nobody" if state is None else state.holds,
        verified=state is not None and state.verified,
    )


def swap_in_place(
    database: Database,
    planes: Planes,
    schema: FeatureSchema,
    *,
    model: ModelName,
    project: str,
    tell: Progress = lambda _: None,
) -> None:
    """Make *project* serve *schema*, and see that it does.

    *tell* is told how far it is, and may raise to stop it.

    Raises:
        WaitingError: A job begun under the old definition has not ended, the project is
            being fed, or readers have not followed.
        NotReadyError: Its values are not those of its sources, or readers have to be restarted.
    """
    features, capture = planes.features, schema.capture
    feed = partial(_feed, planes, capture, project=project, tell=tell)
    state = features.in_place(capture, project=project)
    defined = features.definition(capture, project=project) == capture.definition_digest
    if state is None or state.holds != schema.project or not state.settled or not defined:
        known = (
            "" if state is None else state.left if state.holds == schema.project else state.holds
        )
        leaves = _schema_in(database, known, model=model)
        tell(f"swapping {schema.ref} into {project}")
        features.swap(capture, source=schema.project, project=project, leaves=leaves)
        state = features.in_place(capture, project=project)
    assert state is not None, "something was just swapped in"  # noqa: S101 - for the type
    if state.waiting and datetime.now(UTC) < state.swapped + _PATIENCE:
        raise WaitingError(
            f"{project} serves {schema.ref}; a job begun before still feeds "
            f"{', '.join(state.busy)}: it is compared with its sources when that has ended"
        )
    with database.read() as session:
        if is_being_filled(session, project):
            raise WaitingError(f"{project} is being fed: it is compared afterwards")
    with filling(database, project):
        features.distrust(capture, project=project)
        window = _whole(planes, capture, project=project)
        if state.busy:
            feed(window, resume=False)
        else:
            feed(since_last(features, capture, project=project), resume=True)
        tell(f"comparing {project} with its sources")
        if _told(_compare(planes, capture, project=project, window=window)):
            # Rows that came late, or what a job left behind that nobody knew of.
            feed(window, resume=False)
        compared = _compare(planes, capture, project=project, window=window)
        if problems := _told(compared):
            raise NotReadyError(resource=f"Feast project {project}", problems=problems)
        _require_readers(planes, compared, since=state.swapped)
        features.vouch(capture, project=project)


def _require_readers(planes: Planes, compared: Sequence[Comparison], *, since: datetime) -> None:
    problems = [planes.features.ask_reader(url, comparisons=compared) for url in planes.readers]
    told = "; ".join(problem for problem in problems if problem)
    if told and datetime.now(UTC) > since + _READERS:
        raise NotReadyError(
            resource="what readers read", problems=[f"{told}; it has to be restarted"]
        )
    if told:
        raise WaitingError(told)


def _feed(
    planes: Planes,
    capture: FeatureCapture,
    window: Window,
    *,
    project: str,
    resume: bool,
    tell: Progress,
) -> None:
    # In one go: readers read this very table, and must not see it run through old times.
    planes.features.fill(
        capture,
        project=project,
        window=window,
        progress=tell,
        bounds=replace(planes.filling.bounds, chunk=_ONE_GO),
        resume=resume,
    )


def _compare(
    planes: Planes, capture: FeatureCapture, *, project: str, window: Window
) -> tuple[Comparison, ...]:
    return planes.features.compare(
        capture, project=project, window=window, sample=planes.filling.sample
    )


def _told(compared: Sequence[Comparison]) -> list[str]:
    return [f"{view.view}: {line}" for view in compared for line in view.differences]


def _whole(planes: Planes, capture: FeatureCapture, *, project: str) -> Window:
    """Return the time that was fed, or that would be by default if that is more."""
    window = default_window(planes.features.describe(capture))
    fed = [
        view.fed_from
        for view in planes.features.views(capture, project=project, count=False)
        if view.fed_from is not None
    ]
    return Window(start=min([*fed, window.start]), end=window.end)


def _schema_in(database: Database, project: str, *, model: ModelName) -> FeatureCapture | None:
    """Return what was captured of the schema whose own project is *project*, if it is known."""
    with database.read() as session:
        schemas = [get_schema(session, ref) for ref in bundled_schemas(session, model)]
    return next((schema.capture for schema in schemas if schema.project == project), None)


def _state(definition: str, *, holds: str, verified: bool) -> str:
    seen = "as its sources" if verified else "not compared"
    return f"{definition[:_SHORT]} from {holds}, {seen}"
