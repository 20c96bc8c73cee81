"""The Feast projects that live bundles and rollback targets read, and feeding them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from sqlmodel import Session

from trilock.server.convergence.projections.feature_mirror import FeatureMirror
from trilock.server.domain.bundle import FeatureSchema
from trilock.server.domain.errors import (
    AbortedError,
    NotReadyError,
    PlaneUnavailableError,
    TrilockError,
)
from trilock.server.domain.names import BundleRef, ModelName, ReleaseRef
from trilock.server.domain.ports import ViewState, Window
from trilock.server.domain.release import LiveRow
from trilock.server.features.filling import filling, since_last
from trilock.server.store.bundles import get_bundle
from trilock.server.store.fallbacks import get_fallback
from trilock.server.store.leading import held_in_place
from trilock.server.store.plane_states import set_behind
from trilock.server.store.releases import get_release, list_live
from trilock.server.usecases.runtime import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureProject:
    """A Feast project that trilock manages because a release needs it."""

    model: ModelName
    schema: FeatureSchema
    project: str
    """Its name in Feast."""
    releases: tuple[ReleaseRef, ...]
    views: tuple[ViewState, ...]
    error: str
    """Why the views could not be looked at; "" if they could."""


def list_feature_projects(
    runtime: Runtime, *, model: ModelName | None
) -> tuple[FeatureProject, ...]:
    """Return every project that is needed, sorted by name, with how far it is filled."""
    with runtime.database.read() as session:
        needed = _needed(runtime, session, model)
    found = []
    for (owner, own), need in sorted(needed.items(), key=lambda item: item[0]):
        project = own
        views: tuple[ViewState, ...] = ()
        error = ""
        try:
            planes = runtime.connections.planes(owner)
            project = planes.home(need.schema)
            views = planes.features.views(need.schema.capture, project=project)
        except TrilockError as trouble:
            error = str(trouble)
        found.append(
            FeatureProject(
                model=owner,
                schema=need.schema,
                project=project,
                releases=tuple(need.releases),
                views=views,
                error=error,
            )
        )
    return tuple(sorted(found, key=lambda project: project.project))


def materialize_features(
    runtime: Runtime,
    *,
    model: ModelName | None,
    window: Window | None,
    progress: Callable[[str, str], None],
    done: Callable[[str, tuple[ViewState, ...]], None],
) -> None:
    """Fill every project that is needed, and have the mirrors follow.

    A fill takes long, and what is live may be something else after it: which
    project a mirror equals is the converger's to know, and it copies. What fails
    in one project, or one view, keeps no other from being filled.

    Args:
        runtime: What to work on.
        model: Only this model's projects; None for all.
        window: Event times; None to go on from where each view was last filled.
        progress: Called with a project and one line; may raise AbortedError to stop.
        done: Called with a project that is filled, and its views.

    Raises:
        NotReadyError: Some views were not filled, and why; all others were.
        PlaneUnavailableError: Nothing but that is why.
        AbortedError: It was stopped.
    """
    with runtime.database.read() as session:
        needed = _needed(runtime, session, model)
    problems: list[str] = []
    silent: list[PlaneUnavailableError] = []
    for (owner, own), need in sorted(needed.items(), key=lambda item: item[0]):
        if need.parked:
            continue
        project = own
        try:
            project = runtime.connections.planes(owner).home(need.schema)
            done(
                project,
                _fill(
                    runtime, owner, need.schema, project=project, window=window, progress=progress
                ),
            )
        except AbortedError:
            raise
        except NotReadyError as error:
            problems += [f"{project}: {problem}" for problem in error.problems]
        except TrilockError as error:
            problems.append(f"{project}: {error}")
            silent += [error] if isinstance(error, PlaneUnavailableError) else []
            progress(project, str(error))
        finally:  # one that failed may have filled some views
            with runtime.database.write() as session:
                for live in list_live(session, model=owner):
                    # Values changed; filling the same window again leaves its watermark.
                    set_behind(session, live.alias, planes=[FeatureMirror.name], rewrite=True)
    if silent and len(silent) == len(problems):
        raise silent[0]
    if problems:
        raise NotReadyError(resource="what releases read", problems=problems)


def _fill(
    runtime: Runtime,
    owner: ModelName,
    schema: FeatureSchema,
    *,
    project: str,
    window: Window | None,
    progress: Callable[[str, str], None],
) -> tuple[ViewState, ...]:
    planes = runtime.connections.planes(owner)
    with filling(runtime.database, project):
        return planes.features.fill(
            schema.capture,
            project=project,
            window=window or since_last(planes.features, schema.capture, project=project),
            progress=partial(progress, project),
            bounds=planes.filling.bounds,
            resume=window is None,
        )


@dataclass(slots=True, kw_only=True)
class _Need:
    """Why one project is needed."""

    schema: FeatureSchema
    releases: list[ReleaseRef] = field(default_factory=list)
    parked: bool = True
    """In place, the values of what is not live stay as they were when they were moved out."""


def _needed(
    runtime: Runtime, session: Session, model: ModelName | None
) -> dict[tuple[ModelName, str], _Need]:
    """Return what live, target and fallback bundles read, by model and project."""
    needed: dict[tuple[ModelName, str], _Need] = {}

    def note(live: LiveRow, bundle: BundleRef, *, held: BundleRef) -> _Need:
        schema = get_bundle(session, bundle).feature_schema
        need = needed.setdefault((bundle.model, schema.project), _Need(schema=schema))
        if bundle == held or runtime.connections.in_place_project(live.alias) is None:
            need.parked = False
        return need

    for live in list_live(session, model=model):
        held = held_in_place(session, live)
        note(live, held, held=held)
        for ref in live.needed:
            note(live, get_release(session, ref).bundle, held=held).releases.append(ref)
        fallback = get_fallback(session, live.alias)
        if fallback is not None:
            note(live, fallback.bundle, held=held)
    return needed
