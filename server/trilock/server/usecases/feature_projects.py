"""The Feast projects that live bundles and rollback targets read, and feeding them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
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
from trilock.server.domain.names import ModelName, ReleaseRef
from trilock.server.domain.ports import Planes, ViewState, Window
from trilock.server.store.bundles import get_bundle
from trilock.server.store.fallbacks import get_fallback
from trilock.server.store.plane_states import set_behind
from trilock.server.store.releases import get_release, list_live
from trilock.server.usecases.feature_window import default_window
from trilock.server.usecases.runtime import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureProject:
    """A Feast project that trilock manages because a release needs it."""

    model: ModelName
    schema: FeatureSchema
    releases: tuple[ReleaseRef, ...]
    views: tuple[ViewState, ...]
    error: str
    """Why the views could not be looked at; "" if they could."""

    @property
    def project(self) -> str:
        """Its name in Feast."""
        return self.schema.project


def list_feature_projects(
    runtime: Runtime, *, model: ModelName | None
) -> tuple[FeatureProject, ...]:
    """Return every project that is needed, sorted by name, with how far it is filled."""
    with runtime.database.read() as session:
        needed = _needed(session, model)
    found = []
    for (owner, _), (schema, releases) in sorted(needed.items(), key=lambda item: item[0]):
        views: tuple[ViewState, ...] = ()
        error = ""
        try:
            views = runtime.connections.planes(owner).features.views(
                schema.capture, project=schema.project
            )
        except TrilockError as trouble:
            error = str(trouble)
        found.append(
            FeatureProject(
                model=owner, schema=schema, releases=tuple(releases), views=views, error=error
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
        needed = _needed(session, model)
    problems: list[str] = []
    silent: list[PlaneUnavailableError] = []
    for (owner, project), (schema, _) in sorted(needed.items(), key=lambda item: item[0]):
        try:
            done(project, _fill(runtime, owner, schema, window=window, progress=progress))
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
    window: Window | None,
    progress: Callable[[str, str], None],
) -> tuple[ViewState, ...]:
    planes = runtime.connections.planes(owner)
    return planes.features.fill(
        schema.capture,
        project=schema.project,
        window=window or _since_last(planes, schema),
        progress=partial(progress, schema.project),
        bounds=planes.filling.bounds,
        resume=window is None,
    )


def _since_last(planes: Planes, schema: FeatureSchema) -> Window:
    """Return the window from where the view that is furthest behind was last filled."""
    default = default_window(planes.features.describe(schema.capture))
    fed = [
        view.fed_until or default.start
        for view in planes.features.views(schema.capture, project=schema.project)
        if view.feedable
    ]
    return Window(start=min([*fed, default.end - timedelta(microseconds=1)]), end=default.end)


def _needed(
    session: Session, model: ModelName | None
) -> dict[tuple[ModelName, str], tuple[FeatureSchema, list[ReleaseRef]]]:
    """Return schemas and releases of live, target and fallback bundles, by model and project."""
    needed: dict[tuple[ModelName, str], tuple[FeatureSchema, list[ReleaseRef]]] = {}
    for live in list_live(session, model=model):
        refs = [live.release, *([] if live.target is None else [live.target])]
        for ref in refs:
            schema = get_bundle(session, get_release(session, ref).bundle).feature_schema
            _, releases = needed.setdefault((ref.model, schema.project), (schema, []))
            releases.append(ref)
        fallback = get_fallback(session, live.alias)
        if fallback is not None:
            schema = get_bundle(session, fallback.bundle).feature_schema
            needed.setdefault((live.alias.model, schema.project), (schema, []))
    return needed
