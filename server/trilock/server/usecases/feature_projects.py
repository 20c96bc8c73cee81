"""The Feast projects that live bundles and rollback targets read, and feeding them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sqlmodel import Session

from trilock.server.convergence.projections.feature_mirror import FeatureMirror
from trilock.server.domain.bundle import FeatureSchema
from trilock.server.domain.errors import TrilockError
from trilock.server.domain.names import ModelName, ReleaseRef
from trilock.server.domain.ports import ViewState, Window
from trilock.server.store.bundles import get_bundle
from trilock.server.store.plane_states import set_behind
from trilock.server.store.releases import get_release, list_live
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
    window: Window,
    progress: Callable[[str, str], None],
    done: Callable[[str, tuple[ViewState, ...]], None],
) -> None:
    """Fill *window* of every project that is needed, and have the mirrors follow.

    A fill takes long, and what is live may be something else after it: which
    project a mirror equals is the converger's to know, and it copies.

    Args:
        runtime: What to work on.
        model: Only this model's projects; None for all.
        window: Event times.
        progress: Called with a project and one line.
        done: Called with a project that is filled, and its views.

    Raises:
        PreconditionError: A source could not be read.
        PlaneUnavailableError: An outside system does not answer.
    """
    with runtime.database.read() as session:
        needed = _needed(session, model)
    for (owner, project), (schema, _) in sorted(needed.items(), key=lambda item: item[0]):
        try:
            views = runtime.connections.planes(owner).features.fill(
                schema.capture,
                project=project,
                window=window,
                progress=partial(progress, project),
            )
        finally:  # one that failed may have filled some views
            with runtime.database.write() as session:
                for live in list_live(session, model=owner):
                    # Values changed; filling the same window again leaves its watermark.
                    set_behind(session, live.alias, planes=[FeatureMirror.name], rewrite=True)
        done(project, views)


def _needed(
    session: Session, model: ModelName | None
) -> dict[tuple[ModelName, str], tuple[FeatureSchema, list[ReleaseRef]]]:
    """Return schemas and releases of live bundles and targets, by model and project."""
    needed: dict[tuple[ModelName, str], tuple[FeatureSchema, list[ReleaseRef]]] = {}
    for live in list_live(session, model=model):
        refs = [live.release, *([] if live.target is None else [live.target])]
        for ref in refs:
            schema = get_bundle(session, get_release(session, ref).bundle).feature_schema
            _, releases = needed.setdefault((ref.model, schema.project), (schema, []))
            releases.append(ref)
    return needed
